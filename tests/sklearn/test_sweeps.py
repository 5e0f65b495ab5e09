"""The sweeps of `examples/` find the same on every backend of joblib that is installed."""

from __future__ import annotations

import functools
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn", minversion="1.6")

FOLDER = Path(__file__).parents[2] / "examples" / "sweeps"
NEEDS = {"with_dask.py": "distributed", "with_ray.py": "ray"}


def told_by(script: str) -> list[str]:
    """The lines that a sweep prints."""
    command = [sys.executable, str(FOLDER / script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@functools.cache
def told_by_joblib() -> list[str]:
    return told_by("with_joblib.py")


def test_a_sweep_by_joblib_finds_the_best():
    lines = told_by_joblib()
    scores = [float(line.split()[0]) for line in lines[:-1]]
    assert len(scores) == 4
    assert max(scores) > 0.9
    assert lines[-1] == f"best: cnn at 0.01, {max(scores):.6f}"


@pytest.mark.parametrize("script", sorted(NEEDS))
def test_others_find_the_same(script):
    try:
        importlib.metadata.version(NEEDS[script])  # a folder of tests is called so, too
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{NEEDS[script]} is not installed: pip install {NEEDS[script]}")
    assert told_by(script) == told_by_joblib()


def test_every_sweep_is_run():
    assert {path.name for path in FOLDER.glob("with_*.py")} == {"with_joblib.py", *NEEDS}
