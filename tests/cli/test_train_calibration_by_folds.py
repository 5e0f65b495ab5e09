"""`nncore train` on a backbone calibrates by all images, since few are left for validation."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from onnx_graphs import OnnxGraph

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    graph = OnnxGraph(("n", 1, 8, 8))
    place = tmp_path_factory.mktemp("networks") / "gray.onnx"
    return graph.write(place, graph.classifier(graph.conv("x", 24)))


def noisy(folder, count):
    """Two classes that cannot be told apart for sure."""
    rng = np.random.default_rng(2)
    for name, more in (("dim", 0), ("bright", 12)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 120, (8, 8)) + rng.integers(0, 20) + more
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def train(call, network, pictures, runs, *more):
    places = ("--output", runs, "--cache", "off", "--epochs", 30, "--features-mean", "0")
    return call("train", pictures, "--backbone", network, *places, *more)


def test_few_pictures_suffice(call, network, tmp_path):
    pictures = noisy(tmp_path / "few", 30)
    called = train(call, network, pictures, tmp_path / "runs", "--json")
    assert called.code == 0, called.err
    told = json.loads(called.out)
    assert told["images"]["val"] < 10
    found = told["calibration"]
    assert (found["images"], found["folds"]) == (60, 10)
    assert found["largest_coverage"] == 60 / 61
    assert found["unknown"]["images"] == 60
    run = tmp_path / "runs" / "run-1"
    # The head that learned from the validation images in the end has it, too.
    kept = nn.load(run / "best.safetensors")
    assert kept.facts.images == 60
    assert kept.temperature == found["temperature"] != 1.0
    told = json.loads(call("info", run, "--json").out)
    assert (told["temperature"], told["largest_coverage"]) == (found["temperature"], 60 / 61)
    table = tmp_path / "found.csv"
    called = call("predict", run, pictures, "--coverage", "0.9", "--csv", table)
    assert called.code == 0, called.err
    assert all(json.loads(row["set"]) for row in csv.DictReader(table.read_text().splitlines()))


def test_what_is_said(call, network, tmp_path):
    pictures = noisy(tmp_path / "few", 30)
    called = train(call, network, pictures, tmp_path / "runs", "--no-refit")
    assert "calibrated on all 60 images, each answered by one of" in called.out
    assert "10 heads, which had not learned from it: temperature" in called.out
    page = (tmp_path / "runs" / "run-1" / "report.html").read_text()
    assert "60 images, each answered by one of 10 heads that had not learned from it" in page
    assert "names all that a picture may be, for P up to 0.983" in page
    assert "told by a score above 1, which 5% of the known kind have, too: farther than" in page
    assert "from the nearest class, chosen on 60 images" in page
    called = train(call, network, noisy(tmp_path / "fewer", 20), tmp_path / "runs")
    assert "not calibrated: 40 images say too little about them" in called.out
    page = (tmp_path / "runs" / "run-2" / "report.html").read_text()
    assert "none: they take a calibrated model" in page
    assert "cannot be told: the model is not calibrated" in page


def test_without_validation_images_there_are_folds_still(call, network, tmp_path):
    pictures = noisy(tmp_path / "few", 30)
    called = train(call, network, pictures, tmp_path / "runs", "--val", "0", "--json")
    assert json.loads(called.out)["calibration"]["images"] == 60


def test_where_upper_layers_are_trained_validation_images_tell(call, network, tmp_path):
    pictures = noisy(tmp_path / "more", 100)
    flags = ("--val", "0.3", "--fine-tune", "1", "--fine-tune-rate", "0.01", "--json")
    told = json.loads(train(call, network, pictures, tmp_path / "runs", *flags).out)
    kept = nn.load(tmp_path / "runs" / "run-1" / "best.safetensors")
    trained = told["best_epoch"] > 30
    assert kept.layers[0].description.trainable == trained
    found = told["calibration"]
    assert (found["images"], found["folds"]) == ((60, 0) if trained else (200, 10))
