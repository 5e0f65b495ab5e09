"""Free-threaded Python: the lock is turned on, or nncore refuses to be imported and says why.

There is no such Python here: what it tells of itself is put in its place.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMPORT = """
import sys
class Flags:
    gil = {flag}
    def __getattr__(self, name, flags=sys.flags):
        return getattr(flags, name)
sys.flags = Flags()
sys._is_gil_enabled = lambda: {enabled}
import nncore
print(nncore.Dense(3))
"""


def imported(flag: int | None, enabled: bool) -> subprocess.CompletedProcess[str]:
    code = IMPORT.format(flag=flag, enabled=enabled)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_refused_where_the_lock_must_stay_off():
    done = imported(0, False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "ImportError: nncore needs the global interpreter lock, which PYTHON_GIL=0"
    )


@pytest.mark.parametrize(
    ("flag", "enabled"),
    [
        (None, True),  # every other Python, and a free-threaded one that has turned it on
        (None, False),  # which turns it on when it loads the core
        (1, True),
    ],
)
def test_accepted_elsewhere(flag, enabled):
    done = imported(flag, enabled)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Dense(")


def test_the_core_does_not_say_that_it_needs_no_lock():
    """What such a Python goes by: PYBIND11_MODULE says so only with py::mod_gil_not_used()."""
    source = (ROOT / "cpp/bindings/module.cpp").read_text(encoding="utf-8")
    declared = source.partition("PYBIND11_MODULE(")[2].partition("{")[0]
    assert declared.startswith("_core, module)")
    assert "gil_not_used" not in source
