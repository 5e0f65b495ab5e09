"""What to train from scratch, and how, when nobody says: by the number, the size and the colour of
the images and the balance of the classes, each choice with a reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nncore.arguments import check_int, check_number
from nncore.layers import Layer, Shape
from nncore.layers.presets import WIDTH, resnet
from nncore.training.recipes.recipe import (
    ASKED,
    MANY,
    MINUTES,
    MULTIPLY_ADDS_PER_SECOND,
    PASSES,
    Choices,
    Recipe,
    batch_size_of,
    class_weight_of,
    little_data,
    multiply_adds_of,
)

if TYPE_CHECKING:
    from nncore.data import ImageDataset

OPTIMIZER, SCHEDULE, LEARNING_RATE = "adam", "one-cycle", 0.005
_LITTLE_DATA = 50  # images per class
_SHIFT, _ERASE = 0.08, 0.25  # where images are many
_WEIGHT_DECAY, _LABEL_SMOOTHING = 0.02, 0.1

# Width and stem pool, from the largest to the smallest network.
_SIZES = ((2 * WIDTH, False), (WIDTH, False), (WIDTH, True))
_MANY_AND_TIME = "the images are many, and time allows it"
_WIDTH_REASONS = {
    False: "a small residual network, with batch normalization",
    True: f"a wider residual network: {_MANY_AND_TIME}",
}
_POOL_REASONS = {
    False: f"full size behind the first convolution: {_MANY_AND_TIME}",
    True: "behind the first convolution; saves more than half of the work",
}


def recipe(
    train: ImageDataset,
    *,
    validated: bool = True,
    minutes: float = MINUTES,
    width: int | None = None,
    epochs: int | None = None,
    stem_pool: bool | None = None,
) -> Recipe:
    """Choose a network and its training for these images.

    Parameters
    ----------
    train
        The training part alone.
    validated
        Whether there will be validation images; only then training can stop early.
    minutes
        Time budget, at the rate of two cores of 2020 (see the module's docstring).
    width
        Filters of the first convolution; by default chosen too.
    epochs
        By default chosen too, so that the training fits into `minutes`.
    stem_pool
        Whether a pool follows the first convolution; by default chosen too.

    Raises
    ------
    TypeError, ValueError
        `minutes` is no positive number, `width` or `epochs` no positive whole number, or there is
        no image.
    """
    images = len(train), train.preprocessing.input_shape, train.counts
    return recipe_of(
        *images,
        validated=validated,
        minutes=minutes,
        width=width,
        epochs=epochs,
        stem_pool=stem_pool,
    )


def recipe_of(
    count: int,
    shape: Shape,
    counts: Mapping[str, int],
    *,
    validated: bool = True,
    minutes: float = MINUTES,
    width: int | None = None,
    epochs: int | None = None,
    stem_pool: bool | None = None,
) -> Recipe:
    """`recipe` where there is no data set: for so many images of this shape, (H, W, C), of which
    each class has so many."""
    minutes = check_number("minutes", minutes, above=0)
    width = None if width is None else check_int("width", width, 1)
    epochs = None if epochs is None else check_int("epochs", epochs, 1)
    if stem_pool is not None and not isinstance(stem_pool, bool):
        raise TypeError(f"stem_pool must be True, False or None, not {stem_pool!r}")
    if count == 0:
        raise ValueError("there is no training image to choose a recipe for")
    images = _Images(count, shape, counts)
    chosen = Choices()
    network = _choose_network(chosen, images, _Asked(width, stem_pool, epochs), minutes)
    _choose_steps(chosen, images.count)
    _choose_changes(chosen, images, network.stem_pool)
    chosen("class_weight", *class_weight_of(images.counts))
    chosen("early_stopping", *_early_stopping(network.epochs, validated))
    notes = little_data(
        images.counts, _LITTLE_DATA, ", or the features of a network that was trained on many"
    )
    return Recipe(
        layers=tuple(images.resnet(network.width, network.stem_pool)),
        settings=chosen.settings,
        reasons=chosen.reasons,
        multiply_adds=network.epochs * images.epoch_work(network.width, network.stem_pool),
        notes=notes,
        short_of_time=epochs is None and network.epochs < _epochs(images.count, network.stem_pool),
        short_of_images=len(notes) > 0,
    )


@dataclass(frozen=True)
class _Images:
    """What is looked at: how many images of which shape, and how many of each class."""

    count: int
    shape: Shape
    counts: Mapping[str, int]

    def resnet(self, width: int, stem_pool: bool) -> list[Layer]:
        return resnet(len(self.counts), self.shape, width, stem_pool=stem_pool)

    def epoch_work(self, width: int, stem_pool: bool) -> float:
        """Multiply-adds of an epoch."""
        return PASSES * self.count * multiply_adds_of(self.resnet(width, stem_pool), self.shape)


@dataclass(frozen=True)
class _Asked:
    """What the person said about the network and the length of its training."""

    width: int | None
    stem_pool: bool | None
    epochs: int | None


@dataclass(frozen=True)
class _Network:
    width: int
    stem_pool: bool
    epochs: int


def _choose_network(chosen: Choices, images: _Images, asked: _Asked, minutes: float) -> _Network:
    budget = minutes * 60 * MULTIPLY_ADDS_PER_SECOND

    def wanted(stem_pool: bool) -> int:
        return _epochs(images.count, stem_pool) if asked.epochs is None else asked.epochs

    def fits(width: int, stem_pool: bool) -> bool:
        return wanted(stem_pool) * images.epoch_work(width, stem_pool) <= budget

    width, pooled = _size(images.count, fits, asked.width, asked.stem_pool)
    width_reason = ASKED if asked.width is not None else _WIDTH_REASONS[width > WIDTH]
    chosen("width", width, width_reason)
    chosen("stem_pool", pooled, ASKED if asked.stem_pool is not None else _POOL_REASONS[pooled])
    epochs, reason = asked.epochs, ASKED
    if epochs is None:
        per_epoch = images.epoch_work(width, pooled)
        epochs, reason = _planned_epochs(images.count, wanted(pooled), per_epoch, budget, minutes)
    chosen("epochs", epochs, reason)
    return _Network(width, pooled, epochs)


def _choose_steps(chosen: Choices, images: int) -> None:
    batch_size = batch_size_of(images)
    steps = math.ceil(images / batch_size)
    chosen("batch_size", batch_size, f"{steps:,} {'step' if steps == 1 else 'steps'} per epoch")
    chosen("optimizer", OPTIMIZER, "needs little tuning")
    chosen("schedule", SCHEDULE, "the learning rate rises, then falls to almost nothing")
    chosen("learning_rate", LEARNING_RATE, "the highest of the schedule")


def _choose_changes(chosen: Choices, images: _Images, pooled: bool) -> None:
    """What keeps a network from learning the images by heart."""
    if images.count >= MANY:
        if not pooled:
            chosen("weight_decay", _WEIGHT_DECAY, "keeps it from learning the images by heart")
            chosen("label_smoothing", _LABEL_SMOOTHING, "and from being too sure of them")
        chosen("augment", "off", "with so many images, turns and brightness cost accuracy")
        chosen("shift", _SHIFT, "small moves")
        if not pooled:
            chosen("erase", _ERASE, "no part of an image is to decide alone")
    else:
        chosen("augment", "light", "small moves, turns, changes of size and brightness")
    color = images.shape[2] == 3
    why = "colour pictures may be mirrored" if color else "gray pictures may be letters or digits"
    chosen("horizontal_flip", color, why)


def _epochs(images: int, stem_pool: bool) -> int:
    """More for fewer images: 120 at 60, 40 at 4,000, 20 at 60,000; half as many again for the
    larger network."""
    factor = 1.0 if stem_pool else 1.5
    return max(12, min(150, round(factor * 120 * math.pow(60 / images, 0.26))))


def _size(
    images: int,
    fits: Callable[[int, bool], bool],
    width: int | None,
    stem_pool: bool | None,
) -> tuple[int, bool]:
    """Width and stem pool of the largest network that so many images are worth, in time."""
    sizes = [
        (width or of_size, pooled if stem_pool is None else stem_pool)
        for of_size, pooled in (_SIZES if images >= MANY else _SIZES[-1:])
    ]
    return next((size for size in sizes if fits(*size)), sizes[-1])


def _planned_epochs(
    images: int, wanted: int, per_epoch: float, budget: float, minutes: float
) -> tuple[int, str]:
    affordable = max(1, int(budget / per_epoch))
    if affordable >= wanted:
        return wanted, f"as suits {images:,} images"
    return affordable, (
        f"of the {wanted} that would suit {images:,} images, planned for {minutes:g} "
        f"{'minute' if minutes == 1 else 'minutes'}"
    )


def _early_stopping(epochs: int, validated: bool) -> tuple[int, str]:
    patience = max(10, epochs // 2)
    if not validated:
        return 0, "never: there are no validation images"
    if patience >= epochs:
        return 0, "never: the epochs are few; the best one is kept"
    return patience, "epochs without a lower validation loss end it; the best epoch is kept"
