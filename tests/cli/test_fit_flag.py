"""`--fit`: read so, told, kept in the model, and done to whatever it is shown."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import nncore as nn


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """Pictures of 12 x 36: what differs lies outside the middle, or in it."""
    folder = tmp_path_factory.mktemp("wide")
    rng = np.random.default_rng(0)
    for name, columns in (("middle", slice(12, 24)), ("outside", slice(0, 6))):
        (folder / name).mkdir()
        for number in range(20):
            picture = rng.integers(0, 60, (12, 36))
            picture[:, columns] += 180
            Image.fromarray(picture.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def trained(call, wide, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    words = ("--model", "linear", "--size", 12, "--fit", "crop", "--epochs", 20)
    called = call("train", wide, *words, "--output", runs, "--name", "c", "--cache", "off")
    assert called.code == 0, called.err
    return runs / "c", called


def test_it_is_told_and_kept(call, trained):
    run, called = trained
    assert "read as 12x12 gray, cropped (--fit crop)" in called.out
    config = pytest.importorskip("tomllib").loads((run / "config.toml").read_text())
    assert config["data"]["fit"] == "crop"
    assert "12x12 gray, bilinear-antialias, crop" in call("info", run).out
    assert json.loads(call("info", run, "--json").out)["preprocessing"]["fit"] == "crop"


def test_new_pictures_are_cropped_too(call, trained, wide, tmp_path):
    run, _ = trained
    report = json.loads(call("evaluate", run, wide, "--json", "--cache", "off").out)
    assert report["accuracy"] == 1.0
    # The same outside; only the middle is seen.
    picture = np.full((12, 36), 30, np.uint8)
    found = {}
    for name, level in (("dark", 30), ("light", 200)):
        picture[:, 12:24] = level
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
        answer = json.loads(call("predict", run, tmp_path / f"{name}.png", "--json").out)
        found[name] = answer["predictions"][0]
    assert found["light"]["label"] == "middle"
    assert found["dark"]["label"] == "outside"
    seen = np.full((1, 12, 12), 200, np.uint8)
    probability = nn.load(run / "best.safetensors").predict(seen)[0].probability
    assert found["light"]["probability"] == probability


def test_without_the_flag_pictures_are_stretched(call, wide, tmp_path):
    words = ("--model", "linear", "--size", 12, "--epochs", 1, "--output", tmp_path, "--name", "s")
    called = call("train", wide, *words, "--cache", "off")
    assert "read as 12x12 gray\n" in called.out
    assert nn.load(tmp_path / "s" / "best.safetensors").preprocessing.fit == "stretch"


def test_check_says_what_becomes_of_them(call, wide, tmp_path):
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "0.png")
    for fit, done in (("stretch", "stretched"), ("pad", "padded")):
        flags = () if fit == "stretch" else ("--fit", fit)
        # All of one size and small: nothing is fitted.
        assert "--fit" not in call("check", wide, *flags, "--cache", "off").out
        (wide / "middle" / "square.png").write_bytes((tmp_path / "0.png").read_bytes())
        text = call("check", wide, *flags, "--cache", "off").out
        assert f"fit       40 images of another aspect ratio: {done} (--fit)" in text
        told = json.loads(call("check", wide, *flags, "--cache", "off", "--json").out)
        assert told["fit"] == fit
        (wide / "middle" / "square.png").unlink()


def test_lr_find_reads_so(call, wide):
    losses = {}
    for fit in ("stretch", "crop"):
        words = ("--model", "linear", "--size", 12, "--fit", fit, "--steps", 10, "--cache", "off")
        losses[fit] = json.loads(call("lr-find", wide, *words, "--json").out)["losses"]
    assert losses["stretch"] != losses["crop"]


def test_an_unknown_fit_is_answered_with_those_there_are(fails, wide):
    assert "stretch" in fails(2, "train", wide, "--fit", "cover")
