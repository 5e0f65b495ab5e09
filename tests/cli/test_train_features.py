"""`--features` of `nncore train`, `evaluate`, `predict` and `info`, from end to end."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest

from nncore.extras import pip_command
from onnx_models import FILTERS, write_network

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A network for the gray 8 x 8 pictures of the conftest."""
    folder = tmp_path_factory.mktemp("backbone")
    return write_network(
        folder / "backbone.onnx", shape=("n", 1, 8, 8), channels=1, outputs=("pooled",)
    )


@pytest.fixture(scope="module")
def trained(call, backbone, pictures, tmp_path_factory):
    """A run on frozen features, and what was printed."""
    runs = tmp_path_factory.mktemp("runs")
    called = call(
        "train",
        pictures,
        *("--features", backbone, "--output", runs, "--name", "f", "--cache", runs / "cache"),
    )
    assert called.code == 0, called.err
    return runs / "f", called


def test_what_is_told(call, trained, backbone, pictures):
    run, called = trained
    assert f"{pictures}: 120 images in 3 classes, read as 8x8 gray\n" in called.out
    assert f"frozen features: backbone.onnx, 'pooled', {FILTERS} numbers per image\n" in called.out
    assert "  pictures for it: 8x8 gray, NCHW float32; (x / 255 - 0) / 1\n" in called.out
    assert "  guessed: mean, std; if that is wrong: --features-mean, --features-std\n" in called.out
    assert (
        f"model frozen features + linear head: 8x8x1 -> {FILTERS} frozen features -> 3 (18 "
        "parameters)"
    ) in called.out
    assert "frozen features + linear head\n" in call("info", run).out
    assert "features of 120 images computed; of 0 they were known" in called.out
    config = pytest.importorskip("tomllib").loads((run / "config.toml").read_text())
    assert config["features"]["file"] == "backbone.onnx"
    assert config["features"]["size"] == config["data"]["size"] == [8, 8]
    assert config["model"]["preset"] == "linear"
    assert (run / "features.onnx").read_bytes() == backbone.read_bytes()


def test_the_run_can_be_used_as_it_is(call, trained, new_pictures):
    run, _ = trained
    report = json.loads(call("evaluate", run, new_pictures, "--json").out)
    assert report["images"] == 36
    found = json.loads(call("predict", run, new_pictures, "--json").out)["predictions"]
    right = sum(one["label"] in one["path"].split("/") for one in found)
    assert report["accuracy"] == right / 36 > 0.34
    told = json.loads(call("info", run, "--json").out)
    assert told["features"]["file"] == "backbone.onnx"
    assert told["input_shape"] == [FILTERS]
    shown = call("info", run).out
    assert "backbone.onnx, 'pooled'" in shown
    assert f"features (frozen)  ({FILTERS},)" in shown


def test_the_second_time_nothing_is_computed(call, trained, backbone, pictures):
    run, _ = trained
    again = call(
        *("train", pictures, "--features", backbone, "--output", run.parent, "--name", "g"),
        *("--cache", run.parent / "cache", "--seed", 3),
    )
    assert "features of 0 images computed; of 120 they were known" in again.out
    third = call(
        *("train", pictures, "--features", backbone, "--output", run.parent, "--name", "h"),
        *("--cache", "off"),
    )
    assert "features of 120 images computed" in third.out
    for name in ("best.safetensors", "history.csv"):
        one, two = ((run.parent / r / name).read_bytes() for r in ("f", "h"))
        assert name == "history.csv" or one == two  # with and without a cache, bit for bit


def test_evaluating_keeps_the_features_too(call, trained, new_pictures, tmp_path):
    run, _ = trained
    assert call("evaluate", run, new_pictures, "--cache", tmp_path / "cache").code == 0
    (rows,) = (tmp_path / "cache").glob("features-*/*.npy")
    assert np.load(rows).shape == (36, FILTERS)


