"""Penalties for large weights, which are added to the loss, as in Keras.

Of a layer with the kernel w, `kernel_regularizer` adds ``l1 * sum(|w|) + l2 * sum(w ** 2)`` to
the loss of every batch, and so ``l1 * sign(w) + 2 * l2 * w`` to the kernel's gradient. Losses that
`fit` and `evaluate` report include it.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from nncore.arguments import check_number
from nncore.description import Description

_LARGEST = 1e30


class Regularizer(Description, family="regularizer"):
    """Base of the penalties; the concrete ones are frozen dataclasses."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            self._check_number(field.name, low=0, high=_LARGEST)

    @property
    @abstractmethod
    def rates(self) -> tuple[float, float]:
        """l1 and l2."""


@dataclass(frozen=True)
class L1(Regularizer):
    """``l1 * sum(|w|)``: drives weights that matter little to 0 (almost: by steps, not exactly)."""

    l1: float = 0.01

    @property
    def rates(self) -> tuple[float, float]:
        return self.l1, 0.0


@dataclass(frozen=True)
class L2(Regularizer):
    """``l2 * sum(w ** 2)``: pulls each weight towards 0 in proportion to its size.

    With plain SGD it is the same as `weight_decay=2 * l2`; with the others it is not (Loshchilov
    and Hutter, "Decoupled weight decay regularization", 2019).
    """

    l2: float = 0.01

    @property
    def rates(self) -> tuple[float, float]:
        return 0.0, self.l2


@dataclass(frozen=True)
class L1L2(Regularizer):
    """Both penalties: ``l1 * sum(|w|) + l2 * sum(w ** 2)``."""

    l1: float = 0.0
    l2: float = 0.0

    @property
    def rates(self) -> tuple[float, float]:
        return self.l1, self.l2


# The same by its older name.
regularizer_from_dict = Regularizer.from_dict


def as_regularizer(what: str, value: object) -> Regularizer | None:
    """`value` itself, or the one that a number (of L2) or a description in a file stands for.

    Raises
    ------
    TypeError, ValueError
        It is none of these, or a number that is negative or not finite.
    """
    if value is None or isinstance(value, Regularizer):
        return value
    if isinstance(value, Mapping):
        return Regularizer.from_dict(value)
    if isinstance(value, str):
        raise TypeError(f"{what} must be one such as L2(1e-4), or a number for L2, not {value!r}")
    return L2(check_number(what, value, low=0, high=_LARGEST))
