"""How a network is trained, in words and numbers, and the arguments of `fit` that they stand for.

People give them as flags, recipes choose them from the data; both end here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from nncore.data.augmentation import Augmentation
from nncore.optimizers import SGD, Optimizer, checked_optimizer
from nncore.schedules import (
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    Schedule,
    StepDecay,
    Warmup,
)
from nncore.training.callbacks.early_stopping import EarlyStopping
from nncore.training.callbacks.time_limit import TimeLimit

if TYPE_CHECKING:
    from nncore.training.callbacks.base import Callback

T = TypeVar("T")

# From the loss and the batch size.
DefaultOptimizer = Callable[[str, int], Optimizer]

SCHEDULES: Mapping[str, Callable[[float], Schedule | float]] = {
    "constant": float,
    "step": StepDecay,
    "exponential": ExponentialDecay,
    "cosine": CosineDecay,
    "one-cycle": OneCycle,
}
# What may be said of an augmentation, beside the preset it starts from.
CHANGES = tuple(field.name for field in dataclasses.fields(Augmentation))


@dataclass(frozen=True)
class TrainingSettings:
    """What may be asked for or chosen; None stands for what nobody has said yet.

    Attributes
    ----------
    width, stem_pool
        Size of a residual network, as of `nncore.layers.presets.resnet`.
    epochs, batch_size, loss, label_smoothing
        As of `Sequential.fit`.
    class_weight
        "balanced" or "none".
    optimizer, schedule
        One of `nncore.optimizers.OPTIMIZERS` and of `SCHEDULES`.
    learning_rate, momentum, weight_decay
        Of the optimizer; the learning rate is the highest of the schedule.
    warmup
        Epochs, or a part of one, in which the learning rate first grows.
    head_penalty
        On a pretrained network the L2 penalty of the head; None: cross-validation chooses.
    fine_tune, fine_tune_from, fine_tune_rate
        On a pretrained network: epochs after the head's in which upper layers are trained, too (0:
        none), the lowest of these layers, and the learning rate.
    refit
        Whether in the end the head is trained once more, on the validation images as well.
    early_stopping
        Epochs without a lower validation loss after which training ends; 0: never.
    max_minutes
        Time after which no epoch is begun.
    augment
        A preset of `Augmentation`. The attributes below, as of `Augmentation`, replace parts of it.
    """

    width: int | None = None
    stem_pool: bool | None = None
    epochs: int | None = None
    batch_size: int | None = None
    loss: str = "cross_entropy"
    optimizer: str | None = None
    learning_rate: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    warmup: float = 0.0
    label_smoothing: float | None = None
    class_weight: str | None = None
    head_penalty: float | None = None
    fine_tune: int | None = None
    fine_tune_from: str | None = None
    fine_tune_rate: float | None = None
    refit: bool | None = None
    early_stopping: int | None = None
    max_minutes: float | None = None
    augment: str | None = None
    shift: float | None = None
    rotation: float | None = None
    scale: float | None = None
    horizontal_flip: bool | None = None
    vertical_flip: bool | None = None
    brightness: float | None = None
    contrast: float | None = None
    crop_padding: int | None = None
    erase: float | None = None
    fill: float | str | None = None

    def filled(self, settings: Mapping[str, Any]) -> TrainingSettings:
        """These, and of `settings` what they leave open."""
        open_ones = {name: v for name, v in settings.items() if getattr(self, name) is None}
        return dataclasses.replace(self, **open_ones)

    def fit_arguments(
        self, default_optimizer: DefaultOptimizer | None = None, images: int | None = None
    ) -> dict[str, Any]:
        """Keyword arguments for `Sequential.fit`; all but the loss.

        Parameters
        ----------
        default_optimizer
            `Sequential.default_optimizer` of the model, whose learning rate SGD has where none is
            set.
        images
            Number of training images, for a warm-up, which is counted in epochs.

        Raises
        ------
        ValueError
            Something is not set that has no default; the message names it.
        """
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "optimizer": self.make_optimizer(default_optimizer, images),
            "label_smoothing": self.label_smoothing or 0.0,
            "augmentation": self.augmentation,
            "class_weight": None if self.class_weight == "none" else self.class_weight,
            "callbacks": self.make_callbacks(),
            "restore_best_weights": True,
        }

    @property
    def augmentation(self) -> Augmentation | None:
        """How training images are changed; None where nothing is."""
        given = {name: getattr(self, name) for name in CHANGES if getattr(self, name) is not None}
        changes = {"fill": "edge"} | given
        result = dataclasses.replace(Augmentation.preset(self.augment or "off"), **changes)
        return None if result.changes_nothing else result

    def make_optimizer(
        self, default_optimizer: DefaultOptimizer | None = None, images: int | None = None
    ) -> Optimizer:
        """The optimizer with its schedule; the arguments are those of `fit_arguments`."""
        settings = {"weight_decay": self.weight_decay, "momentum": self.momentum}
        given: dict[str, Any] = {k: value for k, value in settings.items() if value is not None}
        plainest = checked_optimizer(_known("optimizer", self.optimizer))
        optimizer = dataclasses.replace(plainest, **given)
        rate = self.learning_rate
        if rate is None and isinstance(optimizer, SGD):
            default = _known("learning_rate", default_optimizer)
            plain = default(self.loss, _known("batch_size", self.batch_size)).rate
            # With momentum each gradient counts 1 / (1 - momentum) times in the long run.
            rate = plain * (1 - optimizer.momentum)
        elif rate is None:
            rate = optimizer.rate
        schedule = SCHEDULES[_known("schedule", self.schedule)](rate)
        if self.warmup:
            size = _known("batch_size", self.batch_size)
            steps = math.ceil(_known("the number of images", images) / size)  # of an epoch
            schedule = Warmup(schedule, max(1, math.ceil(self.warmup * steps)))
        return dataclasses.replace(optimizer, learning_rate=schedule)

    def make_callbacks(self) -> list[Callback]:
        """What ends the training early, if anything. `fit` restores the best weights itself."""
        found: list[Callback] = []
        if self.early_stopping:
            found.append(EarlyStopping(patience=self.early_stopping))
        if self.max_minutes is not None:
            found.append(TimeLimit(self.max_minutes))
        return found


def _known(name: str, value: T | None) -> T:
    if value is None:
        raise ValueError(f"{name} is not set; set it, or fill it in from a recipe")
    return value
