"""What Dense and Conv2D let one choose about their kernel: its first values and its penalty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nncore.regularizers import Regularizer, as_regularizer

# fan_in: how many inputs an output sums; fan_out: how many outputs an input reaches.
INITIALIZERS: Mapping[str, str] = {
    "zeros": "0",
    "he_uniform": "uniform, variance 2 / fan_in",
    "he_normal": "normal, cut off at two standard deviations, variance 2 / fan_in",
    "glorot_uniform": "uniform, variance 2 / (fan_in + fan_out)",
    "glorot_normal": "normal, cut off at two standard deviations, variance 2 / (fan_in + fan_out)",
}

# A layer's fields for them.
KERNEL_FIELDS = frozenset({"kernel_initializer", "kernel_regularizer"})


class HasKernel(Protocol):
    """A layer with the fields `KERNEL_FIELDS`."""

    @property
    def kernel_initializer(self) -> str | None: ...
    @property
    def kernel_regularizer(self) -> Regularizer | float | None: ...


def check_kernel_fields(layer: HasKernel) -> None:
    """Normalise the two fields in `__post_init__`; ValueError or TypeError for bad values."""
    what = type(layer).__name__
    initializer = layer.kernel_initializer
    if initializer is not None and not isinstance(initializer, str):
        raise TypeError(f"{what}: kernel_initializer must be a name, not {initializer!r}")
    if initializer is not None and initializer not in INITIALIZERS:
        raise ValueError(
            f"{what}: unknown kernel_initializer {initializer!r}; known: {', '.join(INITIALIZERS)}"
        )
    regularizer = as_regularizer(f"{what}: kernel_regularizer", layer.kernel_regularizer)
    # The only way to normalise a field of a frozen dataclass in __post_init__.
    object.__setattr__(layer, "kernel_regularizer", regularizer)


def kernel_arguments(layer: HasKernel) -> dict[str, Any]:
    """The two fields as the engine takes them."""
    regularizer = as_regularizer("kernel_regularizer", layer.kernel_regularizer)
    l1, l2 = (0.0, 0.0) if regularizer is None else regularizer.rates
    return {"kernel_initializer": layer.kernel_initializer or "", "l1": l1, "l2": l2}
