"""A run on pictures whose classes and files are named as badly as a file system lets them be."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pages import HOSTILE_CLASSES, HOSTILE_FILE, call


def write_pictures(folder: Path, classes: tuple[str, ...], count: int) -> None:
    """Noisy 6 x 6 pictures; a lighter line for the class."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(3 if label == len(classes) - 1 else count):
            pixels = rng.integers(0, 150, (6, 6)).astype(np.uint8)
            pixels[label % 6] += 60
            file = HOSTILE_FILE if number == 0 else b"%d.png" % number
            Image.fromarray(pixels).save(os.fsencode(folder / name) + b"/" + file, "PNG")
    (folder / classes[0] / "broken <i>.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")


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
