"""Whole networks from ONNX files: what ONNX Runtime gives, and trained further."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import nncore as nn
from onnx_architectures import (
    ARCHITECTURES,
    densenet,
    mobilenet_v3_small,
    resnet18,
    resnet50,
    squeezenet,
)

pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")


def model_of(folder, make):
    graph, output = make()
    path = graph.write(folder / f"{make.__name__}.onnx", output)
    return path, nn.from_onnx(path)


@pytest.mark.parametrize("make", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_an_architecture_gives_the_same(tmp_path, make):
    path, model = model_of(tmp_path, make)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(2).normal(size=(2, *model.input_shape)).astype(np.float32)
    given = x if make.__name__.startswith("keras") else x.transpose(0, 3, 1, 2)
    one_by_one = [session.run(None, {"x": np.ascontiguousarray(one[None])})[0] for one in given]
    expected = np.concatenate(one_by_one)
    found = model._built_network().forward(x)
    assert np.abs(found - expected).max() <= 1e-4 * np.ptp(expected)


def test_its_blocks_are_those_of_nncore(tmp_path):
    def kinds(make):
        _, model = model_of(tmp_path, make)
        return {type(view.description).__name__ for view in model.layers}

    assert kinds(resnet18) == {"Conv2D", "MaxPool2D", "Residual", "GlobalAveragePool2D", "Dense"}
    assert "Concatenate" in kinds(squeezenet)
    assert "Concatenate" in kinds(densenet)


@pytest.mark.every_isa
def test_trained_further_it_has_the_same_bits_everywhere(tmp_path, monkeypatch):
    """On any number of threads and any instruction set; with statistics of the batch or fixed ones,
    a fixed part and changed pictures."""
    import subprocess
    import sys

    paths = [
        graph.write(tmp_path / f"{number}.onnx", output)
        for number, (graph, output) in enumerate((mobilenet_v3_small(), resnet50()))
    ]
    code = f"""
import hashlib, numpy as np, nncore as nn
gated, normalized = {[str(path) for path in paths]!r}
rng = np.random.default_rng(0)
settings = dict(epochs=2, batch_size=5, optimizer=nn.SGD(0.01), verbose=0)
first, second = nn.from_onnx(gated), nn.from_onnx(normalized)
for model in (first, second):
    x = rng.normal(size=(12, *model.input_shape)).astype(np.float32)
    model.fit(x, np.arange(12) % 7, **settings)
third = nn.backbone(normalized, classes=3, trainable=True, mean=0.5, std=0.25)
third.train_from(third.layers[4].name)
x = rng.integers(0, 256, (12, 48, 48, 3), np.uint8)
changes = nn.Augmentation(horizontal_flip=True, shift=0.1)
third.fit(x, np.arange(12) % 3, augmentation=changes, **settings)
weights = [w.tobytes() for model in (first, second, third) for w in model.get_weights()]
print(hashlib.sha256(b"".join(weights)).hexdigest())
"""
    found = set()
    for isa in nn.info()["isas"]:
        for threads in (1, 2):
            monkeypatch.setenv("NNCORE_ISA", isa)
            monkeypatch.setenv("NNCORE_NUM_THREADS", str(threads))
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            )
            found.add(done.stdout)
    assert len(found) == 1


def test_trained_further_it_learns_and_is_saved(tmp_path):
    _, model = model_of(tmp_path, resnet18)
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 2
    x = rng.normal(size=(24, *model.input_shape)).astype(np.float32)
    x[labels == 1, :20] += 1
    before = model.get_weights()
    model.fit(x, labels, epochs=6, batch_size=6, optimizer=nn.SGD(0.003, momentum=0.9), verbose=0)
    assert model.evaluate(x, labels).accuracy == 1.0
    assert not any(
        np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True)
    )
    model.save(tmp_path / "model.safetensors")
    again = nn.load(tmp_path / "model.safetensors")
    digests = [hashlib.sha256(one.predict_proba(x)).hexdigest() for one in (model, again)]
    assert digests[0] == digests[1]


def convolutions(layers, prefix=""):
    """Full names of those whose output grows with their weights: no activation, or relu."""
    for name, layer, shape in layers:
        yield from convolutions(layer.inner_layers(shape), f"{prefix}{name}/")
        if isinstance(layer, nn.Conv2D) and layer.activation in ("linear", "relu"):
            yield prefix + name


@pytest.mark.parametrize("make", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_an_architecture_is_explained(tmp_path, make):
    """For each picture something speaks for one of the classes; and how a score changes as a
    convolution's weights grow is the sum of its outputs, each times the score's gradient by it.
    (The difference of two scores: a softmax leaves that as it is, but for a logarithm.)"""
    _, model = model_of(tmp_path, make)
    x = np.random.default_rng(3).normal(size=(2, *model.input_shape)).astype(np.float32)
    network, stack = model._built_network(), model._stack
    maps = [model.explain(x, label) for label in range(network.output_size)]
    assert (np.max(maps, axis=(0, 2, 3)) == 1).all()
    shapes = stack.input_shapes(model.input_shape)
    *_, last = convolutions(zip(stack.names, stack.layers, shapes, strict=True))
    probe = stack.new_probe(model.input_shape, last)
    found, scores, step = 0.0, [], 0.01
    for label, sign in ((0, -1), (1, 1)):
        values, gradients = network.look(probe, x, np.full(2, label, np.int32))
        found += sign * (values.astype(np.float64) * gradients).sum(axis=(1, 2, 3))
    kept = {name: network.get_parameter(name) for name in network.parameter_names()}
    for factor in (1 - step, 1 + step):
        for name in (f"{last}/kernel", f"{last}/bias"):
            if name in kept:
                network.set_parameter(name, (kept[name] * factor).astype(np.float32))
        outputs = network.forward(x).astype(np.float64)
        if stack.output_activation() == "softmax":
            outputs = np.log(outputs)
        scores.append(outputs[:, 1] - outputs[:, 0])
    expected = (scores[1] - scores[0]) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.02 * np.abs(expected).max())
