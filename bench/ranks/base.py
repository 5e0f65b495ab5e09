"""What all processes of all contenders are given: a network, its weights, images in an order."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from photo_task import Task, write_task


def write(folder: Path, model: Any, batch: int, steps: int, learning_rate: float) -> None:
    """`steps` batches for a built model, of images of which each class has a picture of its own;
    `batch` is that of all processes together, each of which has one thread."""
    rng = np.random.default_rng(0)
    shape, count = model.input_shape, steps * batch
    classes = model.layers[-1].description.units
    labels = (np.arange(count) % classes).astype(np.int32)
    pictures = rng.random((classes, *shape), np.float32)
    images = rng.random((count, *shape), np.float32)
    for image, label in zip(images, labels, strict=True):
        image += pictures[label]
    images /= 2
    write_task(folder, model, images, labels, batch=batch, learning_rate=learning_rate, threads=1)


class Ranks(Protocol):
    """One process of a contender; each method is called by all of them."""

    first: bool
    """Whether it is the one that tells."""

    def __init__(self, task: Task) -> None: ...

    def train(self, epochs: int) -> list[float]:
        """Go on for so many epochs: the loss of each step, of the whole batch, if it is known."""

    def versions(self) -> dict[str, str]:
        """What is installed."""
