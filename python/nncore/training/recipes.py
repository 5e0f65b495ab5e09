"""What to train, and how, when nobody says: chosen from the data alone, each choice with a reason.

The choices depend on the number, the size and the colour of the images and on the balance of the
classes, never on how fast a machine is, so that the same command gives the same bits everywhere.
Time is planned in operations; `Recipe.seconds` says what they mean on this machine.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore.arguments import check_int, check_number
from nncore.layers import Layer, Shape
from nncore.layers.presets import WIDTH, resnet
from nncore.losses import SOFTMAX_LOSSES
from nncore.training.settings import TrainingSettings

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
        By the names of `TrainingSettings`, which are those of the flags of ``nncore train``:
        width, stem_pool, epochs, batch_size, optimizer, schedule, learning_rate, augment,
        horizontal_flip, class_weight, early_stopping (0: never); shift only where images are many,
        and without a stem pool weight_decay, label_smoothing and erase, too.
    reasons : Mapping
        Why, for each of the settings, in their order.
    multiply_adds : float
        Of the whole training.
    notes : tuple of str
        What the person should know beforehand, such as that the images are few.
    short_of_time : bool
        Whether there are fewer epochs than would suit the images, for the time budget's sake.
    short_of_images : bool
        Whether a class has so few that the accuracy will depend on chance.
    """

    layers: tuple[Layer, ...]
    settings: Mapping[str, Any]
    reasons: Mapping[str, str]
    multiply_adds: float
    notes: tuple[str, ...] = ()
    short_of_time: bool = False
    short_of_images: bool = False

    def fit_arguments(self) -> dict[str, Any]:
        """Keyword arguments for `Sequential.fit`.

        Examples
        --------
        >>> recipe = nn.recipe(train)                                    # doctest: +SKIP
        >>> model = nn.Sequential(recipe.layers)                         # doctest: +SKIP
        >>> model.fit(train, validation_data=val, **recipe.fit_arguments())  # doctest: +SKIP
        """
        return TrainingSettings(**self.settings).fit_arguments()

    def adapted(self, asked: TrainingSettings) -> Recipe:
        """The same where some settings are asked for: without those that rest on what was not
        taken, and with `ASKED` as the reason of what is another now.

        The network stays: `recipe` itself has arguments for its size and the epochs.
        """
        settings = dict(self.settings)

        def leave_out(*names: str) -> None:
            for name in names:
                if getattr(asked, name) is None:
                    settings.pop(name, None)

        if asked.optimizer not in (None, OPTIMIZER):
            leave_out("learning_rate", "weight_decay")
        if asked.augment is not None:  # as asked for, with nothing added
            leave_out("shift", "erase", "horizontal_flip")
        if asked.loss not in SOFTMAX_LOSSES:
            leave_out("label_smoothing")
        reasons = {
            name: self.reasons[name] if getattr(asked, name) in (None, value) else ASKED
            for name, value in settings.items()
        }
        filled = asked.filled(settings)
        settings = {name: getattr(filled, name) for name in settings}
        return dataclasses.replace(self, settings=settings, reasons=reasons)

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
    if len(train) == 0:
        raise ValueError("there is no training image to choose a recipe for")
    images = _Images(len(train), train.preprocessing.input_shape, train.counts)
    chosen = _Choices()
    network = _choose_network(chosen, images, _Asked(width, stem_pool, epochs), minutes)
    _choose_steps(chosen, images.count)
    _choose_changes(chosen, images, network.stem_pool)
    chosen("class_weight", *_class_weight(images.counts))
    chosen("early_stopping", *_early_stopping(network.epochs, validated))
    notes = _notes(images.counts)
    return Recipe(
        layers=tuple(images.resnet(network.width, network.stem_pool)),
        settings=chosen.settings,
        reasons=chosen.reasons,
        multiply_adds=network.epochs * images.epoch_work(network.width, network.stem_pool),
        notes=notes,
        short_of_time=epochs is None and network.epochs < _epochs(images.count, network.stem_pool),
        short_of_images=len(notes) > 0,
    )


class _Choices:
    """Settings and reasons, in the order in which they are chosen."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}

    def __call__(self, name: str, value: Any, reason: str) -> None:
        self.settings[name], self.reasons[name] = value, reason


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
        return _PASSES * self.count * _multiply_adds(self.resnet(width, stem_pool), self.shape)


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


def _choose_network(chosen: _Choices, images: _Images, asked: _Asked, minutes: float) -> _Network:
    budget = minutes * 60 * _MULTIPLY_ADDS_PER_SECOND

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


def _choose_steps(chosen: _Choices, images: int) -> None:
    batch_size = _batch_size(images)
    steps = math.ceil(images / batch_size)
    chosen("batch_size", batch_size, f"{steps:,} {'step' if steps == 1 else 'steps'} per epoch")
    chosen("optimizer", OPTIMIZER, "needs little tuning")
    chosen("schedule", SCHEDULE, "the learning rate rises, then falls to almost nothing")
    chosen("learning_rate", LEARNING_RATE, "the highest of the schedule")


def _choose_changes(chosen: _Choices, images: _Images, pooled: bool) -> None:
    """What keeps a network from learning the images by heart."""
    if images.count >= _MANY:
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
        f"{'minute' if minutes == 1 else 'minutes'}"
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
        "of a network that was trained on many",
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
    from nncore import _core
    from nncore.kernels import matmul

    side, threads = 256, _core.get_num_threads()
    a = np.ones((side, side), np.float32)
    best, begin = math.inf, time.perf_counter()
    _core.set_num_threads(1)
    try:
        while (started := time.perf_counter()) < begin + _MEASURING_SECONDS:
            matmul(a, a)
            best = min(best, time.perf_counter() - started)
    finally:
        _core.set_num_threads(threads)
    return _SHARE_OF_PRODUCT * threads * side**3 / best
