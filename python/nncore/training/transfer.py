"""Training on top of a pretrained network in two steps: the head alone, then the layers below it.

The second step begins with what the first one found, at a lower rate, and what it makes is kept
only if more validation images are right then, or as many at a lower loss. N images, F features,
K classes.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nncore.distributed import world
from nncore.layers import Dense
from nncore.losses import SOFTMAX_LOSSES, check_loss
from nncore.optimizers import Adam
from nncore.regularizers import L2
from nncore.schedules import Later, OneCycle
from nncore.training.answers.evaluation import right_answers
from nncore.training.callbacks import Callback
from nncore.training.callbacks.callback_list import listed_callbacks
from nncore.training.callbacks.time_limit import TimeLimit
from nncore.training.history import History
from nncore.training.images.labelled import LabelledArrays
from nncore.training.model import Sequential
from nncore.training.recipes.recipe import Recipe
from nncore.training.recipes.transfer import FINE_TUNE_RATE, transfer_recipe
from nncore.training.resume import fit_rest
from nncore.training.settings import TrainingSettings

if TYPE_CHECKING:
    from nncore.data.dataset import ImageDataset

F32 = NDArray[np.float32]

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
"""L2 penalties of the head, of which cross-validation chooses."""
DEFAULT_PENALTY = 1e-3
_SMOOTHING = 0.1
_FOLDS = 5
# With so many images one fold is as good as five.
_ENOUGH_FOR_ONE = 2000


def fit_transfer(
    model: Sequential,
    train: ImageDataset,
    settings: Recipe | TrainingSettings | None = None,
    *,
    validation_data: ImageDataset | None = None,
    seed: int = 0,
    verbose: int | str = 1,
    callbacks: Sequence[Callback] | Callback = (),
    tell: Callable[[str], None] = lambda text: None,
    history: History | None = None,
) -> History:
    """Train the head of `model`, then its upper layers, as `settings` say.

    Parameters
    ----------
    model
        Built, with classes and preprocessing; all layers but the last are fixed at first, such as
        `nncore.backbone` gives it.
    train, validation_data
        Data sets. Without validation the second step is left out.
    settings
        A recipe, by default that of `transfer_recipe`, or settings of one's own. Where
        `head_penalty` is None, cross-validation on the training images chooses one of `PENALTIES`.
    seed, verbose, callbacks
        As of `Sequential.fit`, which is called once for each step.
    tell
        Is told in words what was chosen.
    history
        That of a `model` from `nncore.load_checkpoint`: go on with its training, in whichever step
        it was stopped.

    Returns
    -------
    History
        Of both steps, one behind the other. The model has the weights of its best epoch: the one
        with the most right validation images, of equal ones the one with the lowest loss.

    Raises
    ------
    DataError, ValueError, TypeError, NonFiniteLossError
        As of `Sequential.fit`.

    Examples
    --------
    >>> model = nn.backbone("efficientnet-lite0", classes=3)             # doctest: +SKIP
    >>> history = nn.fit_transfer(model, train, validation_data=val)     # doctest: +SKIP
    """
    if settings is None:
        settings = transfer_recipe(model, train, validated=validation_data is not None)
    if isinstance(settings, Recipe):
        settings = TrainingSettings(**settings.settings)
    callbacks = listed_callbacks(callbacks)
    started = time.monotonic()
    common: dict[str, Any] = {"validation_data": validation_data, "seed": seed, "verbose": verbose}
    arguments = settings.fit_arguments(model.default_optimizer, len(train))
    arguments |= {"augmentation": None, "callbacks": [*arguments["callbacks"], *callbacks]}
    if history is None:
        penalty = settings.head_penalty
        if penalty is None:
            penalty = choose_penalty(model, train, settings, seed=seed, verbose=verbose)
            tell(f"penalty of the head: {penalty:g}, by cross-validation (--head-penalty)")
        model.change_layer(model.layers[-1].name, kernel_regularizer=L2(penalty))
        iterations = math.ceil(len(train) / arguments["batch_size"])
        history = History(settings.loss, iterations, by_accuracy=True)
        model._position.stage, model.stop_training = None, False
    if model._position.stage is None:
        fit_rest(model, train, history, loss=settings.loss, **common, **arguments)
    left = None
    if settings.max_minutes is not None:
        left = settings.max_minutes - (time.monotonic() - started) / 60
    if not settings.fine_tune or validation_data is None or model.interrupted:
        return history
    # By one clock, where several processes train.
    if world().from_first(left is not None and left <= 0):
        tell("fine-tuning is left out: the time is up (--max-minutes)")
        return history
    rest = [] if left is None else [TimeLimit(left)]
    return _fine_tune(model, train, settings, common | {"callbacks": [*rest, *callbacks]})


def _fine_tune(
    model: Sequential, train: ImageDataset, settings: TrainingSettings, common: dict[str, Any]
) -> History:
    """The second step; the model has the weights of the better one in the end."""
    history = model.history
    assert history is not None
    names = [view.name for view in model.layers]
    if model._position.stage is None:
        head = model.get_weights()
        model.train_from(settings.fine_tune_from or names[0])
        model._position.stage = len(history), len(history.iteration_loss)
        # To be returned to, if nothing better comes.
        model.best_weights, model.stop_training = head, False
    head_epochs, steps = model._position.stage
    # From a low rate upwards: Adam's first steps are as long as the rate allows, and would undo
    # what the layers have learned.
    rate = OneCycle(settings.fine_tune_rate or FINE_TUNE_RATE)
    arguments = settings.fit_arguments(model.default_optimizer, len(train))
    arguments |= {"epochs": settings.fine_tune, "optimizer": Adam(Later(rate, steps))}
    if settings.label_smoothing is None and settings.loss in SOFTMAX_LOSSES:
        # What could learn the images by heart becomes too sure; then even the better one of two
        # networks has the higher loss.
        arguments["label_smoothing"] = _SMOOTHING
    fit_rest(model, train, history, first=head_epochs, loss=settings.loss, **arguments | common)
    if history.best_epoch() <= head_epochs:
        model.train_from(names[-1])
    return history


def choose_penalty(
    model: Sequential,
    train: ImageDataset,
    settings: TrainingSettings,
    *,
    seed: int = 0,
    verbose: int | str = 1,
) -> float:
    """The one of `PENALTIES` whose heads are most often right on images they were not trained on.

    Where several are, the one with the lowest loss. By cross-validation in stratified folds of what
    the fixed layers make of the training images; `DEFAULT_PENALTY` where that is not at hand.
    """
    data = model.through_fixed_layers(train, verbose=verbose)
    if not data.extracted:
        return DEFAULT_PENALTY
    rows = np.asarray(data.images).reshape(len(data), -1)
    labels = np.asarray(data.targets)
    fold = _folds(labels, seed)
    numbers = range(_FOLDS if len(labels) < _ENOUGH_FOR_ONE else 1)
    parts = [(fold != number, fold == number) for number in numbers]
    parts = [part for part in parts if all(side.any() for side in part)]
    tried = {
        penalty: _held_out(model, rows, labels, parts, penalty, settings, seed)
        for penalty in PENALTIES
    }
    return min(tried, key=lambda penalty: tried[penalty])


def _folds(labels: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Number of the fold of each image, such that each fold has its part of each class."""
    from nncore import _core

    order = np.asarray(_core.shuffled_indices(seed, 0, len(labels)))
    # Class by class, in shuffled order, and dealt out in turn.
    by_class = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[by_class] = np.arange(len(labels)) % _FOLDS
    return fold


def _held_out(
    model: Sequential,
    rows: F32,
    labels: NDArray[Any],
    parts: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    penalty: float,
    settings: TrainingSettings,
    seed: int,
) -> tuple[int, float]:
    """How many held-out images were taken for another class, and the sum of their losses."""
    wrong, losses = 0, []
    layer = dataclasses.replace(_head(model), kernel_regularizer=L2(penalty))
    arguments = settings.fit_arguments(model.default_optimizer, len(labels))
    arguments |= {"callbacks": [], "augmentation": None, "restore_best_weights": False}
    for train, rest in parts:
        head = Sequential([layer])
        head.fit(rows[train], labels[train], loss=settings.loss, seed=seed, verbose=0, **arguments)
        data = LabelledArrays(rows[rest], labels[rest])
        # Without the penalty, which `evaluate` adds.
        right, found = right_answers(head._built_network(), data, check_loss(settings.loss))
        wrong += len(data) - right
        losses += found.tolist()
    return wrong, math.fsum(losses)


def _head(model: Sequential) -> Dense:
    """The last layer; ValueError where that is no Dense layer."""
    view = model.layers[-1]
    if not isinstance(view.description, Dense):
        raise ValueError(f"the last layer must be a Dense layer, not {view.name!r}")
    return view.description
