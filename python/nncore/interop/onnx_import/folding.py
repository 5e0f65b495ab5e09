"""Operations on constants, computed by NumPy: shapes and indices above all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.interop.onnx_import.curves import BINARY, UNARY
from nncore.interop.onnx_import.graph import Node
from nncore.interop.onnx_import.tensors import DTYPES

Array = NDArray[Any]
Fold = Callable[["Node", Sequence[Array | None]], Array | None]

# Larger ones are not made: a few bytes of a file could ask for any size.
_MOST_NUMBERS = 1 << 26


def folded(node: Node, inputs: Sequence[Array | None]) -> Array | None:
    """What `node` makes of constants (None: left out); None where that is not known here.

    Raises
    ------
    ValueError, IndexError, TypeError
        The constants do not suit the operation.
    """
    make = _FOLDS.get(node.op)
    if make is not None:
        return make(node, inputs)
    given = [one for one in inputs if one is not None]
    if node.op in BINARY and len(given) == 2:
        if math.prod(np.broadcast_shapes(given[0].shape, given[1].shape)) > _MOST_NUMBERS:
            return None
        if node.op == "Div" and given[0].dtype.kind in "iu":
            return np.asarray(given[0] // given[1])
        return np.asarray(BINARY[node.op](given[0], given[1]), given[0].dtype)
    if node.op in UNARY and len(given) == 1:
        return np.asarray(UNARY[node.op](given[0]), given[0].dtype)
    return None


def axes_of(node: Node, inputs: Sequence[Array | None], place: int = 1) -> tuple[int, ...] | None:
    """The axes that a node names, as an attribute or, since opset 13, as input number `place`."""
    if "axes" in node.attributes:
        return tuple(node.attributes["axes"])
    given = inputs[place] if len(inputs) > place else None
    return None if given is None else tuple(int(axis) for axis in given.ravel())


def _constant(node: Node, inputs: Sequence[Array | None]) -> Array | None:
    for name, dtype in (
        ("value", None),
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        if node.attributes.get(name) is not None:
            return np.asarray(node.attributes[name], dtype)
    return None


def _cast(node: Node, inputs: Sequence[Array | None]) -> Array | None:
    dtype = DTYPES.get(node.attributes.get("to", 0))
    return None if dtype is None else _first(inputs).astype(dtype)


def _concat(node: Node, inputs: Sequence[Array | None]) -> Array:
    return np.concatenate([one for one in inputs if one is not None], node.attributes["axis"])


def _gather(node: Node, inputs: Sequence[Array | None]) -> Array | None:
    data, indices = inputs[:2]
    if data is None or indices is None or indices.size * data.size > _MOST_NUMBERS:
        return None
    return np.asarray(np.take(data, indices, node.attributes.get("axis", 0)))


def _unsqueeze(node: Node, inputs: Sequence[Array | None]) -> Array | None:
    axes = axes_of(node, inputs)
    return None if axes is None else np.expand_dims(_first(inputs), axes)


def _squeeze(node: Node, inputs: Sequence[Array | None]) -> Array:
    return np.squeeze(_first(inputs), axes_of(node, inputs))


def _reshape(node: Node, inputs: Sequence[Array | None]) -> Array | None:
    data, wanted = inputs[:2]
    if data is None or wanted is None:
        return None
    return data.reshape(reshaped(data.shape, wanted, node.attributes.get("allowzero", 0)))


def reshaped(shape: Sequence[int], wanted: Array, allowzero: int = 0) -> tuple[int, ...]:
    """The lengths that Reshape asks for: 0 keeps that of the same axis, -1 takes what is left."""
    lengths = [int(length) for length in wanted.ravel()]
    if not allowzero:
        lengths = [shape[i] if length == 0 else length for i, length in enumerate(lengths)]
    if lengths.count(-1) > 1:
        raise ValueError("two lengths are left open")
    if -1 in lengths:
        known = math.prod([length for length in lengths if length != -1])
        total = math.prod(shape)
        if not known or total % known:
            raise ValueError(f"{tuple(shape)} cannot become {tuple(lengths)}")
        lengths[lengths.index(-1)] = total // known
    if math.prod(lengths) != math.prod(shape):
        raise ValueError(f"{tuple(shape)} cannot become {tuple(lengths)}")
    return tuple(lengths)


def _transpose(node: Node, inputs: Sequence[Array | None]) -> Array:
    return np.transpose(_first(inputs), node.attributes.get("perm"))


def _slice(node: Node, inputs: Sequence[Array | None]) -> Array | None:
    data = _first(inputs)
    if "starts" in node.attributes:  # before opset 10
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes, steps = node.attributes.get("axes"), None
    else:
        given = [None if one is None else [int(i) for i in one.ravel()] for one in inputs[1:]]
        starts, ends, axes, steps = (given + [None] * 4)[:4]
    if starts is None or ends is None:
        return None
    places = [slice(None)] * data.ndim
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        places[axes[i] if axes else i] = slice(start, end, steps[i] if steps else 1)
    return data[tuple(places)]


def _filled(node: Node, inputs: Sequence[Array | None]) -> Array | None:
    shape = [int(length) for length in _first(inputs).ravel()]
    if math.prod(shape) > _MOST_NUMBERS:
        return None
    value = node.attributes.get("value", np.zeros(1, np.float32))
    return np.full(shape, value.ravel()[0])


def _expand(node: Node, inputs: Sequence[Array | None]) -> Array | None:
    data, wanted = inputs[:2]
    if data is None or wanted is None:
        return None
    shape = np.broadcast_shapes(data.shape, tuple(int(length) for length in wanted.ravel()))
    return None if math.prod(shape) > _MOST_NUMBERS else np.broadcast_to(data, shape)


def _where(node: Node, inputs: Sequence[Array | None]) -> Array | None:
    condition, yes, no = inputs[:3]
    if condition is None or yes is None or no is None:
        return None
    shape = np.broadcast_shapes(condition.shape, yes.shape, no.shape)
    return None if math.prod(shape) > _MOST_NUMBERS else np.where(condition, yes, no)


def _clip(node: Node, inputs: Sequence[Array | None]) -> Array:
    data = _first(inputs)
    ends = [*inputs[1:3], None, None][:2]
    low, high = (
        node.attributes.get(name) if end is None else end
        for name, end in zip(("min", "max"), ends, strict=True)
    )
    return data if low is None and high is None else np.clip(data, low, high)


def _reduced(node: Node, inputs: Sequence[Array | None]) -> Array:
    data = _first(inputs)
    reduce: Any = {"ReduceMean": np.mean, "ReduceProd": np.prod, "ReduceSum": np.sum}[node.op]
    keepdims = bool(node.attributes.get("keepdims", 1))
    return np.asarray(reduce(data, axis=axes_of(node, inputs), keepdims=keepdims), data.dtype)


def _first(inputs: Sequence[Array | None]) -> Array:
    if not inputs or inputs[0] is None:
        raise ValueError("its first input is missing")
    return inputs[0]


def _computed(function: Callable[[Array], Array]) -> Fold:
    return lambda node, inputs: np.asarray(function(_first(inputs)))


def _compared(function: Callable[[Array, Array], Array]) -> Fold:
    def fold(node: Node, inputs: Sequence[Array | None]) -> Array | None:
        a, b = inputs[:2]
        if a is None or b is None or a.size * b.size > _MOST_NUMBERS:
            return None
        return np.asarray(function(a, b))

    return fold


_ROUNDED: Mapping[str, Callable[[Array], Array]] = {
    "Ceil": np.ceil,
    "Floor": np.floor,
    "Not": np.logical_not,
    "Round": np.round,
}
_COMPARISONS: Mapping[str, Callable[[Array, Array], Array]] = {
    "And": np.logical_and,
    "Equal": np.equal,
    "Greater": np.greater,
    "Less": np.less,
    "Mod": np.mod,
    "Or": np.logical_or,
}
_FOLDS: Mapping[str, Fold] = {
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Expand": _expand,
    "Gather": _gather,
    "Reshape": _reshape,
    "Shape": lambda node, inputs: np.array(_first(inputs).shape, np.int64),
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
    **dict.fromkeys(("ReduceMean", "ReduceProd", "ReduceSum"), _reduced),
    **{name: _computed(function) for name, function in _ROUNDED.items()},
    **{name: _compared(function) for name, function in _COMPARISONS.items()},
}
