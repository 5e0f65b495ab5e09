"""`nn.from_onnx`: operation by operation against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.interop import onnx_agreement
from onnx_graphs import OnnxGraph

pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")


def run(path, x):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def agree(path, model, layout="NCHW", seed=1):
    """Whether both give the same for three random images, within 1e-4 of the range."""
    x = np.random.default_rng(seed).normal(size=(3, *model.input_shape)).astype(np.float32)
    given = x.transpose(0, 3, 1, 2) if layout == "NCHW" and x.ndim == 4 else x
    expected = np.concatenate([run(path, np.ascontiguousarray(one[None])) for one in given])
    expected = expected.reshape(3, -1)
    found = model._built_network().forward(x)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * np.ptp(expected)
    return model


def imported(tmp_path, graph, *outputs, layout="NCHW", **settings):
    path = graph.write(tmp_path / "net.onnx", *outputs)
    return agree(path, nn.from_onnx(path, **settings), layout)


def kinds(model):
    return [type(view.description).__name__ for view in model.layers]


# -- activations, whole and taken apart


def silu_apart(g, x):
    return g.op("Mul", x, g.op("Sigmoid", x))


def hard_swish_apart(g, x):
    shifted = g.op("Add", x, g.constant(3.0))
    clipped = g.op("Clip", shifted, g.constant(0.0), g.constant(6.0))
    return g.op("Div", g.op("Mul", x, clipped), g.constant(6.0))


def hard_swish_by_sigmoid(g, x):
    return g.op("Mul", g.op("HardSigmoid", x, alpha=1 / 6, beta=0.5), x)


def hard_sigmoid_apart(g, x):
    shifted = g.op("Add", g.constant(3.0), x)
    clipped = g.op("Clip", shifted, g.constant(0.0), g.constant(6.0))
    return g.op("Mul", clipped, g.constant(1 / 6))


def relu6_apart(g, x):
    return g.op("Min", g.op("Relu", x), g.constant(6.0))


def gelu_apart(g, x):
    erf = g.op("Erf", g.op("Div", x, g.constant(2**0.5)))
    return g.op("Mul", g.op("Mul", x, g.op("Add", erf, g.constant(1.0))), g.constant(0.5))


def gelu_apart_otherwise(g, x):
    erf = g.op("Erf", g.op("Mul", x, g.constant(0.5**0.5)))
    return g.op("Mul", g.op("Mul", g.constant(0.5), x), g.op("Add", g.constant(1.0), erf))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda g, x: g.op("Relu", x), "relu"),
        (lambda g, x: g.op("Clip", x, g.constant(0.0), g.constant(6.0)), "relu6"),
        (lambda g, x: g.op("Clip", x, g.constant(0.0)), "relu"),
        (relu6_apart, "relu6"),
        (lambda g, x: g.op("LeakyRelu", x, alpha=0.2), "leaky_relu"),
        (lambda g, x: g.op("Sigmoid", x), "sigmoid"),
        (lambda g, x: g.op("Tanh", x), "tanh"),
        (lambda g, x: g.op("HardSwish", x), "hard_swish"),
        (hard_swish_apart, "hard_swish"),
        (hard_swish_by_sigmoid, "hard_swish"),
        (lambda g, x: g.op("HardSigmoid", x, alpha=0.16666667, beta=0.5), "hard_sigmoid"),
        (hard_sigmoid_apart, "hard_sigmoid"),
        (silu_apart, "silu"),
        (gelu_apart, "gelu"),
        (gelu_apart_otherwise, "gelu"),
    ],
)
def test_an_activation_is_recognised(tmp_path, make, name):
    graph = OnnxGraph(("n", 3, 8, 8))
    model = imported(tmp_path, graph, graph.classifier(make(graph, graph.conv("x", 8))))
    assert kinds(model) == ["Conv2D", "GlobalAveragePool2D", "Dense"]
    assert model.layers[0].description.activation == name


def test_gelu_as_one_operation(tmp_path):
    graph = OnnxGraph(("n", 3, 8, 8), opset=20)
    made = graph.op("Gelu", graph.conv("x", 8))
    assert imported(tmp_path, graph, graph.classifier(made)).layers[0].description.activation == (
        "gelu"
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda g, x: g.op("LeakyRelu", x, alpha=0.01),
        lambda g, x: g.op("HardSigmoid", x, alpha=0.2, beta=0.4),
        lambda g, x: g.op("Clip", x, g.constant(-0.5), g.constant(1.0)),
        lambda g, x: g.op("Clip", x, g.constant(-0.5)),
        lambda g, x: g.op("Clip", x, "", g.constant(0.25)),
        lambda g, x: g.op("PRelu", x, g.constant(np.linspace(0, 1, 8).reshape(8, 1, 1))),
        lambda g, x: g.op("PRelu", x, g.constant([0.25])),
        lambda g, x: g.op("Sub", g.constant(1.0), g.op("Relu", x)),
        lambda g, x: g.op("Div", x, g.constant(np.linspace(1, 2, 8).reshape(1, 8, 1, 1))),
        lambda g, x: g.op("Sub", g.constant(np.linspace(1, 2, 8).reshape(8, 1, 1)), x),
        lambda g, x: g.op("Add", x, x),
    ],
)
def test_other_functions_of_a_number_are_made_of_layers(tmp_path, make):
    graph = OnnxGraph(("n", 3, 8, 8))
    imported(tmp_path, graph, graph.classifier(make(graph, graph.op("Tanh", graph.conv("x", 8)))))


# -- convolutions


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        (9, {"size": 3, "stride": 2, "pad": 1}),
        (8, {"size": 3, "stride": 2, "pad": (0, 0, 1, 1)}),  # "same"
        (9, {"size": 3, "stride": 2, "pad": (0, 0, 1, 1)}),  # the padding at the end is not reached
        (9, {"size": 3, "pad": (2, 0, 1, 1)}),
        (9, {"size": 3, "pad": (0, 2, 0, 3)}),
        (9, {"size": 4, "stride": 2, "auto_pad": "SAME_UPPER"}),
        (9, {"size": 4, "stride": 2, "auto_pad": "SAME_LOWER"}),
        (9, {"size": 3, "auto_pad": "VALID"}),
        (9, {"size": 3, "pad": 2, "dilations": [2, 2]}),
        (9, {"size": 1, "stride": 2, "pad": 0}),
        (9, {"bias": False}),
        (9, {"groups": 2}),
        (9, {"groups": 6}),
        (9, {"groups": 3}),
    ],
)
def test_convolutions(tmp_path, size, settings):
    graph = OnnxGraph(("n", 3, size, size + 3))
    first = graph.op("Relu", graph.conv("x", 6))
    imported(tmp_path, graph, graph.classifier(graph.conv(first, 12, **settings)))


def test_depthwise_is_a_layer_of_its_own(tmp_path):
    graph = OnnxGraph(("n", 3, 8, 8))
    model = imported(tmp_path, graph, graph.classifier(graph.conv("x", 6, groups=3)))
    assert kinds(model)[0] == "DepthwiseConv2D"
    assert model.layers[0].description.depth_multiplier == 2


def test_zeros_around_the_image_become_padding_of_the_convolution(tmp_path):
    graph = OnnxGraph(("n", 3, 8, 8))
    padded = graph.op("Pad", "x", graph.constant([0, 0, 0, 0, 0, 0, 1, 1], np.int64))
    model = imported(tmp_path, graph, graph.classifier(graph.conv(padded, 4, 3, 2, pad=0)))
    assert kinds(model) == ["Conv2D", "GlobalAveragePool2D", "Dense"]


def test_padding_that_is_computed_from_the_size_of_the_image(tmp_path):
    """As timm exports "same" of TensorFlow: ceil(size / 2) windows, max(..., 0), halves of it."""
    graph = OnnxGraph(("n", 3, 9, 8))
    shape, floats = graph.op("Shape", "x"), {"to": 1}

    def of(axis):
        size = graph.op("Gather", shape, graph.constant(axis, np.int64))
        half = graph.op("Div", graph.op("Cast", size, **floats), graph.constant(2.0))
        count = graph.op("Cast", graph.op("Ceil", half), to=7)
        steps = graph.op("Sub", count, graph.constant(1, np.int64))
        reach = graph.op("Mul", steps, graph.constant(2, np.int64))
        total = graph.op("Sub", graph.op("Add", reach, graph.constant(5, np.int64)), size)
        total = graph.op("Clip", total, graph.constant(0, np.int64))
        before = graph.op("Div", total, graph.constant(2, np.int64))
        ends = before, graph.op("Sub", total, before)
        return [graph.op("Unsqueeze", end, graph.constant([0], np.int64)) for end in ends]

    (top, bottom), (left, right) = of(2), of(3)
    none = graph.constant([0, 0], np.int64)
    pads = graph.op("Concat", none, top, left, none, bottom, right, axis=0)
    padded = graph.op("Pad", "x", pads)
    model = imported(tmp_path, graph, graph.classifier(graph.conv(padded, 4, 5, 2, pad=0)))
    assert model.layers[0].description.padding == "same"


def test_a_bias_and_a_factor_behind_a_convolution_go_into_it(tmp_path):
    graph = OnnxGraph(("n", 3, 8, 8))
    found = graph.conv("x", 4, bias=False)
    found = graph.op("Mul", found, graph.constant(graph.normal(1, 4, 1, 1)))
    found = graph.op("Add", graph.constant(graph.normal(4, 1, 1)), found)
    model = imported(tmp_path, graph, graph.classifier(graph.op("Relu", found)))
    assert kinds(model) == ["Conv2D", "GlobalAveragePool2D", "Dense"]


def test_batch_normalization_keeps_its_statistics(tmp_path):
    graph = OnnxGraph(("n", 3, 8, 8))
    found = graph.op("Relu", graph.batch_norm(graph.conv("x", 4, bias=False), momentum=0.8))
    model = imported(tmp_path, graph, graph.classifier(found))
    assert kinds(model)[:3] == ["Conv2D", "BatchNormalization", "Activation"]
    layer = model.layers[1].description
    assert (layer.momentum, layer.epsilon) == pytest.approx((0.8, 1e-5))


# -- axes


def test_a_flattened_image_has_its_dense_layer_permuted(tmp_path):
    graph = OnnxGraph((1, 3, 4, 5))
    flat = graph.op("Relu", graph.op("Flatten", graph.conv("x", 6, bias=False), axis=1))
    flat = graph.op("Mul", flat, graph.constant(graph.normal(120)))
    imported(tmp_path, graph, graph.gemm(flat, 7, 120))


def test_views_of_pytorch_in_a_file_of_any_batch(tmp_path):
    """x.view(x.size(0), -1), as operations on shapes."""
    graph = OnnxGraph(("n", 3, 4, 5))
    found = graph.conv("x", 6)
    batch = graph.op("Gather", graph.op("Shape", found), graph.constant(0, np.int64), axis=0)
    batch = graph.op("Unsqueeze", batch, graph.constant([0], np.int64))
    shape = graph.op("Concat", batch, graph.constant([-1], np.int64), axis=0)
    imported(tmp_path, graph, graph.gemm(graph.op("Reshape", found, shape), 7, 120))


@pytest.mark.parametrize("shape", [(0, -1), (-1, 6), (1, 6)])
def test_reshaped_means(tmp_path, shape):
    graph = OnnxGraph((1, 3, 6, 6))
    found = graph.op("GlobalAveragePool", graph.conv("x", 6))
    found = graph.op("Reshape", found, graph.constant(shape, np.int64))
    imported(tmp_path, graph, graph.gemm(found, 7, 6))


@pytest.mark.parametrize("opset", [13, 18])
def test_the_mean_over_all_pixels(tmp_path, opset):
    graph = OnnxGraph((1, 3, 6, 6), opset=opset)
    found = graph.conv("x", 6)
    if opset == 18:
        axes = graph.constant([-1, -2], np.int64)
        found = graph.op("ReduceMean", found, axes, keepdims=0)
    else:
        found = graph.op("ReduceMean", found, axes=[2, 3], keepdims=1)
        found = graph.op("Squeeze", found, graph.constant([2, 3], np.int64))
    imported(tmp_path, graph, graph.gemm(found, 7, 6))


def test_a_pool_over_the_whole_image_and_a_convolution_of_what_it_gives(tmp_path):
    graph = OnnxGraph((1, 3, 6, 6))
    found = graph.op("AveragePool", graph.conv("x", 6), kernel_shape=[6, 6])
    found = graph.op("Relu", graph.conv(found, 8, 1, pad=0))
    found = graph.op("Flatten", graph.conv(found, 7, 1, pad=0), axis=1)
    model = imported(tmp_path, graph, graph.op("Softmax", found, axis=1))
    assert kinds(model) == ["Conv2D", "GlobalAveragePool2D", "Dense", "Dense"]
    assert model.layers[-1].description.activation == "softmax"


def keras(graph, x, filters, stride=1):
    """A convolution as tf2onnx writes it: TensorFlow's order outside, ONNX's within."""
    inside = graph.op("Transpose", x, perm=[0, 3, 1, 2])
    found = graph.conv(inside, filters, 3, stride, auto_pad="SAME_UPPER")
    outside = graph.op("Transpose", found, perm=[0, 2, 3, 1])
    return graph.op("Relu", outside)


def test_a_network_of_keras(tmp_path):
    graph = OnnxGraph(("n", 9, 8, 3), producer="tf2onnx")
    first = keras(graph, "x", 6, 2)
    scaled = graph.op("Mul", first, graph.constant(graph.normal(6)))
    found = graph.op("Add", scaled, keras(graph, scaled, 6))
    shape = graph.constant([-1, 5 * 4 * 6], np.int64)
    flat = graph.op("Reshape", found, shape)
    kernel = graph.constant(graph.normal(120, 7, scale=0.1))
    found = graph.op("Add", graph.op("MatMul", flat, kernel), graph.constant(graph.normal(7)))
    model = imported(tmp_path, graph, graph.op("Softmax", found), layout="NHWC")
    assert model.input_shape == (9, 8, 3)
    assert kinds(model)[-1] == "Dense"


@pytest.mark.parametrize("behind", ["Conv", "MaxPool"])
def test_zeros_around_an_image_in_the_order_of_tensorflow(tmp_path, behind):
    """As tf2onnx leaves Keras's padding where it could not move the transposes together."""
    graph = OnnxGraph(("n", 9, 8, 3), producer="tf2onnx")
    padding = graph.constant([0, 0, 0, 0, 0, 1, 2, 0], np.int64)
    first = graph.op("Pad", keras(graph, "x", 6), padding)
    inside = graph.op("Transpose", first, perm=[0, 3, 1, 2])
    if behind == "Conv":
        found = graph.conv(inside, 6, 3, 2, pad=0, groups=6)
    else:
        found = graph.op("MaxPool", inside, kernel_shape=[3, 3], strides=[2, 2])
    model = imported(tmp_path, graph, graph.classifier(found), layout="NHWC")
    assert kinds(model)[:2] == ["Conv2D", {"Conv": "DepthwiseConv2D"}.get(behind, "MaxPool2D")]


