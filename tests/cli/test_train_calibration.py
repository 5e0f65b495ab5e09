"""`nncore train` calibrates the model that it keeps."""

import json

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from nncore.cli import main


@pytest.fixture
def noisy(tmp_path):
    """Two classes of pictures that cannot be told apart for sure."""
    rng = np.random.default_rng(5)
    for number in range(400):
        label = number % 2
        pixels = rng.integers(0, 200, (6, 6)) + 18 * label
        folder = tmp_path / "data" / "ab"[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "data"


def train(data, out, *more):
    return main(
        ["train", str(data), "--model", "mlp", "--epochs", "40", "--output", str(out), *more]
    )


def test_probabilities_are_calibrated_on_validation_images(noisy, tmp_path, capsys):
    assert train(noisy, tmp_path / "runs", "--val", "0.3", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    found = printed["calibration"]
    assert found["images"] == 120
    model = nn.load(tmp_path / "runs" / "run-1" / "best.safetensors")
    assert model.temperature == found["temperature"] != 1.0
    assert main(["info", str(tmp_path / "runs" / "run-1"), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["temperature"] == found["temperature"]
    # What the file says of its training is still that of the best epoch, not of the last one.
    assert printed["best_epoch"] < printed["epochs"]
    assert info["training"]["epochs"] == printed["best_epoch"]
    assert main(["info", str(tmp_path / "runs" / "run-1")]) == 0
    assert f"temperature {found['temperature']:g}" in capsys.readouterr().out


def test_few_validation_images_say_too_little(noisy, tmp_path, capsys):
    assert train(noisy, tmp_path / "runs", "--val", "0.1") == 0
    assert "not calibrated: 40 validation images say too little" in capsys.readouterr().out
    assert nn.load(tmp_path / "runs" / "run-1" / "best.safetensors").temperature == 1.0


def test_without_softmax_nothing_is_said(noisy, tmp_path, capsys):
    assert train(noisy, tmp_path / "runs", "--loss", "mse") == 0
    assert "calibrat" not in capsys.readouterr().out
