"""`--model` and `--backbone`: the networks by name, and how each is trained where nobody says
otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncore.cli.failures import UsageError
from nncore.errors import ModelFileError
from nncore.layers.efficientnet_lite import VARIANTS
from nncore.layers.presets import BY_NAME, HIDDEN, mlp, resnet

if TYPE_CHECKING:
    from nncore.data import ImageDataset, Reading
    from nncore.interop.onnx_features import Features
    from nncore.layers import Layer, Shape
    from nncore.training.model import Sequential
    from nncore.training.recipes.recipe import Recipe
    from nncore.training.settings import TrainingSettings

Scale = float | tuple[float, ...] | None

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
# Pretrained on photos; a linear head is trained on them, then their upper layers, too.
BACKBONES = tuple(VARIANTS)
DEFAULT_BACKBONE = BACKBONES[0]
AUTO_BACKBONE = "auto"
"""What the pictures are to decide, until they have."""
# Small moves and turns, without mirroring, suit letters as well as photos; convolutions gain by
# them at hardly any cost.
_OWN: dict[str, dict[str, Any]] = {"cnn": {"augment": "light"}, "lenet": {"augment": "light"}}


def in_words(model: str, below: str | None) -> str:
    """``"linear"``, or ``"efficientnet-lite0 + linear head"`` where a network is below it."""
    return model if below is None else f"{below} + {model} head"


@dataclass(frozen=True)
class Network:
    """A network by name; `hidden` are the units of each hidden layer of an mlp.

    On a `backbone`, one of `BACKBONES` or an ONNX file, the model is its head; `mean` and `std` are
    what the pixels of a file are to have. `AUTO_BACKBONE` stands for what the pictures are to
    decide.
    """

    model: str = DEFAULT_MODEL
    hidden: tuple[int, ...] | None = None
    backbone: str | None = None
    mean: Scale = None
    std: Scale = None

    @property
    def by_recipe(self) -> bool:
        """Whether the data choose its size and its training."""
        return self.model in BY_RECIPE

    @property
    def hidden_units(self) -> list[int] | None:
        """Of each hidden layer; None for networks that have none."""
        return list(self.hidden or HIDDEN) if self.model == "mlp" else None

    @property
    def on_backbone(self) -> bool:
        """Whether a pretrained network is below; not before that is decided."""
        return self.backbone not in (None, AUTO_BACKBONE)

    def in_words(self, on_features: bool = False) -> str:
        """What it is, for people."""
        below = self.backbone if self.on_backbone else None
        return in_words(self.model, "frozen features" if on_features else below)

    def defaults(self) -> Mapping[str, Any]:
        """Settings of training that follow from the name alone."""
        if self.on_backbone:
            from nncore.training.recipes.transfer import OPTIMIZER, SCHEDULE

            return {"optimizer": OPTIMIZER, "schedule": SCHEDULE}
        if not self.by_recipe:
            return _TEXTBOOK | _OWN.get(self.model, {})
        from nncore.training.recipes.from_scratch import OPTIMIZER, SCHEDULE

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
        if self.on_backbone:
            from nncore.training.backbones import backbone

            name, own = str(self.backbone), {}
            if self.on_onnx_file:
                own = {"size": shape[:2], "mean": self.mean, "std": self.std}
            return backbone(name, classes, fit=fit, seed=seed, **own)  # type: ignore[arg-type]
        from nncore.training.model import Sequential

        model = Sequential(self.layers(classes, shape, training), self.model, features)
        model.build(shape, seed)
        return model

    @property
    def on_onnx_file(self) -> bool:
        """Whether that network is in a file of its own."""
        return self.on_backbone and self.backbone not in BACKBONES

    @property
    def size(self) -> int | None:
        """Side of the pictures that the network takes; None: any, or the file says it."""
        known = VARIANTS.get(str(self.backbone))
        return None if known is None else known.size

    def reading(self, asked: Reading) -> Reading:
        """How pictures are read for it.

        Raises
        ------
        ModelFileError
            The ONNX file of the backbone is none.
        UsageError
            The size that is asked for is not that of the file.
        """
        if self.on_onnx_file:
            from nncore.training.onnx_backbone import OnnxBackbone

            try:
                opened = OnnxBackbone.open(
                    Path(str(self.backbone)), asked.size, self.mean, self.std
                )
            except ModelFileError:
                raise
            except ValueError as error:
                raise UsageError(f"--backbone: {error}") from None
            prepared = opened.preprocessing
            size = prepared.height, prepared.width
            return dataclasses.replace(asked, size=size, color=prepared.color)
        if self.size is not None:
            return dataclasses.replace(asked, size=self.size, color="rgb")
        return asked

    @property
    def fit(self) -> str:
        """How it is best shown pictures of another aspect ratio."""
        return "crop" if self.on_backbone else "stretch"

    def layers(self, classes: int, shape: Shape, training: TrainingSettings) -> list[Layer]:
        """Layers for so many classes and images of this shape, of the size that was chosen."""
        if self.by_recipe:
            sizes = {"width": training.width, "stem_pool": training.stem_pool}
            given: dict[str, Any] = {k: v for k, v in sizes.items() if v is not None}
            return resnet(classes, shape, **given)
        if self.model == "mlp":
            return mlp(classes, self.hidden or HIDDEN)
        return BY_NAME[self.model](classes)


def choose(
    network: Network, asked: TrainingSettings, train: ImageDataset, validated: bool
) -> tuple[TrainingSettings, Recipe | None]:
    """The settings with what the training images themselves decide; the recipe, if there is one.

    Of a network without a backbone, before it is made.
    """
    if not network.by_recipe:
        return asked, None
    from nncore.training.recipes.from_scratch import recipe
    from nncore.training.recipes.recipe import MINUTES

    chosen = recipe(
        train,
        validated=validated,
        minutes=asked.max_minutes or MINUTES,
        width=asked.width,
        epochs=asked.epochs,
        stem_pool=asked.stem_pool,
    ).adapted(asked)
    return asked.filled(chosen.settings), chosen


def choose_transfer(
    model: Sequential, asked: TrainingSettings, train: ImageDataset, validated: bool
) -> tuple[TrainingSettings, Recipe]:
    """The same for a model on a backbone, which is there already.

    Raises
    ------
    ValueError
        No layer is called as `fine_tune_from` says.
    """
    from nncore.training.recipes.recipe import MINUTES
    from nncore.training.recipes.transfer import transfer_recipe

    chosen = transfer_recipe(
        model,
        train,
        validated=validated,
        minutes=asked.max_minutes or MINUTES,
        epochs=asked.epochs,
        fine_tune=asked.fine_tune,
        fine_tune_from=asked.fine_tune_from,
    ).adapted(asked)
    return asked.filled(chosen.settings), chosen
