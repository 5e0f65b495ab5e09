"""A desk: the folder in which a reader of the documents sits, with photos and a trained run."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore.cli import main
from onnx_models import write_network

CLASSES = ("cat", "dog", "other")


def call(words: list[str]) -> tuple[int, str, str]:
    """The command line within this process: exit code, standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


def write_photos(folder: Path, count: int, seed: int) -> None:
    """Noise with a bright bar that lies (cat), stands (dog) or is not there; 16 x 16 RGB."""
    rng = np.random.default_rng(seed)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = rng.integers(0, 60, (16, 16, 3))
            place = rng.integers(3, 13)
            if name == "cat":
                image[place : place + 2] += 180
            elif name == "dog":
                image[:, place : place + 2] += 180
            Image.fromarray(image.astype(np.uint8)).save(folder / name / f"{number}.png")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """What the commands of all pages begin with."""
    desk = tmp_path_factory.mktemp("prepared")
    write_photos(desk / "photos", 30, seed=1)
    write_photos(desk / "more-photos", 6, seed=2)
    (desk / "more").mkdir()
    picture = Image.open(desk / "more-photos" / "cat" / "0.png")
    for name in ("new.png", "new.jpg", "more/new.jpg"):
        picture.save(desk / name)
    flags = ["--model", "cnn", "--epochs", "8", "--output", str(desk / "runs"), "--quiet"]
    assert call(["train", str(desk / "photos"), "--name", "run-1", *flags])[0] == 0
    shutil.copy(desk / "runs" / "run-1" / "best.safetensors", desk / "pets.safetensors")
    demo = ["demo", "--output", str(desk / "nncore-demo"), "--quiet"]
    assert call(demo)[0] == 0
    write_network(desk / "backbone.onnx", shape=("n", 3, 16, 16), outputs=("pooled",))
    write_network(desk / "resnet18.onnx", shape=("n", 3, 16, 16))
    return desk


@pytest.fixture
def desk(prepared, tmp_path, monkeypatch) -> Path:
    """A copy of it, as the working folder."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def command_line() -> Callable[[list[str]], tuple[int, str, str]]:
    return call
