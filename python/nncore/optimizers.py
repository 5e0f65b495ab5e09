"""Optimizers, described. The update itself runs in the C++ core."""

from __future__ import annotations

import dataclasses
import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nncore import _core


class Optimizer(ABC):
    """Base of the descriptions, which are frozen dataclasses."""

    learning_rate: float

    @abstractmethod
    def for_core(self) -> _core.SGD:
        """The engine's counterpart."""

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON-ready values; `optimizer_from_dict` reads it back."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {"type": type(self).__name__} | {f.name: getattr(self, f.name) for f in fields}


@dataclass(frozen=True)
class SGD(Optimizer):
    """Plain gradient descent: `W2 = W1 - gradient * learning_rate`.

    Parameters
    ----------
    learning_rate
        Length of the step along the gradient, a finite number above 0.

    Raises
    ------
    ValueError, TypeError
        The learning rate is not such a number.
    """

    learning_rate: float = 0.01

    def __post_init__(self) -> None:
        rate = self.learning_rate
        if isinstance(rate, bool) or not isinstance(rate, numbers.Real):
            raise TypeError(f"SGD: learning_rate must be a number, not {rate!r}")
        if not (math.isfinite(rate) and rate > 0):
            raise ValueError(
                f"SGD: learning_rate must be a finite number above 0, for example 0.01, not {rate}"
            )
        object.__setattr__(self, "learning_rate", float(rate))

    def for_core(self) -> _core.SGD:
        from nncore import _core

        return _core.SGD(self.learning_rate)


OPTIMIZER_KINDS: Mapping[str, type[Optimizer]] = {kind.__name__: kind for kind in (SGD,)}


def optimizer_from_dict(description: Mapping[str, Any]) -> Optimizer:
    """The optimizer that `Optimizer.to_dict` described; ValueError or TypeError if none is."""
    fields = dict(description)
    kind = fields.pop("type", None)
    if not isinstance(kind, str) or kind not in OPTIMIZER_KINDS:
        raise ValueError(f"unknown optimizer {kind!r}; known: {', '.join(OPTIMIZER_KINDS)}")
    known = {f.name for f in dataclasses.fields(OPTIMIZER_KINDS[kind])}  # type: ignore[arg-type]
    if fields.keys() != known:
        raise ValueError(f"{kind} must have the fields {sorted(known)}, not {sorted(fields)}")
    return OPTIMIZER_KINDS[kind](**fields)


def default_optimizer(loss: str, batch_size: int, inputs: int) -> Optimizer:
    """What `fit` uses when it is given none: steps that train and do not diverge.

    The curvature of the loss grows with the number of inputs that a neuron sums (a 64 x 64 photo
    has 12,288, an MNIST digit 784), and the longest safe step is the shorter for it. Cross-entropy:
    0.1, above 1,000 inputs 100 / inputs. Squares, whose gradient grows with the error: 0.01, above
    300 inputs 3 / inputs. `sse` sums where `mse` averages: divided by the batch size it takes the
    same steps.

    Parameters
    ----------
    loss
        Name of the loss.
    batch_size
        Images per step.
    inputs
        The most inputs that one output of any layer sums.
    """
    if loss == "cross_entropy":
        return SGD(min(0.1, 100 / inputs))
    rate = min(0.01, 3 / inputs)
    return SGD(rate / batch_size if loss == "sse" else rate)
