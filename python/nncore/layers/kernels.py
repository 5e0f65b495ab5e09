"""Layers with a kernel: its first values, its penalty, the bias and the activation behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from nncore.layers.activations import known_activation
from nncore.layers.base import Layer
from nncore.regularizers import Regularizer, as_regularizer

# fan_in: how many inputs an output sums; fan_out: how many outputs an input reaches.
INITIALIZERS: Mapping[str, str] = {
    "zeros": "0",
    "he_uniform": "uniform, variance 2 / fan_in",
    "he_normal": "normal, cut off at two standard deviations, variance 2 / fan_in",
    "glorot_uniform": "uniform, variance 2 / (fan_in + fan_out)",
    "glorot_normal": "normal, cut off at two standard deviations, variance 2 / (fan_in + fan_out)",
}

# Fields that are younger than Dense and Conv2D.
KERNEL_FIELDS = frozenset({"kernel_initializer", "kernel_regularizer"})


class KernelLayer(Layer, kind=False):
    """What Dense and the convolutions share; they have these fields."""

    activation: str | None
    use_bias: bool
    kernel_initializer: str | None
    kernel_regularizer: Regularizer | float | None

    trainable: bool

    later_fields: ClassVar = frozenset({"trainable"})
    nested: ClassVar = {"kernel_regularizer": Regularizer}

    def __post_init__(self) -> None:
        what = type(self).__name__
        self._set("activation", known_activation(what, self.activation))
        self._check_flag("use_bias")
        initializer = self.kernel_initializer
        if initializer is not None and not isinstance(initializer, str):
            raise TypeError(f"{what}: kernel_initializer must be a name, not {initializer!r}")
        if initializer is not None and initializer not in INITIALIZERS:
            known = ", ".join(INITIALIZERS)
            raise ValueError(f"{what}: unknown kernel_initializer {initializer!r}; known: {known}")
        regularizer = as_regularizer(f"{what}: kernel_regularizer", self.kernel_regularizer)
        self._set("kernel_regularizer", regularizer)
        super().__post_init__()

    def output_activation(self) -> str | None:
        return self.activation

    def _kernel_arguments(self) -> dict[str, Any]:
        """The kernel's first values and its penalty as the engine takes them."""
        regularizer = as_regularizer("kernel_regularizer", self.kernel_regularizer)
        l1, l2 = (0.0, 0.0) if regularizer is None else regularizer.rates
        return {"kernel_initializer": self.kernel_initializer or "", "l1": l1, "l2": l2}