def test_an_activation_is_recognised_across_a_transposition(tmp_path):
    """x * clip(x + 3, 0, 6) / 6, a part of it in the order of TensorFlow."""
    graph = OnnxGraph(("n", 9, 8, 3), producer="tf2onnx")
    first = graph.conv(graph.op("Transpose", "x", perm=[0, 3, 1, 2]), 6)
    shifted = graph.op("Add", first, graph.constant(3.0))
    clipped = graph.op("Clip", shifted, graph.constant(0.0), graph.constant(6.0))
    outside = [graph.op("Transpose", one, perm=[0, 2, 3, 1]) for one in (first, clipped)]
    product = graph.op("Div", graph.op("Mul", *outside), graph.constant(6.0))
    found = graph.classifier(graph.op("Transpose", product, perm=[0, 3, 1, 2]))
    model = imported(tmp_path, graph, found, layout="NHWC")
    assert kinds(model) == ["Conv2D", "GlobalAveragePool2D", "Dense"]
    assert model.layers[0].description.activation == "hard_swish"


def test_axes_of_any_length_have_a_size_to_choose(tmp_path):
    graph = OnnxGraph(("n", 3, "h", "w"))
    path = graph.write(tmp_path / "net.onnx", graph.classifier(graph.conv("x", 4)))
    assert nn.from_onnx(path).input_shape == (224, 224, 3)
    assert agree(path, nn.from_onnx(path, size=(9, 7))).input_shape == (9, 7, 3)
    fixed = OnnxGraph(("n", 3, 8, 8))
    path = fixed.write(tmp_path / "fixed.onnx", fixed.classifier(fixed.conv("x", 4)))
    with pytest.raises(ValueError, match=r"size is 9x9, but .*fixed\.onnx takes 8x8"):
        nn.from_onnx(path, size=9)


