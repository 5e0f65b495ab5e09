"""`nncore train` calibrates the model that it keeps."""

import csv
import json
from pathlib import Path

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
    shown = capsys.readouterr().out
    assert f"temperature {found['temperature']:g}, prediction sets up to coverage 0.9917" in shown
    assert info["largest_coverage"] == found["largest_coverage"] == 120 / 121


def test_sets_of_classes(noisy, tmp_path, capsys):
    assert train(noisy, tmp_path / "runs", "--val", "0.3") == 0
    assert "predict --coverage P gives sets of classes, up to 0.991" in capsys.readouterr().out
    table = tmp_path / "found.csv"
    called = ["predict", str(tmp_path / "runs" / "run-1"), str(noisy)]
    assert main([*called, "--coverage", "0.9", "--csv", str(table), "--json"]) == 0
    told, explained = capsys.readouterr()
    assert "on each line" not in explained
    found = json.loads(told)["predictions"]
    rows = list(csv.DictReader(table.read_text().splitlines()))
    held = 0
    for one, row in zip(found, rows, strict=True):
        assert json.loads(row["set"]) == one["set"]
        assert row["unknown"] == str(one["unknown"]).lower()
        assert row["unknown_score"] == f"{one['unknown_score']:.4f}"
        assert one["set"][0] == one["label"]
        held += Path(one["path"]).parent.name in one["set"]
    assert {len(one["set"]) for one in found} == {1, 2}
    assert 0.87 <= held / len(found) <= 0.97  # the images of training are among them
    capsys.readouterr()
    assert main([*called, "--coverage", "0.9", "--quiet"]) == 0
    assert "on each line" not in capsys.readouterr().err
    assert main([*called, "--coverage", "0.9"]) == 0
    told, explained = capsys.readouterr()
    assert "path, label, probability, {set}. A set holds the true class in at least 90 of 100" in (
        explained
    )
    assert "Then known or unknown" in explained
    lines = told.splitlines()
    assert [line.split("\t")[3:] for line in lines] == [
        [
            "{" + ", ".join(one["set"]) + "}",
            "unknown" if one["unknown"] else "known",
            f"{one['unknown_score']:.4f}",
        ]
        for one in found
    ]
    assert main([*called, "--coverage", "0.995"]) == 2
    assert "at least 199 images" in capsys.readouterr().err
    assert main([*called, "--json"]) == 0
    assert {one["set"] for one in json.loads(capsys.readouterr().out)["predictions"]} == {None}


def test_pictures_that_are_none_of_the_classes(noisy, tmp_path, capsys):
    assert train(noisy, tmp_path / "runs", "--val", "0.3", "--json") == 0
    told = json.loads(capsys.readouterr().out)["calibration"]["unknown"]
    assert (told["images"], told["false_alarms"]) == (120, 0.05)
    run = str(tmp_path / "runs" / "run-1")
    assert main(["info", run, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unknown"] == told
    assert main(["info", run]) == 0
    assert "unlike 120 known ones are told, with 5% false alarms" in capsys.readouterr().out
    stripes = np.zeros((6, 6), np.uint8)
    stripes[::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    assert main(["predict", run, str(tmp_path / "stripes.png"), "--json"]) == 0
    out, err = capsys.readouterr()
    (one,) = json.loads(out)["predictions"]
    assert one["unknown"] is True
    assert one["unknown_score"] > 1
    assert "1 of 1 picture: unlike those that the model knows" in err


def test_few_validation_images_say_too_little(noisy, tmp_path, capsys):
    assert train(noisy, tmp_path / "runs", "--val", "0.1") == 0
    assert "not calibrated: 40 validation images say too little" in capsys.readouterr().out
    run = tmp_path / "runs" / "run-1"
    assert nn.load(run / "best.safetensors").temperature == 1.0
    assert main(["predict", str(run), str(noisy), "--coverage", "0.9"]) == 2
    assert "coverage is for models that are calibrated" in capsys.readouterr().err


def test_without_softmax_nothing_is_said(noisy, tmp_path, capsys):
    assert train(noisy, tmp_path / "runs", "--loss", "mse") == 0
    assert "calibrat" not in capsys.readouterr().out
