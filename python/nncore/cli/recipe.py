"""`--model`: the networks by name, and how each is trained where no flag says otherwise."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nncore.cli.failures import UsageError
from nncore.cli.output import Output, printable
from nncore.layers.presets import HIDDEN, cnn, lenet, linear, mlp, resnet

if TYPE_CHECKING:
    from nncore.data import ImageDataset
    from nncore.layers import Layer, Shape
    from nncore.training.recipe import Recipe

MODELS = ("auto", "linear", "mlp", "lenet", "cnn", "resnet")
DEFAULT_MODEL = "auto"
# Trained as `nncore.training.recipe` says; the others as textbooks do.
_BY_RECIPE = ("auto", "resnet")
_TEXTBOOK: dict[str, Any] = {
    "epochs": 30,
    "batch_size": 32,
    "optimizer": "sgd",
    "schedule": "constant",
    "augment": "off",
    "class_weight": "none",
}
# Small moves and turns, without mirroring, suit letters as well as photos; convolutions gain by
# them at hardly any cost.
_OWN: dict[str, dict[str, Any]] = {"cnn": {"augment": "light"}, "lenet": {"augment": "light"}}


def settle(args: argparse.Namespace) -> None:
    """Fill in what follows from --model alone, and refuse flags that do not suit it."""
    if args.hidden is not None and args.model != "mlp":
        raise UsageError(f"--hidden is for --model mlp; {args.model} has no hidden layers")
    if args.width is not None and args.model not in _BY_RECIPE:
        raise UsageError(f"--width is for --model {' and '.join(_BY_RECIPE)}, not {args.model}")
    if args.model in _BY_RECIPE:
        from nncore.training.recipe import OPTIMIZER, SCHEDULE

        _fill(args, {"optimizer": OPTIMIZER, "schedule": SCHEDULE})
    else:
        _fill(args, _TEXTBOOK | _OWN.get(args.model, {}))


def layers_of(args: argparse.Namespace, classes: int, shape: Shape) -> list[Layer]:
    """The network of a model that needs no recipe, or of one whose recipe is made."""
    if args.model in _BY_RECIPE:
        return resnet(classes, shape, **({} if args.width is None else {"width": args.width}))
    if args.model == "mlp":
        return mlp(classes, args.hidden or HIDDEN)
    return {"linear": linear, "lenet": lenet, "cnn": cnn}[args.model](classes)


def choose(args: argparse.Namespace, train: ImageDataset, validated: bool) -> Recipe | None:
    """What the training images themselves decide, into `args`; None for textbook models."""
    if args.model not in _BY_RECIPE:
        return None
    from nncore.training.recipe import MINUTES, OPTIMIZER, recipe

    chosen = recipe(
        train,
        validated=validated,
        minutes=args.max_minutes or MINUTES,
        width=args.width,
        epochs=args.epochs,
    )
    settings = dict(chosen.settings)
    if args.optimizer != OPTIMIZER:
        del settings["learning_rate"]
    if args.augment == "off":
        del settings["horizontal_flip"]
    _fill(args, settings)
    return chosen


def say(args: argparse.Namespace, chosen: Recipe, out: Output) -> None:
    """Each choice with its reason, and the time that it will take."""
    width = max(map(len, chosen.reasons))
    out.say(f"recipe, chosen from the data (--model {args.model}); flags override it:")
    for name, reason in chosen.reasons.items():
        out.say(f"  {name:{width}}  {printable(reason)}")
    planned = _duration(chosen.seconds())
    out.say(f"  {'time':{width}}  about {planned} here; Ctrl-C keeps what is trained until then")
    for note in chosen.notes:
        out.warn(note)


def _fill(args: argparse.Namespace, settings: Mapping[str, Any]) -> None:
    """Set the flags that were not given, of those that the verb has."""
    for name, value in settings.items():
        if getattr(args, name, value) is None:
            setattr(args, name, value)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.1f} minutes"
