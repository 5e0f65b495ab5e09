"""`--model` and `--backbone`: the networks by name, and how each is trained where nobody says
otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nncore.layers.efficientnet_lite import VARIANTS
from nncore.layers.presets import HIDDEN, cnn, lenet, linear, mlp, resnet

if TYPE_CHECKING:
    from nncore.data import ImageDataset
    from nncore.interop.onnx_features import Features
    from nncore.layers import Layer, Shape
    from nncore.training.model import Sequential
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
# Pretrained on photos; their layers stay as they are, and a linear head is trained on them.
BACKBONES = tuple(VARIANTS)
_ON_BACKBONE: dict[str, Any] = {
    **_TEXTBOOK,
    "epochs": 40,
    "optimizer": "adam",
    "learning_rate": 0.003,
    "schedule": "cosine",
}
# Penalty of that head: 5 classes of 20 to 60 photo cut-outs, 15 splits, give 0.946 without one,
# 0.950 with it and 0.948 with ten times as much.
_HEAD_PENALTY = 1e-3
# Small moves and turns, without mirroring, suit letters as well as photos; convolutions gain by
# them at hardly any cost.
_OWN: dict[str, dict[str, Any]] = {"cnn": {"augment": "light"}, "lenet": {"augment": "light"}}


@dataclass(frozen=True)
class Network:
    """A network by name; `hidden` are the units of each hidden layer of an mlp.

    On a `backbone`, one of `BACKBONES`, the model is its head.
    """

    model: str = DEFAULT_MODEL
    hidden: tuple[int, ...] | None = None
    backbone: str | None = None

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
        if self.backbone is not None:
            return _ON_BACKBONE
        if not self.by_recipe:
            return _TEXTBOOK | _OWN.get(self.model, {})
        from nncore.training.recipes import OPTIMIZER, SCHEDULE

        return {"optimizer": OPTIMIZER, "schedule": SCHEDULE}

    def make(
        self,
        classes: int,
        shape: Shape,
        training: TrainingSettings,
        features: Features | None,
        seed: int,
        fit: str,
    ) -> Sequential:
        """A model of so many classes for images of this shape, with its first weights.

        A backbone's `preprocessing` says `fit`; that of others comes with the data.

        Raises
        ------
        MissingExtraError
            The weights of the backbone are not installed.
        """
        if self.backbone is not None:
            from nncore.training.backbones import backbone

            return backbone(
                self.backbone, classes, kernel_regularizer=_HEAD_PENALTY, fit=fit, seed=seed
            )
        from nncore.training.model import Sequential

        model = Sequential(self.layers(classes, shape, training), self.model, features)
        model.build(shape, seed)
        return model

    @property
    def size(self) -> int | None:
        """Side of the pictures that the network takes; None: any."""
        return None if self.backbone is None else VARIANTS[self.backbone].size

    @property
    def fit(self) -> str:
        """How it is best shown pictures of another aspect ratio."""
        return "stretch" if self.backbone is None else "crop"

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
