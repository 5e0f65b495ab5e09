"""Functions of one number, recognised by their values.

Exporters take activations apart, each in its way: hard swish is ``x * clip(x + 3, 0, 6) / 6`` here
and ``x * hard_sigmoid(x)`` there, gelu has a dozen forms. So whatever is computed of each number by
itself is followed as a curve, which is what becomes of the numbers `GRID`, and compared with the
activations that nncore has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

# Dense where activations bend, with the bends themselves, and some numbers far away.
GRID: F64 = np.concatenate(
    [np.linspace(-10, 10, 801), np.linspace(-6.3, 6.1, 97), [-80.0, -30.0, 30.0, 80.0]]
)
# Constants are float32 in the files.
_TOLERANCE = 1e-6


def _erf(x: F64) -> F64:
    result: F64 = np.vectorize(math.erf, otypes=[np.float64])(x)
    return result


def _sigmoid(x: F64) -> F64:
    # A form that overflows nowhere.
    return 0.5 * (1 + np.tanh(0.5 * x))


def _hard_sigmoid(x: F64) -> F64:
    return np.clip(x / 6 + 0.5, 0, 1)


# Those of `nncore.layers.ACTIVATIONS` that look at one number.
_KNOWN: Mapping[str, F64] = {
    "linear": GRID,
    "relu": np.maximum(GRID, 0),
    "relu6": np.clip(GRID, 0, 6),
    "leaky_relu": np.where(GRID > 0, GRID, 0.2 * GRID),
    "gelu": GRID * (1 + _erf(GRID / math.sqrt(2))) / 2,
    "silu": GRID * _sigmoid(GRID),
    "hard_swish": GRID * _hard_sigmoid(GRID),
    "hard_sigmoid": _hard_sigmoid(GRID),
    "sigmoid": _sigmoid(GRID),
    "tanh": np.tanh(GRID),
}


def activation_of(curve: F64) -> str | None:
    """Name of the activation with these values on `GRID`."""
    for name, values in _KNOWN.items():
        if np.allclose(curve, values, rtol=_TOLERANCE, atol=_TOLERANCE):
            return name
    return None


def line_of(curve: F64) -> tuple[float, float] | None:
    """Scale and offset of a curve that is a straight line."""
    if not np.isfinite(curve).all():
        return None
    low, high = int(np.argmin(GRID)), int(np.argmax(GRID))
    scale = (curve[high] - curve[low]) / (GRID[high] - GRID[low])
    offset = curve[low] - scale * GRID[low]
    size = max(abs(scale), abs(offset), 1e-30)
    if np.abs(scale * GRID + offset - curve).max() > 1e-9 * 80 * size:
        return None
    return float(scale), float(offset)


# What ONNX computes of each number, where no attribute matters.
UNARY: Mapping[str, Callable[[F64], F64]] = {
    "Abs": np.abs,
    "Erf": _erf,
    "Exp": np.exp,
    "HardSwish": lambda x: x * _hard_sigmoid(x),
    "Identity": lambda x: x,
    "Log": np.log,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": _sigmoid,
    "Softplus": lambda x: np.logaddexp(0, x),
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Sqrt": np.sqrt,
    "Tanh": np.tanh,
}

# Of two numbers.
BINARY: Mapping[str, Callable[[F64, F64], F64]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Max": np.maximum,
    "Min": np.minimum,
}


def with_attributes(op: str, x: F64, number: Callable[[str, float], float]) -> F64 | None:
    """Operations with attributes, which `number` gives by name or by default; None: not known."""
    if op == "LeakyRelu":
        return np.where(x > 0, x, number("alpha", 0.01) * x)
    if op == "HardSigmoid":
        return np.clip(number("alpha", 0.2) * x + number("beta", 0.5), 0, 1)
    if op == "Elu":
        return np.where(x > 0, x, number("alpha", 1.0) * np.expm1(np.minimum(x, 0)))
    if op == "Selu":
        below = number("alpha", 1.67326319217681884765625) * np.expm1(np.minimum(x, 0))
        return number("gamma", 1.05070102214813232421875) * np.where(x > 0, x, below)
    if op == "Celu":
        alpha = number("alpha", 1.0)
        return np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(np.minimum(x, 0) / alpha))
    if op == "ThresholdedRelu":
        return np.where(x > number("alpha", 1.0), x, 0)
    return None
