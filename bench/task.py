"""What a contender's process gets: the work with its data, weights and batch order, as one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from works import F32, WORKS, Work, make_data, make_weights


@dataclass(frozen=True)
class Task:
    """One work as every contender gets it.

    Attributes
    ----------
    images, labels
        float32 (N, *input_shape) and int32 (N,).
    orders
        int32 (epochs, N): the images of epoch e in the order ``orders[e % epochs]``, cut into
        batches.
    seed
        The order is nncore's own shuffle of this seed.
    weights
        Kernel and bias of each layer, to start from.
    """

    work: Work
    images: F32
    labels: NDArray[np.int32]
    orders: NDArray[np.int32]
    seed: int
    weights: list[F32]
    threads: int

    def batches(self, epoch: int) -> NDArray[np.int32]:
        """Indices (steps, batch) of one epoch."""
        order = self.orders[epoch % len(self.orders)]
        return order.reshape(self.work.steps, self.work.batch)

    def save(self, path: Path) -> None:
        weights = {f"weight{i:03}": weight for i, weight in enumerate(self.weights)}
        np.savez(
            path,
            work=self.work.name,
            images=self.images,
            labels=self.labels,
            orders=self.orders,
            seed=self.seed,
            threads=self.threads,
            **weights,
        )

    @classmethod
    def load(cls, path: Path) -> Task:
        with np.load(path) as file:
            names = sorted(name for name in file.files if name.startswith("weight"))
            return cls(
                work=WORKS[str(file["work"])],
                images=file["images"],
                labels=file["labels"],
                orders=file["orders"],
                seed=int(file["seed"]),
                weights=[file[name] for name in names],
                threads=int(file["threads"]),
            )


def make_task(work: Work, threads: int, epochs: int = 16, seed: int = 0) -> Task:
    """The task of a work; its order is that of `nncore.Sequential.fit` with the same seed."""
    from nncore import _core

    images, labels = make_data(work, seed)
    orders = np.stack([_core.shuffled_indices(seed, e, work.images) for e in range(epochs)])
    return Task(work, images, labels, orders, seed, make_weights(work, seed), threads)
