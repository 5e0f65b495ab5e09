"""Known architectures as ONNX graphs, narrow, as torchvision, timm and Keras export them."""

from __future__ import annotations

import numpy as np

from onnx_graphs import OnnxGraph

Net = tuple[OnnxGraph, str]  # a graph and its output


def normalized(g: OnnxGraph, x: str, act: str | None = "Relu") -> str:
    found = g.batch_norm(x)
    return found if act is None else g.op(act, found)


def relu6(g: OnnxGraph, x: str) -> str:
    return g.op("Clip", x, g.constant(0.0), g.constant(6.0))


def max_pool(g: OnnxGraph, x: str, size: int, stride: int, pad: int = 0, **attributes) -> str:
    pads = {"kernel_shape": [size] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
    return g.op("MaxPool", x, **(pads | attributes))


def basic_block(g: OnnxGraph, x: str, filters: int, stride: int) -> str:
    """Of ResNet18, with the batch normalizations folded, as PyTorch exports a model to be run."""
    found = g.op("Relu", g.conv(x, filters, 3, stride))
    found = g.conv(found, filters)
    if stride > 1 or g.channels[x] != filters:
        x = g.conv(x, filters, 1, stride, pad=0)
    return g.op("Relu", g.op("Add", found, x))


def resnet18(size: int = 40) -> Net:
    g = OnnxGraph(("n", 3, size, size + 7))
    x = max_pool(g, g.op("Relu", g.conv("x", 8, 7, 2)), 3, 2, 1)
    for filters, stride in ((8, 1), (16, 2), (24, 2), (32, 2)):
        x = basic_block(g, basic_block(g, x, filters, stride), filters, 1)
    return g, g.classifier(x)


def bottleneck(g: OnnxGraph, x: str, filters: int, stride: int) -> str:
    """Of ResNet50, with its batch normalizations."""
    found = normalized(g, g.conv(x, filters, 1, bias=False))
    found = normalized(g, g.conv(found, filters, 3, stride, bias=False))
    found = normalized(g, g.conv(found, 4 * filters, 1, bias=False), None)
    if stride > 1 or g.channels[x] != 4 * filters:
        x = normalized(g, g.conv(x, 4 * filters, 1, stride, pad=0, bias=False), None)
    return g.op("Relu", g.op("Add", found, x))


def resnet50() -> Net:
    g = OnnxGraph(("n", 3, 48, 48), opset=13)
    x = max_pool(g, normalized(g, g.conv("x", 8, 7, 2, bias=False)), 3, 2, 1)
    for filters, stride in ((4, 1), (6, 2), (8, 2)):
        x = bottleneck(g, bottleneck(g, x, filters, stride), filters, 1)
    return g, g.classifier(x)


def inverted(g: OnnxGraph, x: str, filters: int, stride: int, act, gate: bool = False) -> str:
    """Of MobileNet and EfficientNet: expanded, depthwise, gated, projected."""
    channels = g.channels[x]
    found = act(g, g.conv(x, 4 * channels, 1))
    found = act(g, g.conv(found, 4 * channels, 3, stride, groups=4 * channels))
    if gate:
        weights = g.op("Relu", g.conv(g.op("GlobalAveragePool", found), 4, 1, pad=0))
        weights = g.conv(weights, 4 * channels, 1, pad=0)
        weights = g.op("HardSigmoid", weights, alpha=0.1666667, beta=0.5)
        found = g.op("Mul", weights, found)
    found = g.conv(found, filters, 1)
    return g.op("Add", x, found) if stride == 1 and channels == filters else found


def mobilenet_v2() -> Net:
    g = OnnxGraph(("n", 3, 33, 32))
    x = relu6(g, g.conv("x", 8, 3, 2))
    for filters, stride in ((8, 1), (12, 2), (12, 1), (16, 2), (16, 1)):
        x = inverted(g, x, filters, stride, relu6)
    pooled = g.op("ReduceMean", relu6(g, g.conv(x, 40, 1)), axes=[2, 3], keepdims=0)
    return g, g.gemm(g.op("Dropout", pooled), 7)


def mobilenet_v3_small() -> Net:
    g = OnnxGraph((1, 3, 40, 40), opset=14)

    def hard_swish(graph, x):
        return graph.op("HardSwish", x)

    x = hard_swish(g, g.conv("x", 8, 3, 2))
    for filters, stride, act in ((8, 2, "relu"), (12, 2, "hs"), (12, 1, "hs"), (12, 1, "hs")):
        made = hard_swish if act == "hs" else lambda graph, given: graph.op("Relu", given)
        x = inverted(g, x, filters, stride, made, gate=True)
    flat = g.op("Flatten", g.op("GlobalAveragePool", hard_swish(g, g.conv(x, 24, 1))), axis=1)
    return g, g.gemm(hard_swish(g, g.gemm(flat, 32)), 7)


def efficientnet_lite() -> Net:
    """As timm and TensorFlow pad it: zeros below and to the right where the stride is 2."""
    g = OnnxGraph((1, 3, 32, 32))

    def block(x, filters, stride):
        channels = g.channels[x]
        found = relu6(g, g.conv(x, 4 * channels, 1, bias=False))
        pads = (1, 1, 2, 2) if stride == 2 else (2, 2, 2, 2)
        found = relu6(g, g.conv(found, 4 * channels, 5, stride, pads, groups=4 * channels))
        found = g.conv(found, filters, 1)
        return g.op("Add", found, x) if stride == 1 and channels == filters else found

    x = relu6(g, g.conv("x", 8, 3, 2, (0, 0, 1, 1)))
    for filters, stride in ((8, 1), (12, 2), (12, 1), (16, 2)):
        x = block(x, filters, stride)
    return g, g.classifier(relu6(g, g.conv(x, 40, 1)))


def squeezenet() -> Net:
    """Its pools round up, so that their last windows reach beyond the image."""
    g = OnnxGraph((1, 3, 42, 42))

    def fire(x, squeezed, expanded):
        found = g.op("Relu", g.conv(x, squeezed, 1))
        left, right = (
            g.op("Relu", g.conv(found, expanded, 1)),
            g.op("Relu", g.conv(found, expanded)),
        )
        return g.concat(left, right)

    x = max_pool(g, g.op("Relu", g.conv("x", 12, 3, 2, pad=0)), 3, 2, ceil_mode=1)
    x = max_pool(g, fire(fire(x, 4, 8), 4, 8), 3, 2, ceil_mode=1)
    x = g.op("Relu", g.conv(fire(x, 6, 12), 7, 1))
    return g, g.op("Flatten", g.op("GlobalAveragePool", x), axis=1)


def vgg11() -> Net:
    g = OnnxGraph((1, 3, 64, 64))
    x = "x"
    for filters in (4, 8, (12, 12), (16, 16), (16, 16)):
        for one in filters if isinstance(filters, tuple) else (filters,):
            x = g.op("Relu", g.conv(x, one))
        x = max_pool(g, x, 2, 2)
    x = g.op("AveragePool", x, kernel_shape=[1, 1], strides=[1, 1])  # adaptive, to 2x2
    x = g.op("Relu", g.gemm(g.op("Flatten", x, axis=1), 24, 64))
    x = g.op("Dropout", x, g.constant(0.5))
    return g, g.gemm(g.op("Relu", g.gemm(x, 20)), 7)


def densenet() -> Net:
    """All that there is, concatenated again for each layer."""
    g = OnnxGraph(("n", 3, 32, 32))
    x = max_pool(g, normalized(g, g.conv("x", 8, 7, 2, bias=False)), 3, 2, 1)
    for _ in range(2):
        found = [x]
        for _ in range(3):
            made = g.concat(*found)
            made = g.conv(normalized(g, made), 12, 1, bias=False)
            found.append(g.conv(normalized(g, made), 4, 3, bias=False))
        x = normalized(g, g.concat(*found))
        x = g.op("AveragePool", g.conv(x, 10, 1), kernel_shape=[2, 2], strides=[2, 2])
    return g, g.classifier(normalized(g, x))


def inception() -> Net:
    """Branches within branches, written as one concatenation; means that count the padding."""
    g = OnnxGraph(("n", 3, 17, 17))
    x = g.op("Relu", g.conv("x", 8))
    shared = g.op("Relu", g.conv(x, 6, 1))
    across, down = g.op("Relu", g.conv(shared, 5)), g.op("Tanh", g.conv(shared, 4, 1))
    pooled = g.op(
        "AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1], count_include_pad=1
    )
    mean = g.op("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
    found = g.concat(
        g.conv(x, 3, 1), across, down, g.conv(pooled, 3, 1), max_pool(g, x, 3, 1, 1), mean
    )
    return g, g.classifier(found)


def keras_resnet() -> Net:
    """NHWC outside; zeros put around by operations of their own, before a pool, too."""
    g = OnnxGraph(("n", 31, 31, 3), producer="tf2onnx")

    def padded(x, width):
        pads = g.constant([0, 0, width, width, 0, 0, width, width], np.int64)
        return g.op("Pad", x, pads)

    x = g.op("Transpose", "x", perm=[0, 3, 1, 2])
    x = g.op("Relu", g.conv(padded(x, 3), 8, 7, 2, pad=0))
    x = max_pool(g, padded(x, 1), 3, 2)
    x = basic_block(g, basic_block(g, x, 12, 2), 12, 1)
    mean = g.op("ReduceMean", g.op("Transpose", x, perm=[0, 2, 3, 1]), axes=[1, 2], keepdims=0)
    kernel = g.constant(g.normal(12, 7))
    logits = g.op("Add", g.op("MatMul", mean, kernel), g.constant(g.normal(7)))
    return g, g.op("Softmax", logits, axis=-1)


ARCHITECTURES = {
    make.__name__: make
    for make in (
        resnet18,
        resnet50,
        mobilenet_v2,
        mobilenet_v3_small,
        efficientnet_lite,
        squeezenet,
        vgg11,
        densenet,
        inception,
        keras_resnet,
    )
}
