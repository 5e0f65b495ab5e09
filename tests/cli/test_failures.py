"""Every failure is one line and one exit code, whatever it is."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys

import pytest

import nncore as nn
from nncore.cli import main
from nncore.cli.failures import describe
from nncore.cli.verbs import info as info_verb
from nncore.errors import DataError, MissingExtraError, ModelFileError, TrainingError
from textbook import TRAIN


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (DataError("photos: bad"), 3, "photos: bad"),
        (ModelFileError("m: bad"), 4, "m: bad"),
        (TrainingError("diverged"), 1, "diverged"),
        (MissingExtraError("plots need matplotlib"), 1, "plots need matplotlib"),
        (ValueError("top_k must be 1"), 2, "top_k must be 1"),
        (
            MemoryError(),
            1,
            "not enough memory: use a smaller --size, --width or --hidden, or fewer images",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "/x: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device"),
    ],
)
def test_code_and_message(error, code, told):
    assert describe(error) == (code, told)


def test_a_bug_is_one_line_too(monkeypatch, fails):
    def broken(*_):
        raise TypeError("two\nlines\x1b[31m")

    monkeypatch.setattr(info_verb, "as_json", broken)
    monkeypatch.setattr(info_verb, "open_outline", lambda path, verify: (None, path))
    told = fails(1, "info", "x")
    assert told.startswith(r"unexpected TypeError: two\nlines\x1b[31m (NNCORE_DEBUG=1")
    monkeypatch.setenv("NNCORE_DEBUG", "1")
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    assert main(["info", "x"]) == 1
    assert "Traceback" in stream.getvalue()


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, RecursionError])
def test_errors_from_below(monkeypatch, call, error):
    def stop(path, verify):
        raise error

    monkeypatch.setattr(info_verb, "open_outline", stop)
    called = call("info", "x")
    assert called.code == (130 if error is KeyboardInterrupt else 1)
    assert called.err.startswith("nncore: error: ")
    assert len(called.err.splitlines()) == 1


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command.replace("nncore", f"{sys.executable} -m nncore")],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("words", [["info"], ["info", "--json"], ["--help"], ["--version"]])
def test_a_reader_that_goes_away_is_no_failure_to_tell_of(words):
    reading, writing = os.pipe()
    os.close(reading)  # before anything is written: no matter of luck
    command = [sys.executable, "-m", "nncore", *words]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["nncore info", "nncore --help", "nncore --version"])
def test_a_full_disk(command):
    done = shell(f"{command} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == (
        "nncore: error: standard output cannot be written: No space left on device\n"
    )


@pytest.mark.parametrize("place", ["> /dev/full", "| true", ">&-", ">&- 2>&-"])
def test_training_needs_no_standard_output(pictures, tmp_path, place):
    command = f"nncore {' '.join(TRAIN)} {pictures} --epochs 2 --output {tmp_path} --name x"
    done = shell(f"{command} {place}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 1
    told = done.stderr.splitlines()[-1:]
    if place in ("> /dev/full", ">&-"):
        assert "error: standard output " in told[0]
    else:
        assert "error: " not in "".join(told)
    assert (tmp_path / "x" / "report.json").exists()
    assert len(nn.load_checkpoint(tmp_path / "x" / "last.safetensors").history) == 2


def test_closed_streams():
    for command in ("nncore info", "nncore info --json"):
        done = shell(f"{command} >&-")
        assert done.returncode == 1
        assert done.stderr == (
            "nncore: error: standard output is closed: there is no place for the result\n"
        )
    assert shell("nncore fly 2>&-").returncode == 2
    assert shell("nncore fly 2>/dev/null").returncode == 2


def test_a_terminal_that_cannot_show_a_name(fails, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    assert main(["check", "b\N{LATIN SMALL LETTER A WITH DIAERESIS}r"]) == 3
    stream.seek(0)
    assert stream.read().startswith(r"nncore: error: b\xe4r: no such file or folder")
