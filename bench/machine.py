"""What a measurement is worth nothing without: the machine, the versions, the load."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import datetime, timezone
from typing import Any


def cpu_model() -> str:
    """The processor's name, as Linux gives it; family, model and stepping tell its relatives apart.

    Virtual machines often hide the true name: "Intel(R) Xeon(R) Processor" may be any of them.
    """
    facts: dict[str, str] = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                name, _, value = line.partition(":")
                facts.setdefault(name.strip(), value.strip())
    except OSError:
        return platform.processor() or platform.machine()
    name = facts.get("model name") or platform.machine()
    numbers = [facts.get(key) for key in ("cpu family", "model", "stepping")]
    return f"{name} ({'/'.join(n for n in numbers if n)})" if any(numbers) else name


def machine() -> dict[str, Any]:
    """Processor, nncore build and load of this moment, ready for JSON."""
    import nncore as nn

    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "nncore": nn.info(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "load_average": list(os.getloadavg()),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def versions(packages: list[str]) -> dict[str, str | None]:
    """Versions of installed distributions; None for those that are not."""
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def load_warning() -> str | None:
    """A sentence if other work runs on this machine just now."""
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if load < 0.5:
        return None
    return (
        f"load average {load:.1f} on {cores} CPUs: other work is running, so times are too high "
        "and ratios uncertain; measure on a quiet machine"
    )
