"""Calibration where images are few: on all that there are, each answered by a head that has not
learned from it.

On a pretrained network the last layer alone is trained, in moments. So it is trained once more for
each fold of the training and validation images, on the others, just as the one that is kept; what
these heads answer outside of their training stands for what that one will answer to new images. The
layers below have learned from none of them: what is unlike the known images is measured on all.

What follows for sets of classes: their threshold comes from such answers, and is applied to a head
that none of them came from. Of the methods of Barber, Candes, Ramdas and Tibshirani, "Predictive
inference with the jackknife+" (Annals of Statistics, 2021), that is the jackknife, by folds. Its
coverage is the one that is asked for as far as a head changes little when a fold is left out, which
holds for one with a penalty (Bousquet and Elisseeff, "Stability and Generalization", 2002); without
that there is no guarantee, as split conformal prediction on validation images has one. Their CV+ is
at least 1 - 2 (1 - coverage) whatever happens, but keeps a head of each fold.

N images, F features, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nncore.data.labels.folds import stratified_folds
from nncore.layers import Dense
from nncore.training.answers.calibration import FEWEST_IMAGES, Calibration
from nncore.training.answers.novelty import MOST_FEATURES, descriptors_of
from nncore.training.callbacks import LambdaCallback
from nncore.training.interrupt import end_if_interrupted
from nncore.training.model import Sequential
from nncore.training.recipes.recipe import Recipe
from nncore.training.recipes.transfer import transfer_recipe
from nncore.training.settings import TrainingSettings

if TYPE_CHECKING:
    from nncore.data.dataset import ImageDataset

F32 = NDArray[np.float32]

FOLDS = 10
MOST_IMAGES = 2000
"""Of more images than that, those for validation are enough."""


def calibrate_out_of_fold(
    model: Sequential,
    parts: Sequence[ImageDataset],
    settings: Recipe | TrainingSettings | None = None,
    *,
    epochs: int | None = None,
    seed: int = 0,
) -> Calibration | None:
    """Calibrate a head on fixed layers as `Sequential.calibrate` does, by folds of all images.

    For images too few for a validation part that says enough: ten more heads learn nine tenths of
    them each, and answer the rest.

    Parameters
    ----------
    model
        With fixed layers and a trained head, as `fit_transfer` leaves it.
    parts
        The data sets for training and validation.
    settings, seed
        Those of that training; None: the recipe of `transfer_recipe` for the first of `parts`.
    epochs
        After how many of them the head that is kept was as it is, such as
        ``history.best_epoch()``; None: after all.

    Returns
    -------
    Calibration or None
        None where it cannot be done so: the layers below are trained, too, or there are fewer than
        `FEWEST_IMAGES` or more than `MOST_IMAGES`.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C; a `SignalStop` after another signal.

    Examples
    --------
    >>> history = nn.fit_transfer(model, train, validation_data=val)     # doctest: +SKIP
    >>> nn.calibrate_out_of_fold(model, (train, val), epochs=history.best_epoch())  # doctest: +SKIP
    """
    head, images = model.layers[-1].description, sum(map(len, parts))
    if not isinstance(head, Dense) or not FEWEST_IMAGES <= images <= MOST_IMAGES:
        return None
    if settings is None:
        settings = transfer_recipe(model, parts[0], validated=len(parts) > 1)
    if isinstance(settings, Recipe):
        settings = TrainingSettings(**settings.settings)
    through = [model.through_fixed_layers(part) for part in parts]
    if not all(part.extracted for part in through):
        return None
    rows = np.concatenate([np.asarray(part.images).reshape(len(part), -1) for part in through])
    if len(model.layers[-1].kernel) != rows.shape[1]:
        return None  # there is more than the head above the fixed layers
    labels = np.concatenate([np.asarray(part.targets) for part in through])
    keys = [key for part in parts for key in part.kept_together()]
    fold = stratified_folds(keys, labels, FOLDS, seed)
    arguments = settings.fit_arguments(model.default_optimizer, len(rows))
    outputs = np.empty((len(rows), head.units), np.float32)
    judged = np.zeros(len(rows), np.bool_)
    for number in np.unique(fold).tolist():
        rest = fold == number
        if rest.all():
            continue  # all images are one
        one = _trained(head, rows[~rest], labels[~rest], settings.loss, arguments, epochs, seed)
        outputs[rest] = one.forward(rows[rest])
        # Of a class that it has not seen a head knows nothing, but the one that is kept does.
        judged[rest] = np.isin(labels[rest], labels[~rest])
    if judged.sum() < FEWEST_IMAGES:
        return None
    described = descriptors_of(rows[judged]) if rows.shape[1] <= MOST_FEATURES else None
    return model.calibrate_by(outputs[judged], labels[judged], described, folds=FOLDS)


def _trained(
    head: Dense,
    rows: F32,
    labels: NDArray[Any],
    loss: str,
    arguments: dict[str, Any],
    epochs: int | None,
    seed: int,
) -> Sequential:
    """A head that has learned from these rows, for so many of its epochs."""
    one = Sequential([head])

    def stop(epoch: int, logs: object) -> None:
        one.stop_training = epoch == epochs

    # The schedule of the learning rate goes to the end of all epochs, whenever training ends.
    arguments = arguments | {
        "callbacks": [LambdaCallback(stop)],
        "augmentation": None,
        "restore_best_weights": False,
    }
    one.fit(rows, labels, loss=loss, seed=seed, verbose=0, **arguments)
    end_if_interrupted(one)
    return one