def test_rows_of_numbers(tmp_path):
    graph = OnnxGraph(("n", 13))
    imported(tmp_path, graph, graph.gemm(graph.op("Tanh", graph.gemm("x", 9)), 4))


def test_a_batch_of_a_fixed_size(tmp_path):
    graph = OnnxGraph((4, 3, 6, 6))
    found = graph.op("GlobalAveragePool", graph.conv("x", 6))
    found = graph.op("Reshape", found, graph.constant([4, 6], np.int64))
    path = graph.write(tmp_path / "net.onnx", graph.gemm(found, 7, 6))
    assert nn.from_onnx(path).input_shape == (6, 6, 3)


def test_bytes_as_input(tmp_path):
    graph = OnnxGraph((1, 3, 6, 6), dtype=2)
    found = graph.op("Mul", graph.op("Cast", "x", to=1), graph.constant(1 / 255))
    path = graph.write(
        tmp_path / "net.onnx",
        graph.gemm(graph.op("Flatten", graph.op("Relu", found), axis=1), 7, 108),
    )
    images = np.random.default_rng(0).integers(0, 256, (1, 6, 6, 3), np.uint8)
    found = nn.from_onnx(path)._built_network().forward(images.astype(np.float32))
    expected = run(path, np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_another_output_and_dropout(tmp_path):
    graph = OnnxGraph(("n", 3, 8, 8))
    hidden = graph.op("Flatten", graph.op("GlobalAveragePool", graph.conv("x", 6)), axis=1)
    dropped = graph.op("Dropout", hidden, graph.constant(0.25))
    path = graph.write(tmp_path / "net.onnx", graph.gemm(dropped, 7, 6))
    assert kinds(nn.from_onnx(path, output=hidden)) == ["Conv2D", "GlobalAveragePool2D"]
    whole = agree(path, nn.from_onnx(path))
    assert kinds(whole)[2] == "Dropout"
    assert whole.layers[2].description.rate == 0.25
    with pytest.raises(ValueError, match=r"output is 'flat'.*net\.onnx has no such tensor"):
        nn.from_onnx(path, output="flat")


# -- the comparison at import


def test_a_disagreement_is_an_error(tmp_path, monkeypatch):
    graph = OnnxGraph(("n", 3, 8, 8))
    path = graph.write(tmp_path / "net.onnx", graph.classifier(graph.conv("x", 4)))
    right = onnx_agreement._run
    monkeypatch.setattr(onnx_agreement, "_run", lambda *given: right(*given) * 1.001)
    with pytest.raises(nn.ModelFileError, match=r"net\.onnx: nncore gives another result"):
        nn.from_onnx(path)


def test_without_onnx_runtime_it_is_said(tmp_path, monkeypatch):
    graph = OnnxGraph(("n", 3, 8, 8))
    path = graph.write(tmp_path / "net.onnx", graph.classifier(graph.conv("x", 4)))
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.warns(UserWarning, match=r"net\.onnx: not compared.*nncore\[onnx\]"):
        nn.from_onnx(path)
