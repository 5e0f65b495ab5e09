"""A run on pictures whose classes and files are named as badly as a file system lets them be."""

from __future__ import annotations

from pathlib import Path

import pytest

from pages import HOSTILE_CLASSES, call, write_pictures


@pytest.fixture(scope="session")
def hostile_pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "data"
    write_pictures(folder, HOSTILE_CLASSES, 20)
    return folder


@pytest.fixture(scope="session")
def hostile_run(hostile_pictures, tmp_path_factory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    words = ("--model", "linear", "--epochs", "3", "--test", "0.3", "--quiet")
    call("train", hostile_pictures, "--output", runs, "--name", "<i>run", *words)
    return runs / "<i>run"
