"""Operations that compute nothing: other axes for the same numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nncore.interop.onnx_import.folding import axes_of, reshaped
from nncore.interop.onnx_import.graph import Node
from nncore.interop.onnx_import.network import Network
from nncore.interop.onnx_import.steps import Part, Unavailable, Value
from nncore.layers import Activation, Dropout, Flatten

_FLOATS = (1, 10, 11)  # of TensorProto's types


def identity(net: Network, node: Node) -> Value:
    return net.padded_value(node)


def cast(net: Network, node: Node) -> Value:
    if node.attributes.get("to") not in _FLOATS:
        raise Unavailable(f"{node}: nncore computes in float32 only")
    return net.padded_value(node)


def dropout(net: Network, node: Node) -> Value:
    x = net.value(node)
    rate = net.number(node, 1, "ratio", 0.5)
    if not 0 < rate < 1:
        return x
    return net.add(node, x, Part(Dropout(rate)), order=x.order)


def softmax(net: Network, node: Node) -> Value:
    x = net.value(node)
    axis = int(node.attributes.get("axis", 1 if net.opset < 13 else -1))
    if x.is_image or x.axes[axis] != "C":
        raise Unavailable(f"{node}: nncore has softmax over the numbers of a row only")
    return net.add(node, x, Part(Activation("softmax")), order=x.order)


def transpose(net: Network, node: Node) -> Value:
    x = net.padded_value(node)
    places = range(len(x.axes))
    perm = node.attributes.get("perm", tuple(reversed(places)))
    if sorted(perm) != list(places) or perm[0] != 0:
        raise Unavailable(f"{node}: nncore keeps the images in the first axis, not {perm}")
    return x.with_axes(tuple(x.axes[place] for place in perm))


def flatten(net: Network, node: Node) -> Value:
    x = net.value(node)
    if node.attributes.get("axis", 1) % (len(x.axes) + 1) != 1:
        raise Unavailable(f"{node}: nncore makes one row of each image")
    return _with_lengths(net, node, x, (net.batch, net.size(x)))


def reshape(net: Network, node: Node) -> Value:
    x = net.value(node)
    wanted = net.required(node, 1)
    try:
        allowzero = int(node.attributes.get("allowzero", 0))
        lengths = reshaped(x.lengths(net.batch), wanted, allowzero)
    except (ValueError, IndexError) as error:
        raise Unavailable(f"{node}: {error}") from None
    return _with_lengths(net, node, x, lengths)


def squeeze(net: Network, node: Node) -> Value:
    x = net.value(node)
    lengths = x.lengths(net.batch)
    axes = axes_of(node, [None, net.constant(node, 1)])
    if axes is None:
        axes = tuple(i for i, length in enumerate(lengths) if length == 1 and i > 0)
    places = {axis % len(lengths) for axis in axes}
    kept = tuple(length for i, length in enumerate(lengths) if i not in places)
    return _with_lengths(net, node, x, kept)


def unsqueeze(net: Network, node: Node) -> Value:
    x = net.value(node)
    axes = axes_of(node, [None, net.constant(node, 1)]) or ()
    rank = len(x.axes) + len(axes)
    rest = iter(x.lengths(net.batch))
    places = {axis % rank for axis in axes}
    return _with_lengths(net, node, x, tuple(1 if i in places else next(rest) for i in range(rank)))


def shape_of(net: Network, node: Node) -> NDArray[np.int64]:
    lengths = net.padded_value(node).lengths(net.batch)
    start, end = node.attributes.get("start", 0), node.attributes.get("end")
    return np.array(lengths[start:end], np.int64)


def _with_lengths(net: Network, node: Node, x: Value, lengths: Sequence[int]) -> Value:
    """`x` with axes of these lengths: as it is, or flattened."""
    old = x.lengths(net.batch)
    if tuple(lengths) == old:
        return x
    size = net.size(x)
    own = list(lengths[1:])
    rows = [length for length in own if length != 1] == [length for length in (size,) if size != 1]
    if not lengths or lengths[0] != net.batch or math.prod(own) != size or not own or not rows:
        raise Unavailable(f"{node}: nncore has no layer that makes {tuple(lengths)} of {old}")
    place = own.index(size)
    axes = ("N", *("C" if i == place else "1" for i in range(len(own))))
    if not x.is_image:
        return x.with_axes(axes)
    return net.add(node, x, Part(Flatten()), axes=axes, order=_order(x))


def _order(x: Value) -> NDArray[np.intp] | None:
    """The file's number of each of our places: ours are in the order H, W, C."""
    axes = [axis for axis in x.axes if axis in "HWC"]
    known = dict(zip("HWC", x.shape, strict=True))
    numbers = np.arange(math.prod(x.shape)).reshape([known[axis] for axis in axes])
    order = numbers.transpose([axes.index(axis) for axis in "HWC"]).ravel()
    return None if (order == np.arange(len(order))).all() else order
