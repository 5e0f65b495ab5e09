"""Ctrl-C before the command line has begun."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

CODE = """
import sys
sys.argv[0] = {name!r}
import nncore
import signal
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.parametrize(("name", "silent"), [("/usr/bin/nncore", True), ("train.py", False)])
def test_no_traceback_of_imports(name, silent):
    process = subprocess.run(
        [sys.executable, "-c", CODE.format(name=name)], capture_output=True, text=True, timeout=60
    )
    assert process.returncode == -signal.SIGINT
    # A program of one's own keeps Python's way.
    assert ("Traceback" not in process.stderr) == silent
