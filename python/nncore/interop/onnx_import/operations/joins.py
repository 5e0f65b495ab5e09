"""Operations that make one value of several: sums, products, concatenations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nncore.interop.onnx_import.graph import Node
from nncore.interop.onnx_import.network import Network
from nncore.interop.onnx_import.steps import Step, Unavailable, Value
from nncore.layers import Shape


def joined(net: Network, node: Node, kind: str, values: Sequence[Value]) -> Value:
    """The sum ("add") or product ("multiply") of two values."""
    a, b = values
    if _same(a, b):
        step = net.new_step(Step(str(node), (a.step, b.step), join=kind))
        return Value(step, a.shape, a.axes, a.order)
    if kind == "multiply" and a.is_image and b.is_image and a.axes == b.axes:
        sides = list(zip(a.shape, b.shape, strict=True))
        if all(one == other or 1 in (one, other) for one, other in sides):
            step = net.new_step(Step(str(node), (a.step, b.step), join=kind))
            return Value(step, tuple(max(pair) for pair in sides), a.axes)
    # One number per channel for all pixels, as in squeeze-and-excite.
    image, row = (a, b) if a.is_image else (b, a)
    fits = len(image.axes) == len(row.axes) and all(
        one == other or (one in "HW" and other == "1")
        for one, other in zip(image.axes, row.axes, strict=True)
    )
    channels = image.shape[-1] == row.shape[-1]
    if kind == "multiply" and image.is_image and not row.is_image and fits and channels:
        step = net.new_step(Step(str(node), (image.step, row.step), join=kind))
        return Value(step, image.shape, image.axes)
    raise Unavailable(
        f"{node}: nncore takes it of values of one shape, not of {a.lengths(net.batch)} and "
        f"{b.lengths(net.batch)}"
    )


def concat(net: Network, node: Node) -> Value:
    values = [net.value(node, place) for place in range(len(node.inputs))]
    first = values[0]
    axis = int(node.attributes.get("axis", 1))
    if not -len(first.axes) <= axis < len(first.axes) or first.axes[axis] != "C":
        raise Unavailable(f"{node}: nncore concatenates channels only, not axis {axis}")
    if any(one.axes != first.axes or one.shape[:-1] != first.shape[:-1] for one in values):
        raise Unavailable(f"{node}: its inputs differ in other axes than the channels")
    if len(values) == 1:
        return first
    channels = sum(one.shape[-1] for one in values)
    shape: Shape = (*first.shape[:-1], channels)
    sources = tuple(one.step for one in values)
    step = net.new_step(Step(str(node), _shortened(net, sources), join="concatenate"))
    net.concatenations[step] = sources
    return Value(step, shape, first.axes, _order(values))


def _shortened(net: Network, sources: tuple[int, ...]) -> tuple[int, ...]:
    """The same with what earlier concatenations have joined already.

    DenseNets concatenate all that there is again and again. So [a, b, c] becomes [[a, b], c], which
    blocks in a row can do.
    """
    best, known = 1, sources[0]
    for step, earlier in net.concatenations.items():
        if best < len(earlier) < len(sources) and sources[: len(earlier)] == earlier:
            best, known = len(earlier), step
    return (known, *sources[best:])


def _order(values: Sequence[Value]) -> np.ndarray[tuple[int], np.dtype[np.intp]] | None:
    if all(one.order is None for one in values):
        return None
    orders, start = [], 0
    for one in values:
        own = np.arange(one.shape[-1]) if one.order is None else one.order
        orders.append(own + start)
        start += one.shape[-1]
    return np.concatenate(orders)


def _same(a: Value, b: Value) -> bool:
    orders = a.order is b.order or (
        a.order is not None and b.order is not None and bool((a.order == b.order).all())
    )
    return a.shape == b.shape and a.axes == b.axes and orders
