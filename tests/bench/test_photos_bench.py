"""The benchmark of photos of full size, with a small network and stand-ins for the photos."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import photo_task
import photos
import pytest
import transfer_speed
from networks import NETWORKS

import nncore as nn

SIDE = 18


def small() -> nn.Sequential:
    """Every kind of layer of ResNet18, at a side that strides do not divide."""
    inner = [nn.Conv2D(12, 3, 2, "same", use_bias=False), nn.BatchNormalization(0.5)]
    shortcut = [nn.Conv2D(12, 1, 2, "same", use_bias=False), nn.BatchNormalization(0.5)]
    layers = [
        nn.Conv2D(8, 7, 2, "same", use_bias=False, name="stem"),
        nn.BatchNormalization(0.5, name="norm"),
        nn.Activation("relu", name="relu"),
        nn.MaxPool2D(3, 2, padding="same", name="pool"),
        nn.Residual(inner, "relu", shortcut, name="block0"),
        nn.Residual([nn.Conv2D(12, 3, padding="same", name="conv")], "relu", name="block1"),
        nn.GlobalAveragePool2D(name="features"),
        nn.Dense(photo_task.CLASSES, name="head"),
    ]
    model = nn.Sequential(layers, "small")
    model.build((SIDE, SIDE, 3), seed=3)
    return model


def pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    images = rng.normal(0, 2, (count, SIDE, SIDE, 3)).astype(np.float32)
    return images, rng.integers(0, photo_task.CLASSES, count).astype(np.int32)


def test_a_race_for_each_question(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys):
    monkeypatch.setattr(transfer_speed, "MODELS", {"resnet18": small})
    monkeypatch.setattr(transfer_speed, "photos", pictures)
    words = ["--networks", "resnet18", "--threads", "1", "--rounds", "1", "--seconds", "0.01"]
    assert photos.main([*words, "--json", str(tmp_path / "out.json")]) == 0
    races = json.loads((tmp_path / "out.json").read_text())["races"]
    assert [race["question"] for race in races] == ["train", "look", "one"]
    for race in races:
        assert race["seconds"]["nncore"]["median"] > 0
        asked = {"nncore", "torch-channels-last"} if race["question"] == "train" else set(NETWORKS)
        assert set(race["seconds"]) | set(race["failures"]) == asked
    assert "resnet18 looking at photos, 1 per call, 1 thread(s)" in capsys.readouterr().out
