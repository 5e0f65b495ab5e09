"""`nncore train --backbone FILE.onnx`, from end to end."""

from __future__ import annotations

import json

import pytest

import nncore as nn
from onnx_architectures import resnet18, squeezenet
from onnx_graphs import OnnxGraph

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    graph, output = resnet18()
    return graph.write(tmp_path_factory.mktemp("networks") / "resnet18.onnx", output)


def places(folder, name):
    return ("--output", folder / "runs", "--name", name, "--cache", "off", "--epochs", 2)


def test_the_network_becomes_part_of_the_model(call, pictures, network, tmp_path):
    called = call("train", pictures, "--backbone", network, *places(tmp_path, "a"))
    assert called.code == 0, called.err
    assert "read as 40x47 rgb, cropped (--fit crop)" in called.out
    assert f"model {network} + linear head: 40x47x3 -> {network} -> 3 (" in called.out
    assert f"{network}: does not say which mean and deviation" in called.err
    run = tmp_path / "runs" / "a"
    assert not (run / "features.onnx").exists()
    config = pytest.importorskip("tomllib").loads((run / "config.toml").read_text())
    assert config["model"]["backbone"] == str(network)
    moved = network.rename(network.with_suffix(".gone"))
    try:
        report = json.loads(call("evaluate", run, pictures, "--json").out)
        assert report["images"] == 120
        assert nn.load(run / "best.safetensors").preprocessing.fit == "crop"
    finally:
        moved.rename(network)


def test_mean_and_deviation_are_said(call, pictures, network, tmp_path):
    scale = ("--features-mean", "0.5", "--features-std", "0.5,0.25,0.125")
    called = call("train", pictures, "--backbone", network, *scale, *places(tmp_path, "a"))
    assert called.code == 0, called.err
    assert "mean" not in called.err
    prepared = nn.load(tmp_path / "runs" / "a" / "best.safetensors").preprocessing
    assert (prepared.mean, prepared.std) == ((0.5,) * 3, (0.5, 0.25, 0.125))


def test_a_network_for_any_size(call, fails, pictures, tmp_path):
    graph = OnnxGraph(("n", 1, "h", "w"))
    path = graph.write(tmp_path / "gray.onnx", graph.classifier(graph.conv("x", 4)))
    called = call("train", pictures, "--backbone", path, "--size", 16, *places(tmp_path, "a"))
    assert called.code == 0, called.err
    assert "read as 16x16 gray" in called.out
    graph, output = squeezenet()
    fixed = graph.write(tmp_path / "fixed.onnx", output)
    error = fails(2, "train", pictures, "--backbone", fixed, "--size", "16")
    assert f"--backbone: size is 16x16, but {fixed} takes 42x42" in error


def test_what_is_refused(fails, pictures, network, tmp_path):
    missing = tmp_path / "none.onnx"
    error = fails(4, "train", pictures, "--backbone", missing, "--output", tmp_path)
    assert f"{missing}: there is no such ONNX file" in error
    (tmp_path / "cut.onnx").write_bytes(network.read_bytes()[:5000])
    error = fails(4, "train", pictures, "--backbone", tmp_path / "cut.onnx")
    assert "cut.onnx: no whole ONNX file" in error
    graph = OnnxGraph(("n", 3, 8, 8))
    softplus = graph.op("Softplus", graph.conv("x", 4))
    path = graph.write(tmp_path / "softplus.onnx", graph.classifier(softplus))
    error = fails(4, "train", pictures, "--backbone", path)
    assert "Softplus '/softplus" in error
    assert "--features" in error
    error = fails(2, "train", pictures, "--backbone", "resnet18")
    assert "invalid choice: 'resnet18' (choose from auto, efficientnet-lite0" in error
    error = fails(2, "train", pictures, "--backbone", network, "--color", "gray")
    assert "--color is what" in error
    error = fails(2, "train", pictures, "--backbone", network, "--features-output", "a")
    assert "--features-output needs --features" in error
    error = fails(2, "train", pictures, "--features-mean", "0")
    assert "--features-mean needs --features" in error
