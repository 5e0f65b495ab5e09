"""Files that `nn.from_onnx` refuses, by name and in one line; and weights in other files."""

from __future__ import annotations

import contextlib
import os

import numpy as np
import pytest

import nncore as nn
from onnx_graphs import OnnxGraph

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def small(tmp_path):
    graph = OnnxGraph(("n", 3, 8, 8))
    found = graph.op("Relu", graph.batch_norm(graph.conv("x", 4, bias=False)))
    return graph.write(tmp_path / "net.onnx", graph.classifier(found))


def refused(path, match, **settings):
    with pytest.raises(nn.ModelFileError, match=match) as caught:
        nn.from_onnx(path, **settings)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


# -- what nncore has no layers for


def square(g, x):
    return g.op("Pow", x, g.constant(2.0))


def shuffled(g, x):
    apart = g.op("Reshape", x, g.constant([0, 2, 2, 8, 8], np.int64))
    turned = g.op("Transpose", apart, perm=[0, 2, 1, 3, 4])
    return g.op("Reshape", turned, g.constant([0, 4, 8, 8], np.int64))


def gelu_by_tanh(g, x):
    cubed = g.op("Mul", g.op("Pow", x, g.constant(3.0)), g.constant(0.044715))
    inner = g.op("Mul", g.op("Add", x, cubed), g.constant(0.7978845608))
    outer = g.op("Add", g.op("Tanh", inner), g.constant(1.0))
    return g.op("Mul", g.op("Mul", x, g.constant(0.5)), outer)


def zeros_before_a_pool(g, x):
    """They would win where all else is below 0; behind a ReLU they never do."""
    padded = g.op("Pad", x, g.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    return g.op("MaxPool", padded, kernel_shape=[3, 3])


def shared_by_two_branches(g, x):
    """a and b take turns: no block has two ends."""
    a, b = g.conv(x, 4), g.conv(x, 4)
    left, right = g.op("Add", a, b), g.op("Add", g.op("Relu", a), g.op("Tanh", b))
    return g.op("Add", left, right)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (square, r"Pow '/pow\d/Pow': nncore has no layer for it; as frozen features"),
        (lambda g, x: g.op("Softplus", x), r"Softplus '/softplus\d/Softplus': nncore has no layer"),
        (lambda g, x: g.op("LRN", x, size=3), r"LRN '/lrn\d/LRN': nncore has no layer for it"),
        (shuffled, r"Reshape '/reshape\d/Reshape': nncore has no layer that makes \(1, 2, 2, 8, 8"),
        (gelu_by_tanh, r"(Pow|Mul) '/\w+/(Pow|Mul)': nncore has no layer for it"),
        (zeros_before_a_pool, r"MaxPool '/maxpool\d/MaxPool': zeros around an image may be"),
        (shared_by_two_branches, r"'/conv\d/Conv': two branches share it"),
        (lambda g, x: g.op("Div", x, g.op("Sigmoid", x)), r"Div '/div\d/Div': .* between two"),
        (
            lambda g, x: g.op("Add", x, g.constant(g.normal(1, 4, 8, 8))),
            r"Add '/add\d/Add': nncore takes constants of one number per channel, not of the shape",
        ),
        (
            lambda g, x: g.op("Pad", x, g.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64)),
            r"GlobalAveragePool '.*': nncore pads only before convolutions and pools",
        ),
        (
            lambda g, x: g.op(
                "Pad", x, g.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="reflect"
            ),
            r"Pad '/pad\d/Pad': nncore pads images with zeros at their sides only",
        ),
        (lambda g, x: g.op("Concat", x, x, axis=2), r"Concat '.*': nncore concatenates channels"),
    ],
)
def test_what_cannot_be_had_is_named(tmp_path, make, match):
    graph = OnnxGraph(("n", 3, 8, 8))
    path = graph.write(tmp_path / "net.onnx", graph.classifier(make(graph, graph.conv("x", 4))))
    assert "--features" in refused(path, match)


def test_what_is_not_needed_need_not_be_had(tmp_path):
    graph = OnnxGraph(("n", 3, 8, 8))
    found = graph.classifier(graph.conv("x", 4))
    graph.op("Softplus", found)
    nn.from_onnx(graph.write(tmp_path / "net.onnx", found))


def test_outputs_that_are_no_rows(tmp_path):
    graph = OnnxGraph(("n", 3, 8, 8))
    found = graph.conv("x", 4)
    flat = graph.op("Flatten", found, axis=1)
    path = graph.write(tmp_path / "net.onnx", flat)
    refused(path, "gives a flattened image of")
    refused(path, r"gives an image of \(8, 8, 4\) and no row of classes", output=found)


def test_two_inputs(tmp_path):
    graph = OnnxGraph(("n", 3, 8, 8))
    path = graph.write(tmp_path / "net.onnx", graph.classifier(graph.conv("x", 4)))
    model = onnx.load(path)
    model.graph.input.append(onnx.helper.make_tensor_value_info("again", 1, ["n", 3, 8, 8]))
    path.write_bytes(model.SerializeToString())
    refused(path, r"takes 2 inputs \(x, again\)")


