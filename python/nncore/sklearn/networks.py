"""What `ImageClassifier(model=...)` stands for: layers, and how they are trained by default."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.layers import Dense, Flatten, Layer, Rescaling
from nncore.layers.presets import BY_NAME
from nncore.sklearn.samples import Samples
from nncore.training.model import Sequential
from nncore.training.recipes.from_scratch import recipe_of
from nncore.training.recipes.recipe import batch_size_of
from nncore.training.settings import TrainingSettings

NAMES = ("auto", *BY_NAME, "resnet")
FOR_ROWS = ("auto", "linear", "mlp")
# Of rows of numbers: one hidden layer of as many units as scikit-learn's own MLPClassifier has.
_HIDDEN = 100
_MOST_EPOCHS = 200
# Larger floats are divided by their largest: networks learn best from about -1 to 1.
_LARGE = 10.0
_SMALLEST_SIDE = 4


@dataclass(frozen=True)
class Plan:
    """A model that is not trained yet, and how to train it.

    `open_end`: the number of epochs is a limit, which a training seldom needs.
    """

    model: Sequential
    settings: TrainingSettings
    open_end: bool


def plan_for(
    model: object, samples: Samples, classes: int, asked: TrainingSettings, validated: bool
) -> Plan:
    """The network that `model` stands for, with what is asked for of its training.

    Parameters
    ----------
    model
        As of `ImageClassifier`.
    samples
        What it will learn from, images (M, features) or (M, H, W, C).
    classes
        How many there are.
    asked
        Whatever is left open is decided here.
    validated
        Whether there are validation samples, too.

    Raises
    ------
    ValueError
        An unknown name, or one of a network of images for rows of numbers.
    TypeError
        Neither a name nor layers.
    """
    images, shape = samples.images, samples.images.shape[1:]
    if not isinstance(model, str):
        own = copy.deepcopy(model) if isinstance(model, Sequential) else Sequential(_layers(model))
        return Plan(own, asked.filled(steady(len(samples))), asked.epochs is None)
    if model not in NAMES:
        raise ValueError(f"model is {model!r}; known: {', '.join(NAMES)}, or give layers")
    is_picture = len(shape) == 3
    if not is_picture and model not in FOR_ROWS:
        raise ValueError(
            f"model={model!r} is for images, and X has rows of {shape[0]} numbers: say with "
            "image_shape=(height, width) or (height, width, channels) what a row is, or choose "
            "'mlp' or 'linear'"
        )
    if model == "auto" and (not is_picture or min(shape[:2]) < _SMALLEST_SIDE):
        layers = [Flatten(), Dense(_HIDDEN, activation="relu"), Dense(classes)]
    elif model in BY_NAME:
        layers = BY_NAME[model](classes)
    else:
        return _by_recipe(samples, classes, asked, validated)
    return Plan(
        Sequential([*_scaling(images), *layers], model),
        asked.filled(steady(len(samples))),
        asked.epochs is None,
    )


def steady(samples: int) -> dict[str, Any]:
    """Adam as it comes, which suits most networks, for as long as the loss falls."""
    return {
        "epochs": _MOST_EPOCHS,
        "batch_size": batch_size_of(samples),
        "optimizer": "adam",
        "schedule": "constant",
        "augment": "off",
    }


def _by_recipe(samples: Samples, classes: int, asked: TrainingSettings, validated: bool) -> Plan:
    shape = samples.images.shape[1:]
    counts = np.bincount(samples.labels, minlength=classes).tolist()
    recipe = recipe_of(
        len(samples),
        shape,
        {str(number): count for number, count in enumerate(counts)},
        validated=validated,
        epochs=asked.epochs,
    )
    # Weights of classes are the estimator's own parameter, and off where nobody sets it.
    settings = dataclasses.replace(asked.filled(recipe.adapted(asked).settings), class_weight=None)
    layers = [*_scaling(samples.images), *recipe.layers]
    return Plan(Sequential(layers, "resnet"), settings, False)


def _scaling(images: NDArray[Any]) -> list[Layer]:
    """In the model, so that whoever has its file needs to know nothing of it."""
    if images.dtype == np.uint8:
        return []
    largest = max(float(images.max()), -float(images.min()))
    return [Rescaling(1 / largest)] if largest > _LARGE else []


def _layers(model: object) -> Sequence[Layer]:
    if isinstance(model, (list, tuple)) and model and all(isinstance(m, Layer) for m in model):
        return model
    raise TypeError(
        f"model must be a name ({', '.join(NAMES)}), a list of layers or a Sequential, "
        f"not {model!r}"
    )
