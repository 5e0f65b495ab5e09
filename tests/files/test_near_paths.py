"""What is named where nothing is at a path."""

from __future__ import annotations

import os

import pytest

from nncore.files import near_paths
from nncore.files.near_paths import path_meant

FILES = (
    "photos/cats/0.png",
    "photos/dogs/1.png",
    "runs/run-1/best.safetensors",
    "new.png",
    "net.onnx",
    "Readme.TXT",
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("photoss/", "; did you mean photos/?"),
        ("Photos", "; did you mean photos/?"),
        ("./fotos", "; did you mean ./photos/?"),
        ("nwe.png", "; did you mean new.png?"),
        ("new.jpg", "; did you mean new.png?"),
        ("readme.txt", "; did you mean Readme.TXT?"),
        ("photoss/cats", "; did you mean photos/cats/?"),
        ("photoss/cat/0.png", "; did you mean photos/cats/0.png?"),
        ("rnus/run-2", "; did you mean runs/run-1/?"),
        ("photoss/none.csv", ""),  # nothing like it is in photos/
        ("all.onnx", ""),  # equal endings are no likeness
        ("new.png/inner", ""),
        ("photos", ""),
        ("", ""),
        ("nul\0", ""),
    ],
)
def test_names_like_it(here, given, meant):
    assert path_meant(given) == meant.replace("/", os.sep)


def test_whole_paths_and_homes(here, monkeypatch):
    assert path_meant(here / "photoss") == f"; did you mean {here}/photos/?"
    monkeypatch.setenv("HOME", str(here))
    assert path_meant("~/photoss") == f"; did you mean {here}/photos/?"


def test_no_more_than_three_and_none_of_very_many(here, monkeypatch):
    for name in range(5):
        (here / f"image-{name}.png").touch()
    assert path_meant("image-9.png").count(" or ") == 2
    monkeypatch.setattr(near_paths, "_MOST_SIBLINGS", 5)
    assert path_meant("image-9.png") == ""
