"""Optimizers, described. The update itself runs in the C++ core.

Names, arguments and defaults are those of Keras; where frameworks disagree on a formula, the
docstring says which one this is. The engine remembers what an optimizer needs (moments, average of
the weights) as long as the kind of optimizer stays the same: a further `fit` goes on with it.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nncore.description import Description
from nncore.losses import SOFTMAX_LOSSES
from nncore.schedules import Schedule

if TYPE_CHECKING:
    from nncore import _core


@dataclass(frozen=True, kw_only=True)
class Optimizer(Description, family="optimizer"):
    """Base of the descriptions, which are frozen dataclasses, and what all of them can do.

    The settings that all have are given by name.

    Parameters
    ----------
    learning_rate
        Length of the steps: a finite number above 0, or a `nncore.schedules.Schedule`.
    weight_decay
        Each step begins with `W = W - learning_rate * weight_decay * W` (decoupled, as Keras and
        PyTorch's AdamW do it; PyTorch's SGD, Adam and RMSprop add it to the gradient instead).
        None is 0. Biases are decayed as well, as in both frameworks.
    clipnorm
        The gradient of each parameter is shortened to this norm if it is longer.
    global_clipnorm
        All gradients together are shortened to this norm if they are longer, so that the direction
        of the step stays. Only one of the two may be given.
    use_ema
        Keep a moving average of the weights: `A = A * ema_momentum + W * (1 - ema_momentum)` after
        each step, beginning with the weights after the first. Validation, callbacks, saved files
        and the model after `fit` have the average; training goes on from the weights themselves.
    ema_momentum
        At least 0 and below 1.

    Raises
    ------
    ValueError, TypeError
        A number is out of its range, or none.
    """

    learning_rate: float | Schedule
    weight_decay: float | None = None
    clipnorm: float | None = None
    global_clipnorm: float | None = None
    use_ema: bool = False
    ema_momentum: float = 0.99

    # The engine's name for the method.
    method: ClassVar[str] = "sgd"
    # The learning rate is always written; of the others, what is not at its default.
    later_fields: ClassVar = frozenset(
        {"weight_decay", "clipnorm", "global_clipnorm", "use_ema", "ema_momentum"}
    )
    nested: ClassVar = {"learning_rate": Schedule}

    def __post_init__(self) -> None:
        if not isinstance(self.learning_rate, Schedule):
            example = "above 0, for example 0.01,"
            try:
                self._check_number("learning_rate", above=0)
            except ValueError as error:
                raise ValueError(str(error).replace("above 0,", example)) from None
        for name in ("weight_decay", "clipnorm", "global_clipnorm"):
            if getattr(self, name) is not None:
                limits: dict[str, Any] = {"low": 0} if name == "weight_decay" else {"above": 0}
                self._check_number(name, **limits)
        if self.clipnorm is not None and self.global_clipnorm is not None:
            raise ValueError(
                f"{type(self).__name__}: only one of clipnorm and global_clipnorm may be given"
            )
        for setting in dataclasses.fields(self):
            if isinstance(setting.default, bool):
                self._check_flag(setting.name)
        self._check_number("ema_momentum", low=0, below=1)

    @property
    def rate(self) -> float:
        """The learning rate, of a schedule the largest."""
        rate = self.learning_rate
        return rate.largest if isinstance(rate, Schedule) else rate

    @property
    @abstractmethod
    def formula(self) -> str:
        """How the step makes W2 from W1, for `explain_step`."""

    def rates(self, first: int, count: int, total: int) -> NDArray[np.float64]:
        """Learning rates of the `count` steps from number `first` (from 0) on, of `total`."""
        rate = self.learning_rate
        if not isinstance(rate, Schedule):
            return np.full(count, rate)
        return np.array([rate.rate(step, total) for step in range(first, first + count)])

    def for_core(self) -> _core.Optimizer:
        """The engine's counterpart."""
        from nncore import _core

        return _core.Optimizer(
            self.rate,
            self.method,
            weight_decay=self.weight_decay or 0.0,
            clipnorm=self.clipnorm or 0.0,
            global_clipnorm=self.global_clipnorm or 0.0,
            use_ema=self.use_ema,
            ema_momentum=self.ema_momentum,
            **self._settings(),
        )

    def _settings(self) -> dict[str, Any]:
        """The method's own settings, by the engine's names."""
        return {}


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent: `W2 = W1 - gradient * learning_rate`.

    With momentum, Keras's formula: `velocity = momentum * velocity - learning_rate * gradient`,
    `W2 = W1 + velocity`, and with Nesterov's `W2 = W1 + momentum * velocity - learning_rate *
    gradient`. PyTorch multiplies by the learning rate after the sum: the same for a constant rate;
    under a schedule Keras's velocity remembers the rates of the earlier steps.

    Parameters
    ----------
    learning_rate
        Length of the step along the gradient, a finite number above 0, or a schedule.
    momentum
        How much of the last step is taken again: at least 0 and below 1.
    nesterov
        Look ahead by the momentum.
    weight_decay, clipnorm, global_clipnorm, use_ema, ema_momentum
        As of `Optimizer`.
    """

    later_fields: ClassVar = frozenset({"momentum", "nesterov"})

    learning_rate: float | Schedule = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_number("momentum", low=0, below=1)

    @property
    def formula(self) -> str:
        if not self.momentum:
            return "W2 = W1 - gradient * learning_rate"
        velocity = "velocity = momentum * velocity - learning_rate * gradient"
        step = "momentum * velocity - learning_rate * gradient" if self.nesterov else "velocity"
        return f"{velocity}; W2 = W1 + {step}"

    def _settings(self) -> dict[str, Any]:
        return {"momentum": self.momentum, "nesterov": self.nesterov}


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Gradient descent in which each weight has its own scale (Tieleman and Hinton, 2012).

    `mean_square = rho * mean_square + (1 - rho) * gradient^2`,
    `W2 = W1 - learning_rate * gradient / sqrt(mean_square + epsilon)`; with momentum the quotient
    takes the place of the gradient in SGD's velocity. Keras's formula: PyTorch adds epsilon to the
    root, and its default for rho (there alpha) is 0.99.

    Parameters
    ----------
    learning_rate
        A finite number above 0, or a schedule.
    rho
        Of the moving average of the squares: at least 0 and below 1.
    momentum
        At least 0 and below 1.
    epsilon
        Keeps the quotient finite; 1e-30 at least.
    weight_decay, clipnorm, global_clipnorm, use_ema, ema_momentum
        As of `Optimizer`.
    """

    later_fields: ClassVar = frozenset({"rho", "momentum", "epsilon"})

    learning_rate: float | Schedule = 0.001
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7

    method: ClassVar[str] = "rmsprop"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_number("rho", low=0, below=1)
        self._check_number("momentum", low=0, below=1)
        self._check_number("epsilon", low=1e-30, below=1e30)

    @property
    def formula(self) -> str:
        square = "mean_square = rho * mean_square + (1 - rho) * gradient^2"
        step = "learning_rate * gradient / sqrt(mean_square + epsilon)"
        if not self.momentum:
            return f"{square}; W2 = W1 - {step}"
        return f"{square}; velocity = momentum * velocity - {step}; W2 = W1 + velocity"

    def _settings(self) -> dict[str, Any]:
        return {"rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon}


@dataclass(frozen=True)
class Adam(Optimizer):
    """Moving averages of the gradient and of its square (Kingma and Ba, 2015).

    `mean = beta_1 * mean + (1 - beta_1) * gradient`, `mean_square = beta_2 * mean_square +
    (1 - beta_2) * gradient^2`; in step t they are divided by `1 - beta_1^t` and `1 - beta_2^t`,
    because they begin at 0, and `W2 = W1 - learning_rate * mean / (sqrt(mean_square) + epsilon)`.
    This is Algorithm 1 of the paper, as PyTorch and JAX have it: epsilon means the same in every
    step. Keras adds epsilon before the root is corrected, which is the same for gradients far
    above epsilon.

    Parameters
    ----------
    learning_rate
        A finite number above 0, or a schedule.
    beta_1, beta_2
        At least 0 and below 1.
    epsilon
        1e-30 at least; Keras's default (PyTorch's is 1e-8).
    weight_decay, clipnorm, global_clipnorm, use_ema, ema_momentum
        As of `Optimizer`.
    """

    later_fields: ClassVar = frozenset({"beta_1", "beta_2", "epsilon"})

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    method: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_number("beta_1", low=0, below=1)
        self._check_number("beta_2", low=0, below=1)
        self._check_number("epsilon", low=1e-30, below=1e30)

    @property
    def formula(self) -> str:
        return (
            "W2 = W1 - learning_rate * mean / (sqrt(mean_square) + epsilon), where mean and "
            "mean_square are moving averages of gradient and gradient^2"
        )

    def _settings(self) -> dict[str, Any]:
        return {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), 0.004 by default as in Keras.

    Parameters as of `Adam`, which decays in the same way if it is asked to.
    """

    weight_decay: float | None = field(default=0.004, kw_only=True)


OPTIMIZERS: Mapping[str, type[Optimizer]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
}
"""By the names that stand for them where an optimizer is asked for in a word."""


def checked_optimizer(optimizer: object) -> Optimizer:
    """`optimizer` itself, or the one of that name with its defaults, in letters of either case.

    Raises
    ------
    ValueError
        No optimizer is called so; the message lists those that are known.
    TypeError
        It is neither.
    """
    if isinstance(optimizer, str):
        if optimizer.lower() not in OPTIMIZERS:
            raise ValueError(f"unknown optimizer {optimizer!r}; known: {', '.join(OPTIMIZERS)}")
        return OPTIMIZERS[optimizer.lower()]()  # type: ignore[call-arg]
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"optimizer must be one such as SGD(0.01), or the name of one, not {optimizer!r}"
        )
    return optimizer


# The same by its older name.
optimizer_from_dict = Optimizer.from_dict


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
    if loss in SOFTMAX_LOSSES:
        return SGD(min(0.1, 100 / inputs))
    rate = min(0.01, 3 / inputs)
    return SGD(rate / batch_size if loss == "sse" else rate)
