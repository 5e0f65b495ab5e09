"""One call of `Sequential.fit`: its settings, and what happens as epochs end."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int, check_number, check_seed
from nncore.losses import SOFTMAX_LOSSES, check_loss
from nncore.optimizers import Optimizer
from nncore.training.callbacks import CallbackList, FitSize, ModelInTraining
from nncore.training.history import History, last_epoch
from nncore.training.images.prepared import Prepared
from nncore.training.loop import TrainingPlan
from nncore.training.position import Position, TrainingFacts

if TYPE_CHECKING:
    from nncore import _core


@dataclass(frozen=True)
class FitSettings:
    """The arguments of `fit` that are neither data nor objects, checked; see `Sequential.fit`."""

    epochs: int
    batch_size: int
    loss: _core.LossName
    seed: int
    label_smoothing: float

    @classmethod
    def checked(
        cls, epochs: int, batch_size: int, loss: str, seed: int, label_smoothing: float
    ) -> FitSettings:
        """Of what people give; ValueError or TypeError that names the argument."""
        epochs = check_int("epochs", epochs, 1)
        batch_size = check_int("batch_size", batch_size, 1)
        name = check_loss(loss)
        seed = check_seed(seed)
        label_smoothing = check_number("label_smoothing", label_smoothing, low=0, below=1)
        if label_smoothing and name not in SOFTMAX_LOSSES:
            raise ValueError(f"label_smoothing is for cross_entropy and focal, not {name}")
        return cls(epochs, batch_size, name, seed, label_smoothing)

    def for_data(self, data: Prepared) -> FitSettings:
        """Where batches come one by one, these decide on the batch size."""
        if data.streamed is None:
            return self
        return dataclasses.replace(self, batch_size=len(data.train))

    def check_history(self, history: History | None) -> None:
        """ValueError where these settings cannot continue `history`."""
        if history is not None and history.loss_name != self.loss:
            raise ValueError(
                f"history is a record of {history.loss_name}, which {self.loss} cannot continue"
            )

    def size(self, data: Prepared, before: int, steps_before: int) -> FitSize:
        """What callbacks are told of a training on these data, and of what was before."""
        size = self.batch_size
        return FitSize(self.epochs, data.iterations(size), data.images, size, before, steps_before)

    def plan(
        self, optimizer: Optimizer, factor: Callable[[], float], data: Prepared, done: int
    ) -> TrainingPlan:
        """What the loop needs; `done` iterations were recorded before, `factor` is asked anew."""
        total = done + self.epochs * data.iterations(self.batch_size)

        def learning_rates(first: int, count: int) -> NDArray[np.float64]:
            rates, scale = optimizer.rates(first, count, total), factor()
            return rates if scale == 1 else rates * scale

        return TrainingPlan(
            self.epochs,
            self.batch_size,
            self.loss,
            optimizer.for_core(),
            learning_rates,
            self.seed,
            None if data.augmentation is None else data.augmentation.for_core(),
            self.label_smoothing,
        )

    def facts(self, data: Prepared, epochs_done: int, sample_weight: bool) -> TrainingFacts:
        """What the model file tells, before the first epoch of this call."""
        return TrainingFacts(
            epochs_done,
            self.seed,
            data.images,
            self.batch_size,
            {},
            None if data.augmentation is None else data.augmentation.to_dict(),
            data.class_weight,
            sample_weight,
            data.inputs.float_range(),
        )


class _Model(ModelInTraining, Protocol):
    facts: TrainingFacts | None
    best_weights: list[NDArray[np.float32]]


class EpochEnds:
    """What happens between two epochs, and between two blocks of steps.

    Parameters
    ----------
    model
        Its `facts` are kept up to date.
    facts
        As they are before the first epoch.
    position, history
        Those of the loop.
    callbacks
        Called for each block and epoch.
    keep_best
        Whether to remember the weights of `History.best_epoch`, in `model.best_weights`.
    """

    def __init__(
        self,
        model: _Model,
        facts: TrainingFacts,
        position: Position,
        history: History,
        callbacks: CallbackList,
        keep_best: bool,
    ) -> None:
        self.model, self.facts, self.position, self.history = model, facts, position, history
        self.callbacks, self.keep_best = callbacks, keep_best
        if not keep_best:
            model.best_weights = []
        model.facts = facts

    def on_steps_end(self, steps: int, loss: float) -> None:
        """Nobody is asked."""
        self.callbacks.on_steps_end(len(self.history) + 1, steps, loss)

    def on_block_end(self) -> bool:
        """Whether to go on."""
        self.callbacks.on_block_end()
        return not self.model.stop_training

    def on_epoch_end(self) -> bool:
        """Whether to go on."""
        history, logs = self.history, last_epoch(self.history)
        epoch = history.epoch[-1]
        # NaN stands for what was not measured in this epoch, but in others of the same history.
        known = {name: value for name, value in logs.items() if not math.isnan(value)}
        self.model.facts = dataclasses.replace(
            self.facts, epochs=self.position.epoch, metrics=known
        )
        if self.keep_best and history.best_epoch() == epoch:
            self.model.best_weights = self.model.get_weights()
        self.callbacks.on_epoch_end(epoch, logs | {"learning_rate": history.learning_rate[-1]})
        return not self.model.stop_training

    def restore_best(self) -> None:
        """Return to the best weights, if they were to be kept and there are any."""
        if self.model.best_weights:
            self.model.restore_weights(self.model.best_weights)
        self.model.best_weights = []
