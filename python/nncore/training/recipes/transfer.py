"""How to train on top of a pretrained network: its head first, then its upper layers.

What was measured for these choices is in docs/transfer.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nncore.arguments import check_int, check_number
from nncore.training.images.fixed_layers import MOST_KEPT
from nncore.training.recipes.recipe import (
    ASKED,
    MANY,
    MINUTES,
    PASSES,
    Choices,
    Recipe,
    batch_size_of,
    class_weight_of,
    little_data,
    multiply_adds_of,
)

if TYPE_CHECKING:
    from nncore.data import ImageDataset
    from nncore.training.model import Sequential

PHOTO_SIDE = 64
"""From this median of their shorter sides on, in pixels, pictures may be photos."""

EPOCHS, OPTIMIZER, SCHEDULE, LEARNING_RATE = 60, "adam", "cosine", 0.003
FINE_TUNE_EPOCHS, FINE_TUNE_RATE = 6, 3e-4

# Multiply-adds of fine-tuning for each minute of the time budget.
_FINE_TUNING_PER_MINUTE = 7e11
# Small convolutions of few channels reach less of the rate of a large matrix product.
_SHARE_OF_PRODUCT = 0.25
ENOUGH_TO_FINE_TUNE, ENOUGH_OF_A_CLASS = 600, 20
"""With fewer training images, in all and on average of each class, upper layers learn them by
heart as soon as they may."""
_LITTLE_DATA = 10  # images of a class


def best_fit(transparent: float) -> str:
    """How pictures of another aspect ratio are best shown, by the part that has transparency.

    Photos are cropped, as they were when the network was pretrained. What was cut out of photos
    reaches to the edges, and nothing of it may be lost.
    """
    return "stretch" if transparent >= 0.5 else "crop"


def suits_a_backbone(images: int, side: int) -> bool:
    """Whether so many pictures, whose shorter sides have this median, ask for a network that knows
    photos already."""
    return side >= PHOTO_SIDE and images < MANY


def transfer_recipe(
    model: Sequential,
    train: ImageDataset,
    *,
    validated: bool = True,
    minutes: float = MINUTES,
    epochs: int | None = None,
    fine_tune: int | None = None,
    fine_tune_from: str | None = None,
) -> Recipe:
    """Choose how to train a model on a pretrained network, such as `nncore.backbone` gives.

    Parameters
    ----------
    model
        Built; its last layer is new, those before are pretrained.
    train
        The training part alone.
    validated
        Whether there will be validation images; only then more than the head is trained, since
        nobody could tell whether that is better.
    minutes
        Time budget, at the rate of two cores of 2020.
    epochs, fine_tune
        Of the head, and of what comes after; by default chosen too.
    fine_tune_from
        Name of the lowest layer that is trained then; by default chosen too.

    Returns
    -------
    Recipe
        For `fit_transfer`. Its settings are those of `TrainingSettings`: epochs, batch_size,
        optimizer, schedule, learning_rate and class_weight of the head; fine_tune (epochs; 0:
        none), fine_tune_from (the lowest layer) and fine_tune_rate of what comes after.

    Raises
    ------
    TypeError, ValueError
        A number is out of its range, no layer is called so, or there is no image.
    """
    minutes = check_number("minutes", minutes, above=0)
    epochs = None if epochs is None else check_int("epochs", epochs, 1)
    fine_tune = None if fine_tune is None else check_int("fine_tune", fine_tune, 0)
    if len(train) == 0:
        raise ValueError("there is no training image to choose a recipe for")
    network, images = _Layers.of(model), len(train)
    chosen = Choices()
    chosen("epochs", epochs or EPOCHS, ASKED if epochs else "of the head, the last layer")
    chosen("batch_size", batch_size_of(images), "images per step")
    chosen("optimizer", OPTIMIZER, "needs little tuning")
    chosen("schedule", SCHEDULE, "the learning rate falls to nothing")
    chosen("learning_rate", LEARNING_RATE, "of the head")
    chosen("class_weight", *class_weight_of(train.counts))
    budget = minutes * _FINE_TUNING_PER_MINUTE
    step, why = _fine_tuning(
        network, images, len(train.counts), budget, validated, fine_tune, fine_tune_from
    )
    chosen("fine_tune", step.epochs, why[0])
    if step.epochs:
        chosen("fine_tune_from", network.names[step.first], why[1])
        chosen("fine_tune_rate", FINE_TUNE_RATE, "the learning rate of these epochs")
    if validated and not step.epochs:
        few = _too_few(images, len(train.counts))
        why_refit = "the images are few: in the end those of validation, too"
        chosen("refit", few, why_refit if few else "the images are many enough without")
    work = step.epochs * network.epoch_work(step.first, images)
    return Recipe(
        layers=tuple(view.description for view in model.layers),
        settings=chosen.settings,
        reasons=chosen.reasons,
        multiply_adds=images * network.multiply_adds[0] + work,
        notes=little_data(train.counts, _LITTLE_DATA),
        share_of_product=_SHARE_OF_PRODUCT,
    )


def _too_few(images: int, classes: int) -> bool:
    """Whether upper layers would learn so many training images by heart."""
    return images < max(ENOUGH_TO_FINE_TUNE, ENOUGH_OF_A_CLASS * classes)


@dataclass(frozen=True)
class _Layers:
    """The layers of a model below its head: of each the name, whether it has weights, what it takes
    for an image, and the multiply-adds from it to the end."""

    names: tuple[str, ...]
    has_weights: tuple[bool, ...]
    values: tuple[int, ...]
    multiply_adds: tuple[float, ...]

    @classmethod
    def of(cls, model: Sequential) -> _Layers:
        model._built_network()
        views = model.layers[:-1]
        layers, shapes = (
            [view.description for view in views],
            [view.input_shape or () for view in views],
        )
        work = [multiply_adds_of(layers[at:], shape) for at, shape in enumerate(shapes)]
        return cls(
            tuple(view.name for view in views),
            tuple(bool(x.parameter_shapes(s)) for x, s in zip(layers, shapes, strict=True)),
            tuple(map(math.prod, shapes)),
            tuple(work),
        )

    @property
    def places(self) -> list[int]:
        """Numbers of the layers that have weights."""
        return [at for at, trained in enumerate(self.has_weights) if trained]

    def place(self, name: str) -> int:
        """Number of a layer."""
        if name not in self.names:
            raise ValueError(f"no layer is called {name!r}; there are: {', '.join(self.names)}")
        return self.names.index(name)

    def epoch_work(self, first: int, images: int) -> float:
        """Multiply-adds of an epoch that trains the layers from number `first` on."""
        below = self.multiply_adds[0] - self.multiply_adds[first]
        # What the fixed layers give is computed once; if that is too much, in every epoch.
        again = below if images * self.values[first] > MOST_KEPT else 0.0
        return images * (PASSES * self.multiply_adds[first] + again)


@dataclass(frozen=True)
class _Step:
    """Epochs of fine-tuning, and the number of the lowest layer that is trained."""

    epochs: int
    first: int = 0


def _fine_tuning(
    network: _Layers,
    images: int,
    classes: int,
    budget: float,
    validated: bool,
    epochs: int | None,
    lowest: str | None,
) -> tuple[_Step, tuple[str, str]]:
    """The second step, and why it is so long and so deep."""
    if epochs == 0:
        return _Step(0), (ASKED, "")
    if not validated:
        return _Step(0), ("never: there are no validation images to tell what is better", "")
    given, epochs = epochs is not None, epochs or FINE_TUNE_EPOCHS
    long = ASKED if given else "epochs more, in which upper layers are trained; kept if better"
    if lowest is not None:
        return _Step(epochs, network.place(lowest)), (long, ASKED)
    if not given and _too_few(images, classes):
        few = (
            f"never: with fewer than {ENOUGH_TO_FINE_TUNE} images, or than {ENOUGH_OF_A_CLASS} of "
            "each class, the head alone is as good"
        )
        return _Step(0), (few, "")
    for first in network.places:
        if epochs * network.epoch_work(first, images) <= budget:
            return _Step(epochs, first), (long, "as deep as time allows (--max-minutes)")
    if given:
        return _Step(epochs, network.places[-1]), (ASKED, "the highest layer below the head")
    return _Step(0), (f"never: {images:,} images would take too long (--max-minutes)", "")
