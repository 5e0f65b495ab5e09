"""JAX: all steps of an epoch are one jitted `lax.scan` with donated weights."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray
from works import Work

from contenders import jax_step
from contenders.jax_step import Weights, sgd_step


class Trainer(jax_step.Trainer):
    def _order(self, batches: NDArray[np.int32]) -> jax.Array:
        return jnp.asarray(batches)

    def _compile(self, work: Work) -> object:
        def epoch(
            weights: Weights, images: jax.Array, labels: jax.Array, batches: jax.Array
        ) -> Weights:
            def step(weights: Weights, batch: jax.Array) -> tuple[Weights, None]:
                return sgd_step(work, weights, images, labels, batch), None

            return lax.scan(step, weights, batches)[0]

        return jax.jit(epoch, donate_argnums=0)

    def train(self, epochs: int) -> None:
        weights = self.weights
        for epoch in range(epochs):
            batches = self.orders[epoch % len(self.orders)]
            weights = self.advance(weights, self.images, self.labels, batches)
        self.weights = jax.block_until_ready(weights)
