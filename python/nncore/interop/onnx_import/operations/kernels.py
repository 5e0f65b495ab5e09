"""Operations with weights: convolutions, dense layers, batch normalization."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.interop.onnx_import.graph import Node
from nncore.interop.onnx_import.network import Network
from nncore.interop.onnx_import.operations.windows import Windows
from nncore.interop.onnx_import.steps import NCHW, Part, Unavailable, Value, f32
from nncore.layers import BatchNormalization, Conv2D, Dense, DepthwiseConv2D, LayerNormalization


def conv(net: Network, node: Node) -> Value:
    x = net.padded_value(node)
    kernel, bias = net.required(node, 1), net.constant(node, 2)
    groups = int(node.attributes.get("group", 1))
    if kernel.ndim != 4:
        raise Unavailable(f"{node}: nncore has convolutions of images only, not {kernel.ndim - 2}D")
    if not x.is_image:
        return _conv_of_row(net, node, x, kernel, bias, groups)
    if x.axes != NCHW:
        raise Unavailable(f"{node}: its input has the axes {''.join(x.axes)}, not NCHW")
    filters, channels = kernel.shape[:2]
    if groups < 1 or channels * groups != x.shape[-1] or filters % groups:
        raise Unavailable(
            f"{node}: a kernel {kernel.shape} in {groups} groups does not suit {x.shape[-1]} "
            "channels"
        )
    windows = Windows.of(node, x, kernel.shape[2:], dilated=True)
    size = (int(kernel.shape[2]), int(kernel.shape[3]))
    shared: dict[str, Any] = {
        "strides": windows.strides,
        "padding": windows.padding,
        "use_bias": bias is not None,
        "dilation_rate": windows.dilation,
    }
    layer: Conv2D | DepthwiseConv2D
    if groups > 1 and groups == x.shape[-1]:
        layer = DepthwiseConv2D(size, depth_multiplier=filters // groups, **shared)
    else:
        layer = Conv2D(filters, size, groups=groups, **shared)
    return net.add(node, x, Part(layer, _parameters(kernel.transpose(2, 3, 1, 0), bias)))


def _conv_of_row(
    net: Network,
    node: Node,
    x: Value,
    kernel: NDArray[Any],
    bias: NDArray[Any] | None,
    groups: int,
) -> Value:
    """A convolution of an image of one pixel: a dense layer."""
    if x.axes != ("N", "C", "1", "1") or x.order is not None:
        raise Unavailable(f"{node}: nncore has no convolution of the axes {''.join(x.axes)}")
    if kernel.shape[2:] != (1, 1) or any(node.attributes.get("pads", ())) or groups != 1:
        raise Unavailable(f"{node}: of one pixel, nncore has convolutions of 1x1 and one group")
    return _dense(net, node, x, kernel[:, :, 0, 0].T, bias)


def gemm(net: Network, node: Node) -> Value:
    x, kernel = net.value(node), net.required(node, 1).astype(np.float64)
    if node.attributes.get("transA", 0) or kernel.ndim != 2:
        raise Unavailable(f"{node}: nncore has it of rows and a matrix only")
    if node.attributes.get("transB", 0):
        kernel = kernel.T
    kernel = kernel * node.attributes.get("alpha", 1.0)
    bias = net.constant(node, 2)
    if bias is not None:
        bias = bias.astype(np.float64) * node.attributes.get("beta", 1.0)
        try:
            bias = np.broadcast_to(bias, (1, kernel.shape[1]))[0]
        except ValueError:
            raise Unavailable(f"{node}: its bias has the shape {bias.shape}") from None
    if x.is_image or x.axes != ("N", "C"):
        raise Unavailable(f"{node}: its input is no row of numbers: {x.lengths(net.batch)}")
    return _dense(net, node, x, kernel, bias)


def matmul(net: Network, node: Node) -> Value:
    x, kernel = net.value(node), net.required(node, 1)
    if kernel.ndim != 2 or x.axes[-1] != "C":
        raise Unavailable(f"{node}: nncore has it of channels, in the last axis, and a matrix only")
    if not x.is_image:
        return _dense(net, node, x, kernel, None)
    if kernel.shape[0] != x.shape[-1]:
        raise Unavailable(f"{node}: a matrix {kernel.shape} does not suit {x.shape[-1]} channels")
    layer = Conv2D(kernel.shape[1], 1, use_bias=False)
    return net.add(node, x, Part(layer, _parameters(kernel[np.newaxis, np.newaxis], None)))


def _dense(
    net: Network, node: Node, x: Value, kernel: NDArray[Any], bias: NDArray[Any] | None
) -> Value:
    if kernel.shape[0] != x.shape[0]:
        raise Unavailable(f"{node}: a matrix {kernel.shape} does not suit {x.shape[0]} numbers")
    layer = Dense(kernel.shape[1], use_bias=bias is not None)
    return net.add(node, x, Part(layer, _parameters(x.per_channel(kernel), bias)))


def batch_normalization(net: Network, node: Node) -> Value:
    x = net.value(node)
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    found = {name: net.required(node, place + 1).ravel() for place, name in enumerate(names)}
    if x.axes[1:2] != ("C",) or any(one.size != x.shape[-1] for one in found.values()):
        raise Unavailable(f"{node}: its statistics are not those of {x.lengths(net.batch)}")
    momentum = float(node.attributes.get("momentum", 0.9))
    epsilon = float(node.attributes.get("epsilon", 1e-5))
    if not 0 < epsilon < 1:
        raise Unavailable(f"{node}: nncore takes an epsilon above 0 and below 1, not {epsilon}")
    layer = BatchNormalization(momentum if 0 <= momentum < 1 else 0.9, epsilon)
    parameters = {name: f32(x.per_channel(one)) for name, one in found.items()}
    return net.add(node, x, Part(layer, parameters), order=x.order)


def layer_normalization(net: Network, node: Node) -> Value:
    x = net.value(node)
    axis = int(node.attributes.get("axis", -1))
    if axis % len(x.axes) != len(x.axes) - 1 or x.axes[-1] != "C" or x.order is not None:
        raise Unavailable(f"{node}: nncore has it over the channels only")
    gamma, beta = net.required(node, 1).ravel(), net.constant(node, 2)
    beta = np.zeros_like(gamma) if beta is None else beta.ravel()
    if gamma.size != x.shape[-1] or beta.size != gamma.size:
        raise Unavailable(f"{node}: its scale is not of {x.shape[-1]} channels")
    layer = LayerNormalization(float(node.attributes.get("epsilon", 1e-5)))
    return net.add(node, x, Part(layer, {"gamma": f32(gamma), "beta": f32(beta)}))


def _parameters(kernel: NDArray[Any], bias: NDArray[Any] | None) -> dict[str, Any]:
    found = {"kernel": f32(kernel)}
    if bias is not None:
        found["bias"] = f32(bias.ravel())
    return found
