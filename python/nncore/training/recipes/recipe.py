"""What a recipe is, and what all recipes have in common.

Choices depend on the images alone, never on how fast a machine is, so that the same command gives
the same bits everywhere. Time is planned in operations; `Recipe.seconds` says what they mean here.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nncore.layers import Layer, Shape
from nncore.losses import SOFTMAX_LOSSES
from nncore.training.settings import TrainingSettings

MINUTES = 5.0
"""The time budget where none is given."""
MULTIPLY_ADDS_PER_SECOND = 75e9
"""The budget counts multiply-adds of whole training steps at this rate, about what two cores of
2020 do."""
PASSES = 3
"""Of a training step: forward, input gradient and weight gradient are a third each."""
MANY = 20_000
"""So many images are enough to learn seeing from."""
ASKED = "as asked for"
"""The reason of what was not chosen."""

# How much of the rate of a large matrix product a training step reaches.
_SHARE_OF_PRODUCT = 0.55
_MEASURING_SECONDS = 0.05
_UNBALANCED = 4.0  # the most frequent class against the rarest


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
    share_of_product : float
        How much of the rate of a large matrix product this training is expected to reach.
    """

    layers: tuple[Layer, ...]
    settings: Mapping[str, Any]
    reasons: Mapping[str, str]
    multiply_adds: float
    notes: tuple[str, ...] = ()
    short_of_time: bool = False
    short_of_images: bool = False
    share_of_product: float = _SHARE_OF_PRODUCT

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

        if asked.optimizer not in (None, self.settings["optimizer"]):
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
        return self.multiply_adds / (self.share_of_product * _measured_rate())


class Choices:
    """Settings and reasons, in the order in which they are chosen."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}

    def __call__(self, name: str, value: Any, reason: str) -> None:
        self.settings[name], self.reasons[name] = value, reason


def batch_size_of(images: int) -> int:
    """At least some steps per epoch; large batches only where steps are many."""
    for size, enough in ((64, 2000), (32, 500), (16, 150)):
        if images >= enough:
            return size
    return 8


def class_weight_of(counts: Mapping[str, int]) -> tuple[str, str]:
    """ "balanced" or "none", and why, by the images of each class."""
    present = [count for count in counts.values() if count]
    ratio = max(present) / min(present)
    if ratio >= _UNBALANCED:
        return "balanced", f"the largest class has {ratio:.3g} times the images of the smallest"
    return "none", f"no class has {_UNBALANCED:g} times the images of another"


def little_data(counts: Mapping[str, int], enough: int, helps: str = "") -> tuple[str, ...]:
    """The note on a class with fewer than `enough` images; `helps` is what else than more helps."""
    smallest = min(counts, key=lambda name: counts[name])
    if counts[smallest] >= enough:
        return ()
    images = "1 training image" if counts[smallest] == 1 else f"{counts[smallest]} training images"
    return (
        f"little data: class {smallest!r} has {images}. Expect the accuracy to vary by several "
        f"points with the seed; more images help most{helps}",
    )


def multiply_adds_of(layers: Sequence[Layer], shape: Shape) -> float:
    """Of the forward pass of one image."""
    from nncore import _core

    builder, given = _core.Builder(shape), shape
    for number, layer in enumerate(layers):
        layer.add_to(builder, str(number), given)
        given = layer.output_shape(given)
    return float(builder.multiply_adds)


def _measured_rate() -> float:
    """Multiply-adds per second of a large matrix product here.

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
    return threads * side**3 / best
