"""Activations in float64 and plain NumPy, with what each makes of the gradient behind it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

SLOPE = float(np.float32(0.2))  # of leaky_relu, as the engine has it


def linear(x: F64) -> F64:
    return x


def relu(x: F64) -> F64:
    return np.maximum(x, 0.0)


def sigmoid(x: F64) -> F64:
    # tanh does not overflow where exp(-x) would.
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def leaky_relu(x: F64) -> F64:
    return np.where(x > 0, x, SLOPE * x)


def normal_distribution(x: F64) -> F64:
    return np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2.0)), [np.float64])(x)


def gelu(x: F64) -> F64:
    return x * normal_distribution(x)


def gelu_slope(x: F64) -> F64:
    return normal_distribution(x) + x * np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def silu(x: F64) -> F64:
    return x * sigmoid(x)


def silu_slope(x: F64) -> F64:
    return sigmoid(x) + x * sigmoid(x) * sigmoid(-x)


def hard_sigmoid(x: F64) -> F64:
    return np.clip(x / 6.0 + 0.5, 0.0, 1.0)


def hard_swish(x: F64) -> F64:
    return x * hard_sigmoid(x)


def hard_swish_slope(x: F64) -> F64:
    return np.where(x >= 3, 1.0, np.where(x <= -3, 0.0, x / 3.0 + 0.5))


def softmax(x: F64) -> F64:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(x: F64) -> F64:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


# Of each activation y = f(x): the function, and dx from dy, x and y.
ACTIVATIONS = {
    "linear": (linear, lambda dy, x, y: dy),
    "relu": (relu, lambda dy, x, y: dy * (y > 0)),
    "relu6": (lambda x: np.clip(x, 0.0, 6.0), lambda dy, x, y: dy * ((y > 0) & (y < 6))),
    "leaky_relu": (leaky_relu, lambda dy, x, y: dy * np.where(x > 0, 1.0, SLOPE)),
    "gelu": (gelu, lambda dy, x, y: dy * gelu_slope(x)),
    "silu": (silu, lambda dy, x, y: dy * silu_slope(x)),
    "hard_swish": (hard_swish, lambda dy, x, y: dy * hard_swish_slope(x)),
    "hard_sigmoid": (hard_sigmoid, lambda dy, x, y: dy * ((y > 0) & (y < 1)) / 6.0),
    "sigmoid": (sigmoid, lambda dy, x, y: dy * y * (1.0 - y)),
    "tanh": (np.tanh, lambda dy, x, y: dy * (1.0 - y * y)),
    "softmax": (softmax, lambda dy, x, y: y * (dy - (dy * y).sum(axis=-1, keepdims=True))),
}
