"""JAX: the whole step, batch assembly included, is one jitted call with donated weights."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray
from task import Task
from works import F32, Conv, Dense, Flatten, Pool, Work

from contenders.base import Trainer as Base

Weights = list[jax.Array]


def forward(work: Work, weights: Weights, x: jax.Array) -> jax.Array:
    """Logits (N, classes)."""
    remaining = iter(weights)
    for layer in work.layers:
        match layer:
            case Conv(_, _, padding):
                kernel, bias = next(remaining), next(remaining)
                numbers = ("NHWC", "HWIO", "NHWC")
                x = lax.conv_general_dilated(
                    x, kernel, (1, 1), padding.upper(), dimension_numbers=numbers
                )
                x = jax.nn.relu(x + bias)
            case Pool():
                # Up to twice as fast as lax.reduce_window, whose gradient is slow on CPUs.
                n, height, width, channels = x.shape
                x = x[:, : height // 2 * 2, : width // 2 * 2]
                x = x.reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))
            case Flatten():
                x = x.reshape(len(x), -1)
            case Dense(_, relu):
                x = x @ next(remaining) + next(remaining)
                x = jax.nn.relu(x) if relu else x
    return x


def sgd_step(
    work: Work, weights: Weights, images: jax.Array, labels: jax.Array, batch: jax.Array
) -> Weights:
    """The weights after one step on the images that `batch` lists."""

    def loss(weights: Weights) -> jax.Array:
        log_p = jax.nn.log_softmax(forward(work, weights, images[batch]))
        return -jnp.take_along_axis(log_p, labels[batch][:, None], axis=1).mean()

    gradients = jax.grad(loss)(weights)
    return [w - work.learning_rate * g for w, g in zip(weights, gradients, strict=True)]


class Trainer(Base):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        work = task.work
        self.images, self.labels = jnp.asarray(task.images), jnp.asarray(task.labels)
        self.orders = [self._order(task.batches(e)) for e in range(len(task.orders))]
        self.infer = jax.jit(lambda weights, x: forward(work, weights, x))
        self.weights: Weights = []
        self.advance = self._compile(work)

    def _order(self, batches: NDArray[np.int32]) -> list[jax.Array] | jax.Array:
        return [jnp.asarray(batch) for batch in batches]

    def _compile(self, work: Work) -> object:
        return jax.jit(lambda w, x, y, batch: sgd_step(work, w, x, y, batch), donate_argnums=0)

    def reset(self) -> None:
        # Copies: donation lets XLA overwrite what it is given.
        self.weights = [jnp.array(weight, copy=True) for weight in self.task.weights]

    def train(self, epochs: int) -> None:
        weights, images, labels, advance = self.weights, self.images, self.labels, self.advance
        for epoch in range(epochs):
            for batch in self.orders[epoch % len(self.orders)]:
                weights = advance(weights, images, labels, batch)
        self.weights = jax.block_until_ready(weights)

    def log_probabilities(self, images: F32) -> NDArray[np.floating]:
        return np.asarray(self.infer(self.weights, jnp.asarray(images)))

    def versions(self) -> dict[str, str]:
        return {"version": jax.__version__, "backend": jax.default_backend()}
