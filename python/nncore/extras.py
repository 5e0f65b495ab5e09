"""What each extra of nncore installs, and the command for what is missing of one.

The lists stand in ``pyproject.toml`` alone. The command names the packages and not the extra:
``pip install ".[onnx]"`` would compile the whole core a second time.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path


def how_to_install(extra: str, package: str | None = None) -> str:
    """``"run `python -m pip install mpi4py>=4` (the extra nncore[mpi])"``, with quotes where a
    shell needs them; of an extra's packages only `package`, if one is given."""
    return f"run `python -m {pip_command(extra, package)}` (the extra nncore[{extra}])"


def pip_command(extra: str, package: str | None = None) -> str:
    """``"pip install ..."`` of what an extra holds, or of one package of it."""
    needed = [one for one in requirements(extra) if package in (None, _name(one))]
    # Where nobody knows what nncore needs: run from files that were copied from somewhere.
    needed = needed or [package or f".[{extra}]"]
    return " ".join(["pip", "install", *(_quoted(one) for one in needed)])


def requirements(extra: str) -> list[str]:
    """What an extra installs, as it is said in pyproject.toml; empty where that is not known."""
    from importlib import metadata

    try:
        told = metadata.requires("nncore") or []
    except metadata.PackageNotFoundError:
        return _of_the_checkout(extra)
    own = re.compile(rf"""extra\s*==\s*["']{re.escape(extra)}["']""")
    parts = (one.partition(";") for one in told)
    return [needed.strip().replace(" ", "") for needed, _, marker in parts if own.search(marker)]


def _of_the_checkout(extra: str) -> list[str]:
    """The same where nncore is not installed, but used as it lies there."""
    try:
        tomllib = import_module("tomllib")
        text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    except (ImportError, OSError):  # Python 3.10 has no tomllib
        return []
    listed: list[str] = tomllib.loads(text)["project"]["optional-dependencies"][extra]
    return listed


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _quoted(requirement: str) -> str:
    # Double quotes are quotes for every shell, cmd.exe included.
    return f'"{requirement}"' if set(requirement) & set("<>[") else requirement
