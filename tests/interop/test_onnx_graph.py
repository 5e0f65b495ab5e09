"""Reading and extending ONNX files without the package onnx, compared with that package."""

from __future__ import annotations

import pytest

from nncore.interop.onnx_graph import has_external_data, tensor_names, with_output
from onnx_models import write_network

onnx = pytest.importorskip("onnx")


@pytest.fixture
def model(tmp_path) -> bytes:
    return write_network(tmp_path / "a.onnx", layout="NHWC", shape=("n", 9, 9, 3)).read_bytes()


def test_the_tensors_of_the_nodes(model):
    nodes = onnx.load_from_string(model).graph.node
    assert tensor_names(model) == [name for node in nodes for name in node.output]
    assert tensor_names(model)[-1] == "answer"


def test_one_more_output(model):
    before, after = onnx.load_from_string(model), onnx.load_from_string(with_output(model, "relu"))
    assert [one.name for one in after.graph.output] == ["logits", "relu"]
    del after.graph.output[1:]
    assert after == before


def test_a_long_name_of_many_letters(model):
    name = "größe/" + "x" * 300
    assert onnx.load_from_string(with_output(model, name)).graph.output[-1].name == name


def test_external_weights_are_seen(model, tmp_path):
    assert not has_external_data(model)
    onnx.save(
        onnx.load_from_string(model),
        tmp_path / "b.onnx",
        save_as_external_data=True,
        size_threshold=0,
    )
    assert has_external_data((tmp_path / "b.onnx").read_bytes())


def test_no_cut_file_is_whole(model):
    """Each cut within the graph is found; a message has no end of its own, so the last fields
    (the opset) may be missing without notice."""
    for length in range(3, len(model) - 60):
        with pytest.raises(ValueError, match=r"ends within|wire type|without end"):
            tensor_names(model[:length])


def test_nothing_is_no_network():
    assert tensor_names(b"") == []
    with pytest.raises(ValueError, match="wire type"):
        tensor_names(b"\x0b")
    with pytest.raises(ValueError, match="without end"):
        tensor_names(b"\xff" * 20)
