"""Optimizers and schedules once more, in float64 NumPy, as the papers and Keras write them.

Nothing is taken from nncore: arguments are plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Step = Callable[[Sequence[F64], float], None]


def clipped(
    gradients: Sequence[F64], clipnorm: float | None = None, global_clipnorm: float | None = None
) -> list[F64]:
    """Gradients that are not longer than allowed."""
    if clipnorm is not None:
        return [g * min(1.0, clipnorm / np.linalg.norm(g)) for g in gradients]
    if global_clipnorm is not None:
        norm = math.sqrt(sum(float((g * g).sum()) for g in gradients))
        return [g * min(1.0, global_clipnorm / norm) for g in gradients]
    return list(gradients)


class Reference:
    """Parameters that `step(gradients, learning_rate)` changes in place; `average` is their EMA."""

    def __init__(
        self,
        weights: Sequence[F64],
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        global_clipnorm: float | None = None,
        ema_momentum: float = 0.99,
    ) -> None:
        self.weights = [np.array(w, np.float64) for w in weights]
        self.average: list[F64] | None = None
        self.weight_decay = weight_decay or 0.0
        self.limits = (clipnorm, global_clipnorm)
        self.ema_momentum = ema_momentum
        self.t = 0

    def step(self, gradients: Sequence[F64], rate: float) -> None:
        self.t += 1
        gradients = clipped([np.asarray(g, np.float64) for g in gradients], *self.limits)
        for index, (w, g) in enumerate(zip(self.weights, gradients, strict=True)):
            w -= rate * self.weight_decay * w
            self.update(index, w, g, rate)
        if self.average is None:
            self.average = [w.copy() for w in self.weights]
        for a, w in zip(self.average, self.weights, strict=True):
            a += (1 - self.ema_momentum) * (w - a)

    def zeros(self) -> list[F64]:
        return [np.zeros_like(w) for w in self.weights]

    def update(self, index: int, w: F64, g: F64, rate: float) -> None:
        raise NotImplementedError


class ReferenceSGD(Reference):
    def __init__(self, weights, momentum=0.0, nesterov=False, **settings):
        super().__init__(weights, **settings)
        self.momentum, self.nesterov, self.velocity = momentum, nesterov, self.zeros()

    def update(self, index, w, g, rate):
        v = self.velocity[index] = self.momentum * self.velocity[index] - rate * g
        w += self.momentum * v - rate * g if self.nesterov else v


class ReferenceRMSprop(Reference):
    def __init__(self, weights, rho=0.9, momentum=0.0, epsilon=1e-7, **settings):
        super().__init__(weights, **settings)
        self.rho, self.momentum, self.epsilon = rho, momentum, epsilon
        self.square, self.velocity = self.zeros(), self.zeros()

    def update(self, index, w, g, rate):
        s = self.square[index] = self.rho * self.square[index] + (1 - self.rho) * g * g
        step = rate * g / np.sqrt(s + self.epsilon)
        v = self.velocity[index] = self.momentum * self.velocity[index] + step
        w -= v


class ReferenceAdam(Reference):
    def __init__(self, weights, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **settings):
        super().__init__(weights, **settings)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.mean, self.square = self.zeros(), self.zeros()

    def update(self, index, w, g, rate):
        m = self.mean[index] = self.beta_1 * self.mean[index] + (1 - self.beta_1) * g
        s = self.square[index] = self.beta_2 * self.square[index] + (1 - self.beta_2) * g * g
        corrected_m, corrected_s = m / (1 - self.beta_1**self.t), s / (1 - self.beta_2**self.t)
        w -= rate * corrected_m / (np.sqrt(corrected_s) + self.epsilon)


REFERENCES = {
    "SGD": ReferenceSGD,
    "RMSprop": ReferenceRMSprop,
    "Adam": ReferenceAdam,
    "AdamW": ReferenceAdam,
}
