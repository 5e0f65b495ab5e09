"""What to train, and how, when nobody says: chosen from the data alone, each choice with a reason.

The choices depend on the number, the size and the colour of the images and on the balance of the
classes, never on how fast a machine is, so that the same command gives the same bits everywhere.
Time is planned in operations; `Recipe.seconds` says what they mean on this machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore.arguments import check_number
from nncore.layers import Layer, Shape
from nncore.layers.presets import WIDTH, resnet

if TYPE_CHECKING:
    from nncore.data import ImageDataset

MINUTES = 5.0
"""The time budget where none is given."""
OPTIMIZER, SCHEDULE, LEARNING_RATE = "adam", "one-cycle", 0.005

# The budget counts multiply-adds of whole training steps at this rate, about what two cores of 2020
# do; forward, input gradient and weight gradient are a third each.
_MULTIPLY_ADDS_PER_SECOND = 75e9
_PASSES = 3
# How much of the rate of a large matrix product a training step reaches.
_SHARE_OF_PRODUCT = 0.55

_LITTLE_DATA = 50  # images per class
_UNBALANCED = 4.0  # the most frequent class against the rarest
_WIDE_FROM = 20_000  # images


@dataclass(frozen=True)
class Recipe:
    """A network and the settings of its training.

    Attributes
    ----------
    layers : tuple of Layer
        For `Sequential`.
    settings : Mapping
        By the names of the flags of ``nncore train`` (in Python's spelling): epochs, batch_size,
        optimizer, schedule, learning_rate, augment, horizontal_flip, class_weight, early_stopping.
    reasons : Mapping
        Why, for each choice, in the order in which they are worth telling.
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
        from nncore.training.early_stopping import EarlyStopping

        chosen = self.settings
        augmentation = dataclasses.replace(
            Augmentation.preset(chosen["augment"]), horizontal_flip=chosen["horizontal_flip"]
        )
        stopping = chosen["early_stopping"]
        return {
            "epochs": chosen["epochs"],
            "batch_size": chosen["batch_size"],
            "optimizer": Adam(OneCycle(chosen["learning_rate"])),
            "augmentation": augmentation,
            "class_weight": None if chosen["class_weight"] == "none" else chosen["class_weight"],
            "callbacks": [] if stopping is None else [EarlyStopping(patience=stopping)],
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
        By default chosen too; only the order of magnitude of the plan depends on it.

    Raises
    ------
    TypeError, ValueError
        `minutes` is no positive number, or there is no image.
    """
    minutes = check_number("minutes", minutes, above=0)
    images = len(train)
    if images == 0:
        raise ValueError("there is no training image to choose a recipe for")
    shape = train.preprocessing.input_shape
    classes = len(train.classes)
    settings: dict[str, Any] = {"optimizer": OPTIMIZER, "schedule": SCHEDULE}
    reasons: dict[str, str] = {}
    reasons["size"] = _size_reason(shape, images)

    budget = minutes * 60 * _MULTIPLY_ADDS_PER_SECOND
    wanted = _epochs(images) if epochs is None else epochs
    chosen_width, reasons["network"] = _width(shape, classes, images, wanted, budget, width)
    layers = tuple(resnet(classes, shape, chosen_width))
    settings["width"] = chosen_width
    per_epoch = _PASSES * images * _multiply_adds(layers, shape)
    settings["epochs"], reasons["epochs"] = _planned_epochs(
        images, wanted, per_epoch, budget, minutes, given=epochs is not None
    )
    settings["batch_size"] = _batch_size(images)
    reasons["batch size"] = (
        f"{settings['batch_size']}: {math.ceil(images / settings['batch_size']):,} steps per epoch"
    )
    settings["learning_rate"] = LEARNING_RATE
    reasons["optimizer"] = (
        f"Adam, whose one-cycle rate rises to {LEARNING_RATE:g} and falls to almost nothing"
    )
    settings["augment"] = "light"
    settings["horizontal_flip"] = shape[2] == 3
    reasons["augmentation"] = "light: small moves, turns, changes of size and brightness; " + (
        "mirrored left to right, as colour pictures may be"
        if settings["horizontal_flip"]
        else "not mirrored: gray pictures may be letters or digits (--horizontal-flip if not)"
    )
    settings["class_weight"], reasons["class weights"] = _class_weight(train.counts)
    settings["early_stopping"] = max(10, settings["epochs"] // 2) if validated else None
    reasons["early stopping"] = (
        f"after {settings['early_stopping']} epochs without a lower validation loss; the best "
        "epoch is kept"
        if validated
        else "none: there are no validation images"
    )
    return Recipe(
        layers,
        settings,
        reasons,
        per_epoch * settings["epochs"],
        _notes(train.counts),
    )


def _size_reason(shape: Shape, images: int) -> str:
    height, width, channels = shape
    color = "colour" if channels == 3 else "gray"
    return f"{images:,} images of {height}x{width}, {color}"


def _epochs(images: int) -> int:
    """More for fewer images: 120 at 60, 35 at 4,000, 15 at 60,000."""
    return max(12, min(150, round(120 * math.pow(60 / images, 0.3))))


def _width(
    shape: Shape, classes: int, images: int, epochs: int, budget: float, given: int | None
) -> tuple[int, str]:
    if given is not None:
        return given, f"resnet of width {given}, as asked for"

    def fits(width: int) -> bool:
        layers = resnet(classes, shape, width)
        return _PASSES * images * epochs * _multiply_adds(layers, shape) <= budget

    if images >= _WIDE_FROM and fits(2 * WIDTH):
        return 2 * WIDTH, f"resnet of width {2 * WIDTH}: there are many images, and time allows it"
    return WIDTH, f"resnet of width {WIDTH}: a small residual network, with batch normalization"


def _planned_epochs(
    images: int, wanted: int, per_epoch: float, budget: float, minutes: float, given: bool
) -> tuple[int, str]:
    if given:
        return wanted, f"{wanted}, as asked for"
    affordable = max(1, int(budget / per_epoch))
    if affordable >= wanted:
        return wanted, f"{wanted}, as suits {images:,} images"
    return affordable, (
        f"{affordable} of the {wanted} that would suit {images:,} images, for the budget of "
        f"{minutes:g} minutes (--max-minutes)"
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
        return (
            "balanced",
            f"balanced: the largest class has {ratio:.3g} times the smallest's images",
        )
    return "none", "none: the classes are of similar size"


def _notes(counts: Mapping[str, int]) -> tuple[str, ...]:
    smallest = min(counts, key=lambda name: counts[name])
    if counts[smallest] >= _LITTLE_DATA:
        return ()
    return (
        f"little data: class {smallest!r} has {counts[smallest]} training images. Expect the "
        "accuracy to vary by several points with the seed; more images help most, or the features "
        "of a network that was trained on many (--features)",
    )


def _multiply_adds(layers: Any, shape: Shape) -> float:
    """Of the forward pass of one image."""
    from nncore import _core

    network, given = _core.Network(shape), shape
    for number, layer in enumerate(layers):
        layer.add_to(network, str(number), given)
        given = layer.output_shape(given)
    return float(network.multiply_adds)


def _measured_rate() -> float:
    """Multiply-adds per second that a training step may reach here."""
    from nncore import info
    from nncore.kernels import matmul

    side, products = 256, 2 * int(info()["threads"])
    a = np.ones((products, side, side), np.float32)
    best = math.inf
    for _ in range(5):
        started = time.perf_counter()
        matmul(a, a)
        best = min(best, time.perf_counter() - started)
    return _SHARE_OF_PRODUCT * products * side**3 / best
