"""A head that is trained once more, on the validation images as well.

N images, F features.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nncore.training.interrupt import end_if_interrupted
from nncore.training.model import Sequential

if TYPE_CHECKING:
    from nncore.data.dataset import ImageDataset
    from nncore.training.settings import TrainingSettings


def refit_head(
    model: Sequential,
    train: ImageDataset,
    validation: ImageDataset,
    settings: TrainingSettings,
    *,
    seed: int = 0,
) -> bool:
    """Train the last layer of `model` anew on all these images, with what was chosen by them.

    Few images are better used twice: those for validation have chosen the epoch and have told how
    good the model is; now it learns from them. Whoever measures it on them again fools himself.

    Parameters
    ----------
    model
        With fixed layers and a trained head, as `fit_transfer` leaves it.
    train, validation
        The data sets of that training.
    settings, seed
        Those of that training.

    Returns
    -------
    bool
        Whether it was done: not where the layers below are trained, too.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C; a `SignalStop` after another signal. The model is as it was.
    """
    parts = [model.through_fixed_layers(part) for part in (train, validation)]
    if not all(part.extracted for part in parts):
        return False
    rows = np.concatenate([np.asarray(part.images).reshape(len(part), -1) for part in parts])
    labels = np.concatenate([np.asarray(part.targets) for part in parts])
    view = model.layers[-1]
    head = Sequential([view.description])
    arguments = settings.fit_arguments(model.default_optimizer, len(rows))
    arguments |= {"callbacks": [], "augmentation": None, "restore_best_weights": False}
    head.fit(rows, labels, loss=settings.loss, seed=seed, verbose=0, **arguments)
    end_if_interrupted(head)
    # What was found for the head before holds about for this one, too, which has learned from the
    # same images and some more; where `calibrate_out_of_fold` found it, it is meant for this one.
    head.take_calibration(model)
    model.set_parameters(
        {f"{view.name}/{short}": getattr(head.layers[0], short) for short in view.parameter_names}
    )
    model.take_calibration(head)
    if model.facts is not None:
        model.facts = dataclasses.replace(model.facts, images=len(rows))
    return True
