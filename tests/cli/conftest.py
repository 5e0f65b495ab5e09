"""Small folders of pictures, a trained run, and a way to call the command line."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from nncore.cli import main
from textbook import TRAIN


class Called(NamedTuple):
    code: int
    out: str
    err: str


def call_main(*argv: object) -> Called:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in argv])
    return Called(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def call() -> Callable[..., Called]:
    return call_main


@pytest.fixture(scope="session")
def fails() -> Callable[..., str]:
    """Call a command that must fail with this code; returns the message of its one line."""

    def check(code: int, *argv: object) -> str:
        called = call_main(*argv)
        lines = called.err.splitlines()
        assert called.code == code, called
        assert len(lines) == 1, called.err
        assert lines[0].startswith("nncore: error: ")
        assert called.out == ""
        return lines[0].removeprefix("nncore: error: ")

    return check


def write_pictures(folder: Path, count: int, seed: int) -> Path:
    """`count` noisy 8 x 8 gray PNGs of each class: a bar that lies, stands, or is not there."""
    rng = np.random.default_rng(seed)
    for name in ("lying", "standing", "nothing"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = rng.integers(0, 60, (8, 8))
            place = rng.integers(2, 6)
            if name == "lying":
                image[place] += 180
            elif name == "standing":
                image[:, place] += 180
            Image.fromarray(image.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures") / "bars", 40, seed=1)


@pytest.fixture(scope="session")
def new_pictures(tmp_path_factory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures") / "new", 12, seed=2)


@pytest.fixture(scope="session")
def run(pictures, tmp_path_factory) -> Path:
    """A run directory of a model that knows the bars."""
    runs = tmp_path_factory.mktemp("runs")
    called = call_main(*TRAIN, pictures, "--output", runs, "--name", "bars", "--quiet")
    assert called.code == 0, called.err
    return runs / "bars"
