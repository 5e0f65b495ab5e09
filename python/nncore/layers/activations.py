"""The activations by name. The arithmetic is in the C++ core; here are the words for it."""

from __future__ import annotations

from collections.abc import Mapping

ACTIVATIONS: Mapping[str, str] = {
    "linear": "x",
    "relu": "max(x, 0)",
    "relu6": "min(max(x, 0), 6)",
    "leaky_relu": "x where x > 0, else 0.2 * x",
    "gelu": "x * (1 + erf(x / sqrt(2))) / 2",
    "silu": "x / (1 + exp(-x))",
    "hard_swish": "x * min(max(x / 6 + 1/2, 0), 1)",
    "hard_sigmoid": "min(max(x / 6 + 1/2, 0), 1)",
    "sigmoid": "1 / (1 + exp(-x))",
    "tanh": "(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
    "softmax": "exp(x) / (sum of exp(x) over the classes)",
}


def known_activation(what: str, value: object) -> str:
    """The activation's name; None is "linear"."""
    if value is None:
        return "linear"
    if not isinstance(value, str):
        raise TypeError(f"{what}: activation must be a name, not {value!r}")
    if value not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"{what}: unknown activation {value!r}; known: {known}")
    return value