def test_where_the_network_is(call, fails, trained, backbone, new_pictures, tmp_path):
    run, _ = trained
    alone = tmp_path / "model.safetensors"
    shutil.copy(run / "best.safetensors", alone)
    for verb in ("evaluate", "predict"):
        told = fails(4, verb, alone, new_pictures)
        assert told.startswith(f"{alone}: trained on the features of backbone.onnx, which is not ")
        assert "--features" in told
        assert call(verb, alone, new_pictures, "--features", backbone).code == 0
        other = write_network(
            tmp_path / "other.onnx", shape=("n", 1, 8, 8), channels=1, outputs=("pooled",), seed=1
        )
        told = fails(4, verb, alone, new_pictures, "--features", other)
        assert "with the SHA-256" in told
        assert str(other) in told
    assert call("info", alone).code == 0


def test_another_network_of_that_name_in_the_run_is_not_taken(trained, call, pictures, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained[0], run)
    before = call("predict", run, pictures).out
    shape = ("n", 1, 8, 8)
    write_network(run / "backbone.onnx", shape=shape, channels=1, outputs=("pooled",), seed=9)
    assert call("predict", run, pictures).out == before
    assert call("info", run).code == 0


def test_a_model_without_features_takes_none(fails, run, backbone, new_pictures):
    told = fails(2, "predict", run, new_pictures, "--features", backbone)
    assert "on no frozen features: leave features out" in told


def test_a_larger_head_and_other_settings(call, backbone, pictures, tmp_path):
    called = call(
        *("train", pictures, "--features", backbone, "--output", tmp_path, "--name", "m"),
        *("--model", "mlp", "--hidden", 7, "--features-output", "relu", "--features-mean", "0.5"),
        *("--features-std", "0.25", "--features-layout", "nchw", "--features-color", "gray"),
        *("--epochs", 1, "--cache", "off", "--json"),
    )
    assert called.code == 0, called.err
    told = json.loads(call("info", tmp_path / "m", "--json").out)
    assert [layer["type"] for layer in told["layers"]].count("Dense") == 2
    assert told["features"]["output"] == "relu"
    assert (told["features"]["mean"], told["features"]["std"]) == ([0.5], [0.25])


@pytest.mark.parametrize(
    ("code", "flags", "match"),
    [
        (2, ["--model", "cnn"], "--model cnn looks at pixels; on --features it is linear or mlp"),
        (2, ["--augment", "light"], "augmentation is not for --features: they are computed once"),
        (2, ["--shift", "0.1"], "augmentation is not for --features"),
        (2, ["--color", "rgb"], "--color is what the network of --features takes"),
        (2, ["--size", "28"], "size is 28x28, but"),
        (2, ["--features-output", "relo"], "output is 'relo', but"),
        (2, ["--features-mean", "1,2"], "mean needs 1 numbers for color='gray', not 2"),
        (2, ["--features-mean", "a"], "argument --features-mean: must be a finite number, not 'a'"),
        (2, ["--features-color", "rgb"], "color is 'rgb', but"),
    ],
)
def test_usage(fails, backbone, pictures, tmp_path, code, flags, match):
    told = fails(code, "train", pictures, "--features", backbone, "--output", tmp_path, *flags)
    assert match in told
    assert list(tmp_path.iterdir()) == []


def test_settings_without_features(fails, pictures, tmp_path):
    told = fails(2, "train", pictures, "--output", tmp_path, "--features-mean", 0.5)
    assert told == "--features-mean needs --features"


def test_files_that_are_no_network(fails, pictures, tmp_path):
    told = fails(4, "train", pictures, "--features", tmp_path / "none.onnx")
    assert told == f"{tmp_path}/none.onnx: there is no such ONNX file"
    (tmp_path / "text.onnx").write_text("no network")
    told = fails(4, "train", pictures, "--features", tmp_path / "text.onnx")
    assert told.startswith(f"{tmp_path}/text.onnx: no whole ONNX file; it may be truncated")


def test_without_onnx_runtime(fails, trained, backbone, pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    command = f"`python -m {pip_command('onnx', 'onnxruntime')}`"
    assert command in fails(1, "train", pictures, "--features", backbone)
    assert command in fails(1, "predict", trained[0], pictures)
