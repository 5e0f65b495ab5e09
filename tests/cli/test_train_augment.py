"""`nncore train --augment` and `--class-weight`."""

from __future__ import annotations

import json

import pytest
from PIL import Image

import nncore as nn
from textbook import TRAIN

AUGMENTED = "augmented.png"


def train(call, pictures, tmp_path, *flags):
    called = call(*TRAIN, pictures, "--output", tmp_path, "--name", "a", "--epochs", 2, *flags)
    assert called.code == 0, called.err
    return called, tmp_path / "a"


def test_a_run_with_augmentation(call, pictures, tmp_path):
    called, run = train(
        call, pictures, tmp_path, "--augment", "medium", "--rotation", 30, "--vertical-flip"
    )
    Image.open(run / AUGMENTED).verify()
    assert AUGMENTED in called.out
    settings = {
        "shift": 0.1,
        "rotation": 30.0,
        "scale": 0.1,
        "horizontal_flip": False,
        "vertical_flip": True,
        "brightness": 0.2,
        "contrast": 0.2,
        "crop_padding": 0,
        "erase": 0.0,
        "fill": "edge",
    }
    tomllib = pytest.importorskip("tomllib")
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["augmentation"] == settings
    assert config["training"]["augment"] == "medium"
    assert nn.load(run / "best.safetensors").facts.augmentation == settings
    assert "augmented  shift 0.1, rotation 30.0" in call("info", run).out


def test_single_flags_need_no_strength(call, pictures, tmp_path):
    _, run = train(call, pictures, tmp_path, "--crop-padding", 2, "--fill", 0, "--horizontal-flip")
    facts = nn.load(run / "best.safetensors").facts
    expected = nn.Augmentation(crop_padding=2, fill=0, horizontal_flip=True)
    assert facts.augmentation == expected.to_dict()
    train(call, pictures, tmp_path, "--crop-padding", 2, "--overwrite")
    facts = nn.load(run / "best.safetensors").facts
    assert facts.augmentation == nn.Augmentation(crop_padding=2, fill="edge").to_dict()


def test_without_flags_nothing_is_augmented_or_weighted(call, pictures, tmp_path):
    called, run = train(call, pictures, tmp_path, "--fill", "reflect")
    assert not (run / AUGMENTED).exists()
    assert "weight" not in called.out
    facts = nn.load(run / "best.safetensors").facts
    assert facts.augmentation is None
    assert facts.class_weight is None


def test_an_older_sheet_does_not_stay(call, pictures, tmp_path):
    _, run = train(call, pictures, tmp_path, "--augment", "light")
    assert (run / AUGMENTED).exists()
    train(call, pictures, tmp_path, "--overwrite")
    assert not (run / AUGMENTED).exists()


def test_class_weights(call, pictures, tmp_path):
    for file in sorted((pictures / "lying").iterdir())[:30]:
        target = tmp_path / "few" / "lying" / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    for name, number in (("standing", 20), ("nothing", 10)):
        for file in sorted((pictures / name).iterdir())[:number]:
            target = tmp_path / "few" / name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    called, run = train(
        call, tmp_path / "few", tmp_path, "--class-weight", "balanced", "--val", 0.1
    )
    weights = nn.load(run / "best.safetensors").facts.class_weight
    # 27 lying, 9 nothing and 18 standing are left for training.
    assert weights == pytest.approx({"lying": 2 / 3, "nothing": 2.0, "standing": 1.0})
    assert "class weights: lying 0.667, nothing 2, standing 1" in called.out
    assert "validation and evaluation losses are not" in called.out
    assert "weighted   lying 0.667" in call("info", run).out
    tomllib = pytest.importorskip("tomllib")
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["class_weights"] == pytest.approx(weights)
    # The best epoch was chosen by, and the report has, the loss without weights.
    history = nn.History.from_csv(run / "history.csv")
    report = json.loads((run / "report.json").read_text())
    best = history.best_epoch() - 1
    assert report["loss"] == pytest.approx(history.history["val_loss"][best])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--augment", "wild"], "invalid choice: 'wild'"),
        (["--rotation", "181"], "--rotation: must be from 0 to 180"),
        (["--scale", "1"], "--scale: must be from 0 to 0.9"),
        (["--fill", "300"], "--fill: must be a value from 0 to 255, edge or reflect"),
        (["--crop-padding", "-1"], "--crop-padding: must be from 0"),
        (["--class-weight", "0.5"], "invalid choice"),
    ],
)
def test_bad_flags_are_usage_errors(fails, pictures, flags, words):
    assert words in fails(2, "train", pictures, *flags)
