"""Where training stands, and what a file tells about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from nncore.data.augmentation import Augmentation


@dataclass
class Position:
    """Where training stands: with weights and optimizer state, all that resuming needs.

    Attributes
    ----------
    epoch
        Epochs finished since the weights were initialised; the next one's shuffle depends on it.
    iteration_loss, correct, seconds
        Of the epoch in progress: mean loss per image of each iteration so far, images classified
        correctly, time spent. Empty and 0 between epochs.
    key
        What the epoch in progress belongs to: N, B, seed and loss. Under other settings it cannot
        be continued, and the next `fit` begins a new epoch.
    stage
        Epochs and iterations of the history when the second of two calls of `fit` that share it
        began; None in the first, and where there is but one.
    """

    epoch: int = 0
    iteration_loss: list[float] = field(default_factory=list)
    correct: int = 0
    seconds: float = 0.0
    key: tuple[int, int, int, str] | None = None
    stage: tuple[int, int] | None = None

    @property
    def iteration(self) -> int:
        """Iterations done in the epoch in progress."""
        return len(self.iteration_loss)

    def drop_epoch_in_progress(self) -> None:
        """Begin the next epoch afresh, with a shuffle that was not begun yet."""
        if self.iteration:
            self.epoch += 1
        self.iteration_loss, self.correct, self.seconds, self.key = [], 0, 0.0, None

    def finish_epoch(self) -> None:
        self.epoch += 1
        self.iteration_loss, self.correct, self.seconds, self.key = [], 0, 0.0, None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; floats come back bit for bit."""
        return {
            "epoch": self.epoch,
            "iteration_loss": list(self.iteration_loss),
            "correct": self.correct,
            "seconds": self.seconds,
            "key": None if self.key is None else list(self.key),
            "stage": None if self.stage is None else list(self.stage),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Position:
        """Inverse of `to_dict`; ValueError, TypeError or KeyError for anything else."""
        key = data["key"]
        if key is not None:
            images, batch_size, seed, loss = key
            key = (_count(images), _count(batch_size), _count(seed), str(loss))
        stage = data.get("stage")  # files of before there were stages lack it
        if stage is not None:
            epochs, iterations = stage
            stage = (_count(epochs), _count(iterations))
        losses = [float(value) for value in data["iteration_loss"]]
        if not all(map(math.isfinite, losses)):
            raise ValueError("iteration_loss is not finite")
        epoch = _count(data["epoch"])
        if epoch >= 2**31:
            raise ValueError(f"{epoch} epochs cannot be")
        return cls(
            epoch=epoch,
            iteration_loss=losses,
            correct=_count(data["correct"]),
            seconds=float(data["seconds"]),
            key=key,
            stage=stage,
        )


@dataclass(frozen=True)
class TrainingFacts:
    """What a model file tells about the training, for people; nothing depends on it.

    Attributes
    ----------
    epochs
        Finished since the weights were initialised.
    seed, images, batch_size
        Of the last call of `fit`: seed of the shuffles, training images, images per step; of
        batches that came one by one, as if all had the size of the first.
    metrics
        loss, accuracy, val_loss, val_accuracy of the last finished epoch, as far as known.
    augmentation
        Its settings (as `Augmentation.to_dict`) in the last call of `fit`; None without.
    class_weight
        Weight of each class in the last call of `fit`; None without.
    sample_weight
        Whether images had weights of their own.
    input_range
        Smallest and largest value of the training images, where they were floats; None for bytes.
    """

    epochs: int
    seed: int
    images: int
    batch_size: int
    metrics: dict[str, float]
    augmentation: dict[str, Any] | None = None
    class_weight: dict[str, float] | None = None
    sample_weight: bool = False
    input_range: list[float] | None = None

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainingFacts:
        """Inverse of `dataclasses.asdict`; ValueError, TypeError or KeyError for anything else.

        The facts of older files, without augmentation and weights, are understood, too.
        """
        augmentation, class_weight = data.get("augmentation"), data.get("class_weight")
        if augmentation is not None:
            augmentation = Augmentation.from_dict(augmentation).to_dict()
        if class_weight is not None:
            class_weight = {str(name): float(value) for name, value in class_weight.items()}
        return cls(
            epochs=_count(data["epochs"]),
            seed=_count(data["seed"]),
            images=_count(data["images"]),
            batch_size=_count(data["batch_size"]),
            metrics={str(name): float(value) for name, value in data["metrics"].items()},
            augmentation=augmentation,
            class_weight=class_weight,
            sample_weight=bool(data.get("sample_weight", False)),
            input_range=_range(data.get("input_range")),
        )


def _range(value: object) -> list[float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{value!r} is not a range")
    low, high = (float(number) for number in value)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"{value!r} is not a range")
    return [low, high]


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value
