"""`--model`: the networks by name, and how each is trained where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nncore.layers.presets import HIDDEN, cnn, lenet, linear, mlp, resnet

if TYPE_CHECKING:
    from nncore.data import ImageDataset
    from nncore.layers import Layer, Shape
    from nncore.training.recipes import Recipe
    from nncore.training.settings import TrainingSettings

MODELS = ("auto", "linear", "mlp", "lenet", "cnn", "resnet")
DEFAULT_MODEL = "auto"
# Those whose first layer takes rows of numbers, such as frozen features.
HEADS = ("linear", "mlp")
DEFAULT_HEAD = "linear"
# Trained as `nncore.training.recipes` says; the others as textbooks do.
BY_RECIPE = ("auto", "resnet")
_TEXTBOOK: dict[str, Any] = {
    "epochs": 30,
    "batch_size": 32,
    "optimizer": "sgd",
    "schedule": "constant",
    "augment": "off",
    "class_weight": "none",
    "label_smoothing": 0.0,
}
# Small moves and turns, without mirroring, suit letters as well as photos; convolutions gain by
# them at hardly any cost.
_OWN: dict[str, dict[str, Any]] = {"cnn": {"augment": "light"}, "lenet": {"augment": "light"}}


@dataclass(frozen=True)
class Network:
    """A network by name; `hidden` are the units of each hidden layer of an mlp."""

    model: str = DEFAULT_MODEL
    hidden: tuple[int, ...] | None = None

    @property
    def by_recipe(self) -> bool:
        """Whether the data choose its size and its training."""
        return self.model in BY_RECIPE

    @property
    def hidden_units(self) -> list[int] | None:
        """Of each hidden layer; None for networks that have none."""
        return list(self.hidden or HIDDEN) if self.model == "mlp" else None

    def defaults(self) -> Mapping[str, Any]:
        """Settings of training that follow from the name alone."""
        if not self.by_recipe:
            return _TEXTBOOK | _OWN.get(self.model, {})
        from nncore.training.recipes import OPTIMIZER, SCHEDULE

        return {"optimizer": OPTIMIZER, "schedule": SCHEDULE}

    def layers(self, classes: int, shape: Shape, training: TrainingSettings) -> list[Layer]:
        """Layers for so many classes and images of this shape, of the size that was chosen."""
        if self.by_recipe:
            sizes = {"width": training.width, "stem_pool": training.stem_pool}
            given: dict[str, Any] = {k: v for k, v in sizes.items() if v is not None}
            return resnet(classes, shape, **given)
        if self.model == "mlp":
            return mlp(classes, self.hidden or HIDDEN)
        return {"linear": linear, "lenet": lenet, "cnn": cnn}[self.model](classes)


def choose(
    network: Network, asked: TrainingSettings, train: ImageDataset, validated: bool
) -> tuple[TrainingSettings, Recipe | None]:
    """The settings with what the training images themselves decide; the recipe, if there is one."""
    if not network.by_recipe:
        return asked, None
    from nncore.training.recipes import MINUTES, recipe

    chosen = recipe(
        train,
        validated=validated,
        minutes=asked.max_minutes or MINUTES,
        width=asked.width,
        epochs=asked.epochs,
        stem_pool=asked.stem_pool,
    ).adapted(asked)
    return asked.filled(chosen.settings), chosen
