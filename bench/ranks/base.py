"""What all processes of all contenders are given: a network, its weights, images in an order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
_MODEL, _ARRAYS = "model.safetensors", "task.npz"


@dataclass(frozen=True)
class Task:
    """As `write` has put it into a folder.

    Attributes
    ----------
    model
        Of nncore, as a file.
    layers, weights
        The same for the others; the last layer gives logits.
    images, labels, orders
        float32 (N, H, W, C), int32 (N,), and nncore's own shuffle, int32 (epochs, N).
    batch
        Of all processes together.
    """

    model: Path
    layers: list[dict[str, Any]]
    weights: dict[str, F32]
    images: F32
    labels: NDArray[np.int32]
    orders: NDArray[np.int32]
    batch: int
    learning_rate: float

    @classmethod
    def load(cls, folder: Path) -> Task:
        with np.load(folder / _ARRAYS) as file:
            arrays = {name: file[name] for name in file.files if "/" not in name}
            weights = {name: file[name] for name in file.files if "/" in name}
        facts = json.loads(str(arrays.pop("facts")))
        return cls(folder / _MODEL, weights=weights, **arrays, **facts)


def write(folder: Path, model: Any, batch: int, steps: int, learning_rate: float) -> None:
    """`steps` batches for a built model, of images of which each class has a picture of its own."""
    from safetensors.numpy import load_file

    from nncore import _core

    rng = np.random.default_rng(0)
    shape, count = model.input_shape, steps * batch
    classes = model.layers[-1].description.units
    labels = (np.arange(count) % classes).astype(np.int32)
    pictures = rng.random((classes, *shape), np.float32)
    images = rng.random((count, *shape), np.float32)
    for image, label in zip(images, labels, strict=True):
        image += pictures[label]
    images /= 2
    model.save(folder / _MODEL, include_optimizer=False)
    layers = _named([view.description for view in model.layers])
    np.savez(
        folder / _ARRAYS,
        facts=json.dumps({"layers": layers, "batch": batch, "learning_rate": learning_rate}),
        images=images,
        labels=labels,
        orders=np.stack([_core.shuffled_indices(0, epoch, count) for epoch in range(16)]),
        **load_file(folder / _MODEL),
    )


def _named(layers: Sequence[Any]) -> list[dict[str, Any]]:
    """The layers, those within blocks too, with the names that files give them."""
    from nncore.layers import unique_names

    found = []
    for layer, name in zip(layers, unique_names(layers), strict=True):
        record = {**layer.to_dict(), "name": name}
        for part in ("layers", "shortcut"):
            if record.get(part):
                record[part] = _named(getattr(layer, part))
        found.append(record)
    return found


class Ranks(Protocol):
    """One process of a contender; each method is called by all of them."""

    first: bool
    """Whether it is the one that tells."""

    def __init__(self, task: Task) -> None: ...

    def train(self, epochs: int) -> list[float]:
        """Go on for so many epochs: the loss of each step, of the whole batch, if it is known."""

    def versions(self) -> dict[str, str]:
        """What is installed."""
