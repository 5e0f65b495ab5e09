"""Hooks into `fit`, called between epochs and between blocks of steps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.data.labels.class_map import ClassMap
from nncore.training.history import History

Logs = Mapping[str, float]


@dataclass(frozen=True)
class FitSize:
    """How much one call of `fit` is to do.

    Attributes
    ----------
    epochs, steps
        Epochs of this call, and steps in each.
    images, batch_size
        Training images, and how many a step takes (the last one of an epoch may take fewer).
    before
        Epochs of the same history that were trained before.
    steps_before
        Steps of the first of its epochs that were trained before.
    """

    epochs: int
    steps: int
    images: int
    batch_size: int
    before: int = 0
    steps_before: int = 0

    def images_after(self, steps: int) -> int:
        """How many images of an epoch its first `steps` steps take."""
        return min(steps * self.batch_size, self.images)


class ModelInTraining(Protocol):
    """What a callback may touch of the model that is being trained.

    Attributes
    ----------
    history
        The record of this training, which grows with each epoch.
    classes
        Class names in the order of the outputs.
    stop_training
        Set it to end `fit` after the epoch (or, in `on_block_end`, after the block of steps).
    interrupted
        Whether `fit` was ended by Ctrl-C or `interrupt`; known in `on_train_end`.
    learning_rate_factor
        Multiplies the optimizer's learning rate.
    """

    history: History | None
    classes: ClassMap | None
    stop_training: bool
    interrupted: bool
    learning_rate_factor: float

    def interrupt(self) -> None:
        """End `fit` as Ctrl-C does, after the steps in progress; from any thread."""

    def predict_proba(self, x: Any) -> NDArray[np.float32]:
        """Probabilities of the classes with the weights as they are; see
        `Sequential.predict_proba`."""

    def get_parameters(self) -> dict[str, NDArray[np.float32]]:
        """Copies of all parameters by name."""

    def get_weights(self) -> list[NDArray[np.float32]]:
        """Copies of all parameters."""

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all parameters; see `Sequential.set_weights`."""

    def restore_weights(self, weights: Sequence[ArrayLike]) -> None:
        """`set_weights`, and forget the epoch in progress, which they do not belong to."""

    def save(self, path: str | os.PathLike[str], include_optimizer: bool = True) -> None:
        """Write the model file; see `Sequential.save`."""

    def to_bytes(self, *, with_state: bool = False, include_optimizer: bool = False) -> bytes:
        """The content of a model file; `with_state` adds what resuming needs."""


class Callback:
    """Base of the callbacks: override what is needed, pass instances to `fit(callbacks=...)`.

    `self.model` is the model in training, set before `on_train_begin`; `ModelInTraining` lists what
    a callback may do with it, such as ending training after the epoch with
    `self.model.stop_training = True`. An exception that a callback raises ends `fit`.

    Where several processes train one model, each calls its own callbacks, and training ends in all
    of them when one of these asks for it. `for_first_process = True` in a class is for callbacks
    that write files or show something, which only the first process calls.
    """

    model: ModelInTraining
    # Whether it only writes or shows: of several processes the first one alone calls it then.
    for_first_process: bool = False

    def set_model(self, model: ModelInTraining) -> None:
        """Called once by `fit`, first of all."""
        self.model = model

    def check_before_training(self, log_names: Sequence[str]) -> None:
        """Called by `fit` before any work: raise what is known to be wrong.

        `log_names` are those of the logs that `on_epoch_end` will get.
        """

    def set_size(self, size: FitSize) -> None:
        """Called once by `fit`, after `set_model`."""

    def on_train_begin(self) -> None:
        """Called before the first epoch of a call of `fit`."""

    def on_block_end(self) -> None:
        """Called within an epoch about every twentieth of a second, between two training steps.

        When it sets `self.model.stop_training`, training ends there as it does after Ctrl-C: the
        epoch in progress does not count, and a further `fit` can take it up.
        """

    def on_steps_end(self, epoch: int, steps: int, loss: float) -> None:
        """Called after every block of steps, that which ends an epoch included: for those who only
        look on. The rest of the epoch (validation) is still to come then.

        Parameters
        ----------
        epoch
            Its number in the history, from 1.
        steps
            How many of its steps are done.
        loss
            Mean per image so far in this epoch.
        """

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Called after each finished epoch.

        Parameters
        ----------
        epoch
            Its number in the history, from 1.
        logs
            loss, accuracy, with validation data val_loss and val_accuracy, and learning_rate (of
            the epoch's last step).
        """

    def on_train_end(self) -> None:
        """Called when training ends: after the last epoch, or after Ctrl-C."""

    def on_train_error(self, error: BaseException) -> None:
        """Called instead of `on_train_end` when an error ends training, before it is raised.

        After a loss that is not finite the weights may be useless.
        """
