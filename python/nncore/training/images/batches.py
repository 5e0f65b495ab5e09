"""Where the training loop gets its images: from arrays, shuffled, or batch by batch.

N images, B the batch size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from nncore.training.images.labelled import LabelledArrays

if TYPE_CHECKING:
    from nncore import _core

_AHEAD_BYTES = 1 << 26


@dataclass(frozen=True)
class Block:
    """Images for some steps, as one call of the engine takes them.

    `epoch` is the number by which random numbers differ from those of other blocks that give their
    images the same numbers, `indices`.
    """

    data: LabelledArrays
    images: _core.Images
    rows: NDArray[np.int32] | None
    indices: NDArray[np.int32]
    batch_size: int
    epoch: int

    @property
    def steps(self) -> int:
        """How many they are."""
        return math.ceil(len(self.indices) / self.batch_size)


class Batches(Protocol):
    """The images of a training, epoch by epoch.

    Attributes
    ----------
    iterations
        Batches of an epoch.
    one_by_one
        Whether a block is a batch, however short the steps are.
    """

    iterations: int
    one_by_one: bool

    def begin_epoch(self, epoch: int) -> None:
        """Get ready for this epoch, counted since the weights were initialised."""

    def block(self, iteration: int, steps: int) -> Block:
        """Images of at most so many iterations, from this one of the epoch on."""

    def sizes(self, iterations: int) -> list[int]:
        """How many images each of these first iterations of the epoch has."""

    def images_of(self, iterations: int) -> int:
        """How many images they have together."""

    def mean_loss(self, losses: Sequence[float]) -> float:
        """Of the images of the first iterations, whose mean losses these are; exact sums, so that
        blocks cannot change it."""


class ArrayBatches:
    """All images in memory, in another order in each epoch."""

    one_by_one = False

    def __init__(self, data: LabelledArrays, batch_size: int, seed: int) -> None:
        self.data, self.batch_size, self.seed = data, batch_size, seed
        self.iterations = math.ceil(len(data) / batch_size)

    def begin_epoch(self, epoch: int) -> None:
        from nncore import _core

        self.images, self.rows = self.data.in_memory()
        self.epoch, self.order = epoch, _core.shuffled_indices(self.seed, epoch, len(self.data))

    def block(self, iteration: int, steps: int) -> Block:
        first = iteration * self.batch_size
        indices = self.order[first : first + steps * self.batch_size]
        return Block(self.data, self.images, self.rows, indices, self.batch_size, self.epoch)

    def sizes(self, iterations: int) -> list[int]:
        full = self.batch_size
        return [full] * (iterations - 1) + [self.images_of(iterations) - full * (iterations - 1)]

    def images_of(self, iterations: int) -> int:
        return min(iterations * self.batch_size, len(self.data))

    def mean_loss(self, losses: Sequence[float]) -> float:
        # Without a list of sizes: tiny networks have epochs of 200 microseconds.
        return _mean_of_equal(losses, self.batch_size, self.images_of(len(losses)))


class SpreadBatches(ArrayBatches):
    """Images that a team holds together: in the same order as if one process had them all.

    They are brought to each process some steps ahead, of which there are as many as fit into
    `_AHEAD_BYTES`: that, unlike the length of a block, is the same in all processes.
    """

    def begin_epoch(self, epoch: int) -> None:
        from nncore import _core

        self.epoch, self.order = epoch, _core.shuffled_indices(self.seed, epoch, len(self.data))
        image = math.prod(self.data.images.shape[1:])
        self._ahead = max(1, _AHEAD_BYTES // (image * self.batch_size))
        self._fetched = -1  # the first of the steps whose images are here

    def block(self, iteration: int, steps: int) -> Block:
        first = iteration // self._ahead * self._ahead
        if first != self._fetched:
            size = self.batch_size
            indices = self.order[first * size : (first + self._ahead) * size]
            self._fetched, self.images = first, self.data.images[indices]
            # By their numbers among all images, on which random numbers depend.
            self.rows = np.zeros(len(self.data), np.int32)
            self.rows[indices] = np.arange(len(indices), dtype=np.int32)
        return super().block(iteration, min(steps, first + self._ahead - iteration))


class StreamedBatches:
    """Batches of any sizes as they come; `take` gives the next one."""

    one_by_one = True

    def __init__(self, take: Callable[[], LabelledArrays], iterations: int) -> None:
        self.take, self.iterations = take, iterations
        self._sizes: list[int] = []

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        self._sizes = []

    def block(self, iteration: int, steps: int) -> Block:
        batch = self.take()
        self._sizes.append(len(batch))
        images, rows = batch.in_memory()
        indices = np.arange(len(batch), dtype=np.int32)
        # Image 0 of each batch is another one: so each batch counts as an epoch here.
        number = self.epoch * self.iterations + iteration
        return Block(batch, images, rows, indices, len(batch), number)

    def sizes(self, iterations: int) -> list[int]:
        return self._sizes[:iterations]

    def images_of(self, iterations: int) -> int:
        return sum(self.sizes(iterations))

    def mean_loss(self, losses: Sequence[float]) -> float:
        sizes = self.sizes(len(losses))
        if len({*sizes[:-1]}) <= 1:
            return _mean_of_equal(losses, sizes[0], sum(sizes))
        return math.fsum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)


def _mean_of_equal(losses: Sequence[float], size: int, images: int) -> float:
    """Of batches of one size, of which the last may have another: to the last bit the same for
    images in memory and for those that come one by one."""
    last = images - size * (len(losses) - 1)
    return (math.fsum(losses[:-1]) * size + losses[-1] * last) / images
