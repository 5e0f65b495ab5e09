"""What the processes of `scaling_worker.py` tell, for the scripts that start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("scaling_worker.py")
NETWORKS = ("mlp64", "mlp512", "mlp2048", "cnn28", "resnet", "lite0")

_ONE_THREAD_AS_ROOT = {
    "NNCORE_NUM_THREADS": "1",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}


def told(
    processes: int,
    networks: Sequence[str],
    seconds: float,
    *flags: str,
    before: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Steps by network and batch, the link, the threads; `before` is what runs the command."""
    command = [sys.executable, str(WORKER), *networks, "--seconds", str(seconds), *flags]
    if processes > 1:
        command = ["mpiexec", "-n", str(processes), *command]
    done = subprocess.run(
        [*before, *command],
        env=os.environ | _ONE_THREAD_AS_ROOT | dict(environment or {}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
