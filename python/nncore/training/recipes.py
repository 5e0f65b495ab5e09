"""What to train, and how, when nobody says: chosen from the data alone, each choice with a reason.

The choices depend on the number, the size and the colour of the images and on the balance of the
classes, never on how fast a machine is, so that the same command gives the same bits everywhere.
Time is planned in operations; `Recipe.seconds` says what they mean on this machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore.arguments import check_int, check_number
from nncore.layers import Layer, Shape
from nncore.layers.presets import WIDTH, resnet

if TYPE_CHECKING:
    from nncore.data import ImageDataset

MINUTES = 5.0
"""The time budget where none is given."""
OPTIMIZER, SCHEDULE, LEARNING_RATE = "adam", "one-cycle", 0.005
ASKED = "as asked for"
"""The reason of what was not chosen."""

# The budget counts multiply-adds of whole training steps at this rate, about what two cores of 2020
# do; forward, input gradient and weight gradient are a third each.
_MULTIPLY_ADDS_PER_SECOND = 75e9
_PASSES = 3
# How much of the rate of a large matrix product a training step reaches.
_SHARE_OF_PRODUCT = 0.55
_MEASURING_SECONDS = 0.05

_LITTLE_DATA = 50  # images per class
_UNBALANCED = 4.0  # the most frequent class against the rarest
_MANY = 20_000  # images
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


@dataclass(frozen=True)
class Recipe:
    """A network and the settings of its training.

    Attributes
    ----------
    layers : tuple of Layer
        For `Sequential`.
    settings : Mapping
        By the names of the flags of ``nncore train`` (in Python's spelling): width, stem_pool,
        epochs, batch_size, optimizer, schedule, learning_rate, augment, horizontal_flip,
        class_weight, early_stopping (0: never); shift only where images are many, and without a
        stem pool weight_decay, label_smoothing and erase, too.
    reasons : Mapping
        Why, for each of the settings, in their order.
    multiply_adds : float
        Of the whole training.
    notes : tuple of str
        What the person should know beforehand, such as that the images are few.
    """

    layers: tuple[Layer, ...]
    settings: Mapping[str, Any]
    reasons: Mapping[str, str]
    multiply_adds: float
    notes: tuple[str, ...] = ()

    def fit_arguments(self) -> dict[str, Any]:
        """Keyword arguments for `Sequential.fit`.

        Examples
        --------
        >>> recipe = nn.recipe(train)                                    # doctest: +SKIP
        >>> model = nn.Sequential(recipe.layers)                         # doctest: +SKIP
        >>> model.fit(train, validation_data=val, **recipe.fit_arguments())  # doctest: +SKIP
        """
        import dataclasses

        from nncore.data import Augmentation
        from nncore.optimizers import Adam
        from nncore.schedules import OneCycle
        from nncore.training.callbacks import EarlyStopping

        chosen = self.settings
        moves = ("shift", "erase", "horizontal_flip")
        changes = {name: chosen[name] for name in moves if name in chosen}
        preset = Augmentation.preset(chosen["augment"])
        augmentation = dataclasses.replace(preset, fill="edge", **changes)
        stopping = chosen["early_stopping"]
        return {
            "epochs": chosen["epochs"],
            "batch_size": chosen["batch_size"],
            "optimizer": Adam(
                OneCycle(chosen["learning_rate"]), weight_decay=chosen.get("weight_decay")
            ),
            "label_smoothing": chosen.get("label_smoothing", 0.0),
            "augmentation": augmentation,
            "class_weight": None if chosen["class_weight"] == "none" else chosen["class_weight"],
            "callbacks": [EarlyStopping(patience=stopping)] if stopping else [],
            "restore_best_weights": True,
        }

    def seconds(self) -> float:
        """About how long the training takes on this machine, from a short measurement."""
        return self.multiply_adds / _measured_rate()


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
    minutes = check_number("minutes", minutes, above=0)
    width = None if width is None else check_int("width", width, 1)
    epochs = None if epochs is None else check_int("epochs", epochs, 1)
    if stem_pool is not None and not isinstance(stem_pool, bool):
        raise TypeError(f"stem_pool must be True, False or None, not {stem_pool!r}")
    images = len(train)
    if images == 0:
        raise ValueError("there is no training image to choose a recipe for")
    shape = train.preprocessing.input_shape
    classes = len(train.classes)
    settings: dict[str, Any] = {}
    reasons: dict[str, str] = {}

    def choose(name: str, value: Any, reason: str) -> Any:
        settings[name], reasons[name] = value, reason
        return value

    budget = minutes * 60 * _MULTIPLY_ADDS_PER_SECOND

    def wanted(stem_pool: bool) -> int:
        return _epochs(images, stem_pool) if epochs is None else epochs

    def epoch_work(width: int, stem_pool: bool) -> float:
        layers = resnet(classes, shape, width, stem_pool=stem_pool)
        return _PASSES * images * _multiply_adds(layers, shape)

    def fits(width: int, stem_pool: bool) -> bool:
        return wanted(stem_pool) * epoch_work(width, stem_pool) <= budget

    width_of_it, pooled = _size(images, fits, width, stem_pool)
    wide = width_of_it > WIDTH
    choose("width", width_of_it, ASKED if width is not None else _WIDTH_REASONS[wide])
    choose("stem_pool", pooled, ASKED if stem_pool is not None else _POOL_REASONS[pooled])
    per_epoch = epoch_work(width_of_it, pooled)
    planned = (
        (epochs, ASKED)
        if epochs is not None
        else _planned_epochs(images, wanted(pooled), per_epoch, budget, minutes)
    )
    chosen_epochs = choose("epochs", *planned)
    batch_size = _batch_size(images)
    steps = math.ceil(images / batch_size)
    choose("batch_size", batch_size, f"{steps:,} {'step' if steps == 1 else 'steps'} per epoch")
    choose("optimizer", OPTIMIZER, "needs little tuning")
    choose("schedule", SCHEDULE, "the learning rate rises, then falls to almost nothing")
    choose("learning_rate", LEARNING_RATE, "the highest of the schedule")
    if images >= _MANY:
        if not pooled:
            choose("weight_decay", _WEIGHT_DECAY, "keeps it from learning the images by heart")
            choose("label_smoothing", _LABEL_SMOOTHING, "and from being too sure of them")
        choose("augment", "off", "with so many images, turns and brightness cost accuracy")
        choose("shift", _SHIFT, "small moves")
        if not pooled:
            choose("erase", _ERASE, "no part of an image is to decide alone")
    else:
        choose("augment", "light", "small moves, turns, changes of size and brightness")
    color = shape[2] == 3
    why = "colour pictures may be mirrored" if color else "gray pictures may be letters or digits"
    choose("horizontal_flip", color, why)
    choose("class_weight", *_class_weight(train.counts))
    choose("early_stopping", *_early_stopping(chosen_epochs, validated))
    notes = _notes(train.counts)
    layers = tuple(resnet(classes, shape, width_of_it, stem_pool=pooled))
    return Recipe(layers, settings, reasons, per_epoch * chosen_epochs, notes)


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
        for of_size, pooled in (_SIZES if images >= _MANY else _SIZES[-1:])
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
        f"{'minute' if minutes == 1 else 'minutes'} (--max-minutes)"
    )


def _batch_size(images: int) -> int:
    """At least some steps per epoch; large batches only where steps are many."""
    for size, enough in ((64, 2000), (32, 500), (16, 150)):
        if images >= enough:
            return size
    return 8


def _class_weight(counts: Mapping[str, int]) -> tuple[str, str]:
    present = [count for count in counts.values() if count]
    ratio = max(present) / min(present)
    if ratio >= _UNBALANCED:
        return "balanced", f"the largest class has {ratio:.3g} times the images of the smallest"
    return "none", f"no class has {_UNBALANCED:g} times the images of another"


def _early_stopping(epochs: int, validated: bool) -> tuple[int, str]:
    patience = max(10, epochs // 2)
    if not validated:
        return 0, "never: there are no validation images"
    if patience >= epochs:
        return 0, "never: the epochs are few; the best one is kept"
    return patience, "epochs without a lower validation loss end it; the best epoch is kept"


def _notes(counts: Mapping[str, int]) -> tuple[str, ...]:
    smallest = min(counts, key=lambda name: counts[name])
    if counts[smallest] >= _LITTLE_DATA:
        return ()
    images = "1 training image" if counts[smallest] == 1 else f"{counts[smallest]} training images"
    return (
        f"little data: class {smallest!r} has {images}. Expect the "
        "accuracy to vary by several points with the seed; more images help most, or the features "
        "of a network that was trained on many (--features)",
    )


def _multiply_adds(layers: Any, shape: Shape) -> float:
    """Of the forward pass of one image."""
    from nncore import _core

    builder, given = _core.Builder(shape), shape
    for number, layer in enumerate(layers):
        layer.add_to(builder, str(number), given)
        given = layer.output_shape(given)
    return float(builder.multiply_adds)


def _measured_rate() -> float:
    """Multiply-adds per second that a training step may reach here.

    By one thread: the first parallel products of a process on a busy machine may take 40 times as
    long as later ones, until the scheduler has spread the threads.
    """
    from nncore import get_num_threads, set_num_threads
    from nncore.kernels import matmul

    side, threads = 256, get_num_threads()
    a = np.ones((side, side), np.float32)
    best, begin = math.inf, time.perf_counter()
    set_num_threads(1)
    try:
        while (started := time.perf_counter()) < begin + _MEASURING_SECONDS:
            matmul(a, a)
            best = min(best, time.perf_counter() - started)
    finally:
        set_num_threads(threads)
    return _SHARE_OF_PRODUCT * threads * side**3 / best
