"""Gradients of imported networks against PyTorch in float64, where it is installed.

PyTorch runs the nodes of the file. Its gradients are then put into a file in place of the weights,
and imported as these are: that gives them nncore's names, shapes and order.
"""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.interop.onnx_import.naming import named_parameters
from nncore.interop.onnx_import.network_of_graph import import_network
from onnx_architectures import ARCHITECTURES
from onnx_graphs import OnnxGraph

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
F = torch.nn.functional


def pool(x, a, function, fill, **settings):
    top, left, bottom, right = a.get("pads", (0, 0, 0, 0))
    assert (top, left) == (bottom, right)
    shared = {"stride": a.get("strides", 1), "ceil_mode": bool(a.get("ceil_mode", 0))}
    return function(x, a["kernel_shape"], padding=(top, left), **shared, **settings)


def conv(x, weight, bias=None, *, pads=(0, 0, 0, 0), strides=(1, 1), group=1, **_):
    top, left, bottom, right = pads
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, strides, groups=group)


def padded(x, pads):
    top, left, bottom, right = (int(pads[i]) for i in (2, 3, 6, 7))
    return F.pad(x, (left, right, top, bottom))


OPERATIONS = {
    "Add": lambda x, y: x + y,
    "AveragePool": lambda x, **a: pool(
        x, a, F.avg_pool2d, 0, count_include_pad=bool(a.get("count_include_pad", 0))
    ),
    "BatchNormalization": lambda x, g, b, mean, var, **a: F.batch_norm(
        x, None, None, g, b, training=True, eps=a["epsilon"]
    ),
    "Clip": lambda x, low, high: torch.clamp(x, low.item(), high.item()),
    "Concat": lambda *x, axis: torch.cat(x, axis),
    "Conv": conv,
    "Flatten": lambda x, axis: x.flatten(1),
    "Gemm": lambda x, w, b, transB: x @ w.T + b,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "HardSigmoid": lambda x, alpha, beta: torch.clamp(alpha * x + beta, 0, 1),
    "HardSwish": F.hardswish,
    "MatMul": lambda x, y: x @ y,
    "MaxPool": lambda x, **a: pool(x, a, F.max_pool2d, -np.inf),
    "Mul": lambda x, y: x * y,
    "Pad": padded,
    "ReduceMean": lambda x, axes, keepdims: x.mean(axes, keepdim=bool(keepdims)),
    "Relu": torch.relu,
    "Tanh": torch.tanh,
    "Transpose": lambda x, perm: x.permute(*perm),
}


def run(model, weights, x, output):
    """The tensor `output`, from the nodes of the file."""
    values = {"x": x, **weights}
    for node in model.graph.node:
        given = [values[name] for name in node.input]
        settings = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = OPERATIONS[node.op_type](*given, **settings)
        if node.output[0] == output:
            return values[output]
    raise AssertionError(output)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_gradients(name, tmp_path, monkeypatch):
    plain = OnnxGraph.op
    # Its draws are nncore's own.
    monkeypatch.setattr(
        OnnxGraph,
        "op",
        lambda g, kind, *x, **a: x[0] if kind == "Dropout" else plain(g, kind, *x, **a),
    )
    graph, output = ARCHITECTURES[name]()
    path = graph.write(tmp_path / "net.onnx", output)
    if name == "keras_resnet":
        output = graph.nodes[-1].input[0]  # before the softmax
    model = nn.from_onnx(path, output=output)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(5, *model.input_shape)).astype(np.float32)
    y = np.arange(5) % 7
    loss = model.compute_gradients(x, y)

    file = onnx.load(path)
    weights = {}
    for one in file.graph.initializer:
        value = torch.tensor(onnx.numpy_helper.to_array(one).copy())
        trained = value.dtype == torch.float32 and value.ndim > 0
        weights[one.name] = value.double().requires_grad_() if trained else value
    images = torch.tensor(x, dtype=torch.float64)
    if not name.startswith("keras"):
        images = images.permute(0, 3, 1, 2)
    exact = F.cross_entropy(run(file, weights, images, output), torch.tensor(y))
    exact.backward()
    assert loss == pytest.approx(exact.item(), rel=1e-5)

    for one in file.graph.initializer:
        weight = weights[one.name]
        if weight.requires_grad:
            zeros = torch.zeros_like(weight)
            gradient = zeros if weight.grad is None else weight.grad
            values = np.ascontiguousarray(gradient.numpy(), np.float32)
            one.CopyFrom(onnx.numpy_helper.from_array(values, one.name))
    imported = import_network(path, file.SerializeToString(), output)
    network = model._built_network()
    theirs = named_parameters(imported.parts, imported.input_shape)
    # A bias before a batch normalization has none but rounding.
    rounding = 1e-6 * max(np.abs(one).max() for one in theirs.values())
    compared = 0
    for parameter, expected in theirs.items():
        if "/moving_" in parameter:
            continue
        error = np.abs(network.get_gradient(parameter) - expected).max()
        assert error <= 1e-5 * np.abs(expected).max() + rounding, parameter
        compared += 1
    assert compared == sum("/moving_" not in one for one in network.parameter_names())
