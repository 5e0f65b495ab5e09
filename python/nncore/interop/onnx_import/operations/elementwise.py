"""Operations on each number by itself: activations, scaling, and what is made of several values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.interop.onnx_import.branches import block
from nncore.interop.onnx_import.curves import (
    BINARY,
    F64,
    GRID,
    UNARY,
    activation_of,
    line_of,
    with_attributes,
)
from nncore.interop.onnx_import.graph import Node
from nncore.interop.onnx_import.network import Network
from nncore.interop.onnx_import.operations.joins import joined
from nncore.interop.onnx_import.steps import Part, Step, Unavailable, Value
from nncore.layers import Activation, Rescaling

_MISSING = "nncore has no layer for it"


def unary(net: Network, node: Node) -> Value:
    """An operation on one value."""
    x = net.value(node)

    def attribute(name: str, default: float) -> float:
        return float(node.attributes.get(name, default))

    if node.op in UNARY:
        return _followed(net, node, x, UNARY[node.op])
    if with_attributes(node.op, GRID, attribute) is None:
        raise Unavailable(f"{node}: {_MISSING}")

    def curve(values: F64) -> F64:
        found = with_attributes(node.op, values, attribute)
        assert found is not None
        return found

    parts: tuple[Part, ...] = ()
    if node.op == "LeakyRelu":
        parts = _leaky(attribute("alpha", 0.01))
    elif node.op == "HardSigmoid":
        scale, offset = attribute("alpha", 0.2), attribute("beta", 0.5)
        parts = (_scaled(6 * scale, 6 * offset - 3), Part(Activation("hard_sigmoid")))
    return _followed(net, node, x, curve, parts)


def gelu(net: Network, node: Node) -> Value:
    if node.attributes.get("approximate", "none") != "none":
        raise Unavailable(f"{node}: nncore has gelu by erf only, not by tanh")
    return net.add(node, net.value(node), Part(Activation("gelu")))


def prelu(net: Network, node: Node) -> Value:
    x = net.value(node)
    slope = _factor(net, node, x, net.required(node, 1))
    if isinstance(slope, float):
        return _followed(net, node, x, lambda v: np.where(v > 0, v, slope * v), _leaky(slope))
    return net.add(node, x, *_leaky(slope), order=x.order)


def clip(net: Network, node: Node) -> Value:
    x = net.value(node)
    low = net.number(node, 1, "min", -math.inf)
    high = net.number(node, 2, "max", math.inf)
    # The extremes of float32 mean none.
    low = low if low > -3.4e38 else -math.inf
    high = high if high < 3.4e38 else math.inf
    if not low < high:
        raise Unavailable(f"{node}: {low} is not below {high}")
    return _followed(net, node, x, lambda v: np.clip(v, low, high), _clipped(low, high))


def binary(net: Network, node: Node) -> Value:
    """An operation on two values, or on one and a constant."""
    if len(node.inputs) != 2:
        return _of_many(net, node)
    if net.is_value(node, 0) and net.is_value(node, 1):
        return _of_two(net, node, net.value(node, 0), net.value(node, 1))
    place = 0 if net.is_value(node, 0) else 1
    x, numbers = net.value(node, place), net.required(node, 1 - place)
    factor = _factor(net, node, x, numbers)
    function = BINARY[node.op]
    if isinstance(factor, float):
        number = np.full(1, factor)
        if place == 0:
            return _followed(net, node, x, lambda v: function(v, number))
        return _followed(net, node, x, lambda v: function(number, v))
    values = np.array(factor)
    # Straight lines, each for its channel.
    ends = [np.full_like(values, at) for at in (0.0, 1.0)]
    offset, high = [function(v, values) if place == 0 else function(values, v) for v in ends]
    if node.op not in ("Add", "Sub", "Mul", "Div") or (node.op == "Div" and place == 1):
        raise Unavailable(f"{node}: {_MISSING}")
    line = _scaled(tuple(map(float, high - offset)), tuple(map(float, offset)))
    return net.add(node, x, line, order=x.order)


def _of_many(net: Network, node: Node) -> Value:
    if node.op not in ("Sum", "Max", "Min") or not node.inputs:
        raise Unavailable(f"{node}: nncore takes it of two inputs")
    if len(node.inputs) == 1:
        return net.value(node)
    raise Unavailable(f"{node}: nncore takes it of two inputs")


def _of_two(net: Network, node: Node, a: Value, b: Value) -> Value:
    if a.root.step == b.root.step and a.axes == b.axes:
        # Perhaps an activation: x * sigmoid(x).
        base = a.root
        with np.errstate(all="ignore"):
            curve = BINARY[node.op](a.curve, b.curve)
        found = _recognised(net, node, base, curve)
        if found is None:
            found = _joined_or_missing(net, node, a, b)
        return dataclasses.replace(found, base=base, curve=curve) if found is not base else base
    return _joined_or_missing(net, node, a, b)


def _joined_or_missing(net: Network, node: Node, a: Value, b: Value) -> Value:
    kind = {"Add": "add", "Sum": "add", "Mul": "multiply"}.get(node.op)
    if kind is not None:
        return joined(net, node, kind, [a, b])
    step = net.new_step(Step(str(node), (a.step, b.step), missing=f"{_MISSING} between two values"))
    return Value(step, a.shape, a.axes, a.order)


def _followed(
    net: Network,
    node: Node,
    x: Value,
    function: Callable[[F64], F64],
    otherwise: tuple[Part, ...] = (),
) -> Value:
    """`function` of each number of `x`.

    Recognised together with what came before it, else by itself, else made of the parts
    `otherwise`.
    """
    base = x.root
    with np.errstate(all="ignore"):
        curve, alone = function(x.curve), function(GRID)
    found = _recognised(net, node, base, curve) or _recognised(net, node, x, alone)
    if found is base or found is x:
        return found
    if found is None and otherwise:
        found = net.add(node, x, *otherwise, order=x.order)
    if found is None:
        step = net.new_step(Step(str(node), (x.step,), missing=_MISSING))
        found = Value(step, x.shape, x.axes, x.order)
    return dataclasses.replace(found, base=base, curve=curve)


def _recognised(net: Network, node: Node, x: Value, curve: F64) -> Value | None:
    """The layer that makes of `x` what `curve` says, if there is one."""
    name = activation_of(curve)
    if name == "linear":
        return x
    if name is not None:
        return net.add(node, x, Part(Activation(name)), order=x.order)
    line = line_of(curve)
    return None if line is None else net.add(node, x, _scaled(*line), order=x.order)


def _factor(net: Network, node: Node, x: Value, numbers: NDArray[Any]) -> float | tuple[float, ...]:
    """A constant as one number, or as one per channel of `x` in our order."""
    if numbers.size == 1:
        if numbers.ndim > len(x.axes):
            raise Unavailable(f"{node}: a constant of the shape {numbers.shape} adds axes to it")
        return float(numbers.ravel()[0])
    shape = (1,) * (len(x.axes) - numbers.ndim) + numbers.shape
    place = x.axes.index("C")
    if len(shape) != len(x.axes) or shape[place] != numbers.size or numbers.size != x.shape[-1]:
        raise Unavailable(
            f"{node}: nncore takes constants of one number per channel, not of the shape "
            f"{numbers.shape}"
        )
    return tuple(x.per_channel(numbers.ravel()).astype(float).tolist())


def _scaled(scale: float | tuple[float, ...], offset: float | tuple[float, ...]) -> Part:
    return Part(Rescaling(scale, offset))


def _leaky(slope: float | tuple[float, ...]) -> tuple[Part, ...]:
    """max(x, 0) * (1 - slope) + slope * x."""
    rest = 1 - slope if isinstance(slope, float) else tuple(1 - one for one in slope)
    above, below = (Part(Activation("relu")), _scaled(rest, 0.0)), (_scaled(slope, 0.0),)
    return (block("add", [above, below]),)


def _clipped(low: float, high: float) -> tuple[Part, ...]:
    if math.isinf(high) and math.isinf(low):
        return ()
    if math.isinf(high):
        return _scaled(1.0, -low), Part(Activation("relu")), _scaled(1.0, low)
    if math.isinf(low):
        return _scaled(-1.0, high), Part(Activation("relu")), _scaled(-1.0, high)
    scale = 6 / (high - low)
    return _scaled(scale, -low * scale), Part(Activation("relu6")), _scaled(1 / scale, low)