# -- files that are broken or lie


def test_files_that_are_no_network(tmp_path):
    path = tmp_path / "net.onnx"
    refused(path, "there is no such ONNX file")
    refused(tmp_path, "cannot be read")
    for content in (b"", b"\x89PNG\r\n\x1a\n" + bytes(50), b"hello world, this is text\n" * 9):
        path.write_bytes(content)
        refused(path, "no whole ONNX file")
    with pytest.raises(TypeError, match="output must be the name of a tensor, not 1"):
        nn.from_onnx(path, output=1)


def test_no_cut_file_is_taken(tmp_path):
    """The end, which holds the opset alone, may be missing unnoticed."""
    path = small(tmp_path)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 60, 3):
        path.write_bytes(whole[:length])
        refused(path, "no whole ONNX file")


def test_changed_bytes_give_errors_of_their_own_kind(tmp_path):
    path = small(tmp_path)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(300):
        changed = whole.copy()
        changed[rng.integers(0, len(whole), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(changed.tobytes())
        # ONNX Runtime refuses what nncore does not even look at; then that is said.
        with contextlib.suppress(nn.ModelFileError, UserWarning):
            nn.from_onnx(path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda tensor: tensor.dims.append(1 << 40), "holds 108 numbers, not the"),
        (lambda tensor: tensor.dims.append(-1), "has the shape"),
        (lambda tensor: setattr(tensor, "data_type", 77), "has ONNX's type 77"),
        (lambda tensor: setattr(tensor, "raw_data", b"123"), "no whole ONNX file"),
    ],
)
def test_tensors_that_lie(tmp_path, change, match):
    path = small(tmp_path)
    model = onnx.load(path)
    change(model.graph.initializer[0])
    path.write_bytes(model.SerializeToString())
    refused(path, match)


def test_weights_that_are_not_finite(tmp_path):
    path = small(tmp_path)
    model = onnx.load(path)
    model.graph.initializer[0].raw_data = np.full(108, np.nan, np.float32).tobytes()
    path.write_bytes(model.SerializeToString())
    refused(path, "holds a network that nncore cannot make: .*finite")


# -- weights in other files


@pytest.fixture
def apart(tmp_path):
    """A network with its weights beside it, in weights.bin."""
    path = small(tmp_path)
    onnx.save(
        onnx.load(path),
        path,
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    assert (tmp_path / "weights.bin").stat().st_size > 400
    return path


def moved(path, location):
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = str(location)
    path.write_bytes(model.SerializeToString())


def test_weights_beside_the_file(apart, tmp_path):
    model = nn.from_onnx(apart)  # compared with ONNX Runtime, too
    whole = onnx.load(apart)
    kernel = onnx.numpy_helper.to_array(whole.graph.initializer[0])
    np.testing.assert_array_equal(model.get_weights()[0], kernel.transpose(2, 3, 1, 0))


def test_weights_as_a_hub_keeps_them(apart, tmp_path):
    """A folder of links to files that lie together elsewhere."""
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for name in ("net.onnx", "weights.bin"):
        (snapshot / name).symlink_to(f"../{name}")
    with pytest.MonkeyPatch.context() as patch:
        # ONNX Runtime follows no links out of a folder.
        patch.setattr("nncore.interop.onnx_agreement.compare", lambda *given: None)
        nn.from_onnx(snapshot / "net.onnx")


def test_weights_outside_of_the_folder(apart, tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    path = folder / "net.onnx"
    path.write_bytes(apart.read_bytes())
    secret = tmp_path / "weights.bin"
    for location in ("../weights.bin", "a/../../weights.bin", secret, ""):
        moved(path, location)
        refused(path, "which is not in the folder of the ONNX file")
    (folder / "link.bin").symlink_to(secret)
    moved(path, "link.bin")
    refused(path, "which is not in the folder of the ONNX file")


def test_weights_that_are_missing_or_cut(apart, tmp_path):
    weights = tmp_path / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:-40])
    refused(apart, r"its weights are in weights\.bin, which is truncated")
    weights.unlink()
    refused(apart, r"its weights are in weights\.bin, which cannot be read")
    os.mkfifo(weights)  # nobody waits for it
    refused(apart, r"its weights are in weights\.bin, which cannot be read")


def test_weights_in_places_that_cannot_be(apart, tmp_path):
    (tmp_path / "circle.bin").symlink_to("circle.bin")
    for location in ("circle.bin", "x" * 5000):
        moved(apart, location)
        refused(apart, "which cannot be read")
    moved(apart, "a\0b")
    refused(apart, r"net\.onnx: ")
    moved(apart, "weights.bin")
    with (tmp_path / "weights.bin").open("r+b") as weights:
        weights.truncate(3)
    refused(apart, "which is truncated")
