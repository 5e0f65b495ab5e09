"""K-fold cross-validation: what is said of each image by a network that has not learned from it.

Small pictures are learned from scratch, by a small network with a fifth of the epochs that `nncore
train` would take: enough to know what a class looks like, and too few to learn wrong labels by
heart. On a backbone its features are computed once, and only the last layer is trained in each
fold. N images, K classes, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nncore.auditing.held_out import HeldOut
from nncore.auditing.outliers import MOST_REFERENCES, unlikeness
from nncore.data.normalization import with_normalization
from nncore.layers import Dense
from nncore.layers.presets import WIDTH
from nncore.regularizers import L2
from nncore.training.callbacks import LambdaCallback
from nncore.training.interrupt import end_if_interrupted
from nncore.training.model import Sequential
from nncore.training.recipes.from_scratch import recipe
from nncore.training.recipes.transfer import transfer_recipe
from nncore.training.settings import TrainingSettings
from nncore.training.transfer import choose_penalty

if TYPE_CHECKING:
    from nncore.data.dataset import ImageDataset

F32 = NDArray[np.float32]
Numbers = NDArray[np.int64]
Progress = Callable[[int, int], object]

_MINUTES = 3.0  # of a fold, for all of the epochs of which a fifth is done; see `recipe`
_PART_OF_EPOCHS, _FEWEST_EPOCHS = 5, 8
_AT_ONCE = 1024  # images whose probabilities are in memory


@dataclass(frozen=True)
class OutOfSample:
    """Probabilities out of sample; how unlike all others each image is, float32 (N,) (see
    `outliers`); and how the networks were trained."""

    held_out: HeldOut
    unlike: F32
    settings: dict[str, Any]


@dataclass(frozen=True)
class Fold:
    """The `number`-th of `count` folds: images to learn from, and the rest, to be judged, as
    numbers of images."""

    number: int
    count: int
    train: Numbers
    rest: Numbers


def from_scratch(
    data: ImageDataset, fold: Numbers, seed: int, progress: Progress | None = None
) -> OutOfSample:
    """Train a small network in each fold; `fold` (N,) has the number of that of each image.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C; a `SignalStop` after another signal.
    """
    held_out = HeldOut.empty(data.labels, len(data.classes))
    unlike, settings = np.ones(len(data), np.float32), {}
    for part in _folds(fold):
        train = with_normalization(data.subset(part.train))
        rest = data.subset(part.rest)
        planned = recipe(train, validated=False, minutes=_MINUTES, width=WIDTH, stem_pool=True)
        epochs = max(_FEWEST_EPOCHS, planned.settings["epochs"] // _PART_OF_EPOCHS)
        chosen = recipe(train, validated=False, width=WIDTH, stem_pool=True, epochs=epochs)
        model = Sequential(chosen.layers, "resnet")
        model.build(data.preprocessing.input_shape, seed)
        settings = dict(chosen.settings)
        _fit(model, train, None, TrainingSettings(**settings), seed, part, progress)
        _judge(held_out, part, model, rest.images)
        # From here on what stands before the last layer counts.
        model.train_from(model.layers[-1].name)
        near = train.subset(np.arange(0, len(train), -(-len(train) // MOST_REFERENCES)))
        unlike[part.rest] = unlikeness(_features(model, rest), _features(model, near))
    return OutOfSample(held_out, unlike, {"network": "resnet", **settings})


def on_backbone(
    data: ImageDataset,
    model: Sequential,
    fold: Numbers,
    seed: int,
    progress: Progress | None = None,
) -> OutOfSample:
    """Train a last layer on the features of a pretrained network in each fold; `model` is what
    `nncore.backbone` gives.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C; a `SignalStop` after another signal.
    """
    rows = _features(model, data)
    settings = TrainingSettings(**transfer_recipe(model, data, validated=False).settings)
    penalty = choose_penalty(model, data, settings, seed=seed, verbose=0)
    held_out = HeldOut.empty(data.labels, len(data.classes))
    unlike = np.ones(len(data), np.float32)
    for part in _folds(fold):
        head = Sequential([Dense(len(data.classes), kernel_regularizer=L2(penalty))])
        _fit(head, rows[part.train], data.labels[part.train], settings, seed, part, progress)
        _judge(held_out, part, head, rows[part.rest])
        unlike[part.rest] = unlikeness(rows[part.rest], rows[part.train])
    told = {"network": model.name, "epochs": settings.epochs, "head_penalty": penalty}
    return OutOfSample(held_out, unlike, told)


def _folds(fold: Numbers) -> Iterator[Fold]:
    """One after the other; those without images are left out."""
    numbers = np.unique(fold).tolist()
    for place, number in enumerate(numbers):
        chosen = fold == number
        yield Fold(place, len(numbers), np.flatnonzero(~chosen), np.flatnonzero(chosen))


def _fit(
    model: Sequential,
    x: Any,
    y: Any,
    settings: TrainingSettings,
    seed: int,
    part: Fold,
    progress: Progress | None,
) -> None:
    arguments = settings.fit_arguments(model.default_optimizer, len(x))
    epochs = arguments["epochs"]

    def each_epoch(epoch: int, logs: object) -> None:
        if progress is not None:
            progress(part.number * epochs + epoch, part.count * epochs)

    arguments |= {"callbacks": [LambdaCallback(each_epoch)], "restore_best_weights": False}
    model.fit(x, y, seed=seed, verbose=0, **arguments)
    end_if_interrupted(model)  # the answers of part of the folds are worth nothing


def _judge(held_out: HeldOut, part: Fold, model: Sequential, rest: Any) -> None:
    """What the network of a fold says of the images that it has not seen, block by block."""
    labels = held_out.labels
    held_out.judged[part.rest] = np.isin(labels[part.rest], labels[part.train])
    for start in range(0, len(part.rest), _AT_ONCE):
        block = slice(start, start + _AT_ONCE)
        held_out.put(part.rest[block], model.predict_proba(np.asarray(rest[block])))


def _features(model: Sequential, data: ImageDataset) -> F32:
    """What the fixed layers of a model make of images: float32 (N, F)."""
    found = model.through_fixed_layers(data)
    return np.asarray(found.images, np.float32).reshape(len(data), -1)
