"""`--model`: the networks by name, and how each is trained where no flag says otherwise."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nncore.cli import options
from nncore.cli.failures import UsageError
from nncore.cli.output import Output, printable
from nncore.layers.presets import HIDDEN, cnn, lenet, linear, mlp, resnet
from nncore.losses import SOFTMAX_LOSSES

if TYPE_CHECKING:
    from nncore.data import ImageDataset
    from nncore.layers import Layer, Shape
    from nncore.training.recipes import Recipe

MODELS = ("auto", "linear", "mlp", "lenet", "cnn", "resnet")
DEFAULT_MODEL = "auto"
# Trained as `nncore.training.recipes` says; the others as textbooks do.
_BY_RECIPE = ("auto", "resnet")
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


def add_arguments(model: argparse._ActionsContainer) -> None:
    """The flags that name a network, and the batch size, which a recipe may choose."""
    model.add_argument(
        "--model",
        choices=MODELS,
        help="kind of network; auto (default) looks at the images and chooses network and training "
        "(with --features: linear)",
    )
    model.add_argument(
        "--hidden",
        type=options.units,
        metavar="UNITS",
        help="units of each hidden layer of an mlp (default 512)",
    )
    model.add_argument(
        "--width",
        type=options.whole(1, 1024),
        metavar="FILTERS",
        help="of the first convolution of a resnet; 32 is slower and more accurate (default: auto "
        "and resnet choose)",
    )
    model.add_argument(
        "--stem-pool",
        action=argparse.BooleanOptionalAction,
        help="pool behind the first convolution of a resnet; without, training takes more than "
        "twice as long, and is often more accurate (default: auto and resnet choose)",
    )
    model.add_argument(
        "--batch-size",
        type=options.whole(1),
        metavar="N",
        help="images per step (default: auto and resnet choose, the others 32)",
    )


def settle(args: argparse.Namespace) -> None:
    """Fill in what follows from --model alone, and refuse flags that do not suit it."""
    if args.hidden is not None and args.model != "mlp":
        raise UsageError(f"--hidden is for --model mlp; {args.model} has no hidden layers")
    for name, value in (("--width", args.width), ("--stem-pool", args.stem_pool)):
        if value is not None and args.model not in _BY_RECIPE:
            raise UsageError(f"{name} is for --model {' and '.join(_BY_RECIPE)}, not {args.model}")
    if args.model in _BY_RECIPE:
        from nncore.training.recipes import OPTIMIZER, SCHEDULE

        _fill(args, {"optimizer": OPTIMIZER, "schedule": SCHEDULE})
    else:
        _fill(args, _TEXTBOOK | _OWN.get(args.model, {}))


def layers_of(args: argparse.Namespace, classes: int, shape: Shape) -> list[Layer]:
    """The network of a model that needs no recipe, or of one whose recipe is made."""
    if args.model in _BY_RECIPE:
        given = {"width": args.width, "stem_pool": args.stem_pool}
        chosen = {name: value for name, value in given.items() if value is not None}
        return resnet(classes, shape, **chosen)
    if args.model == "mlp":
        return mlp(classes, args.hidden or HIDDEN)
    return {"linear": linear, "lenet": lenet, "cnn": cnn}[args.model](classes)


def network_flags(args: argparse.Namespace) -> tuple[str, ...]:
    """Those beside --model that were given for the network; before `choose` fills in the others."""
    words: list[str] = []
    if args.hidden is not None:
        words += ["--hidden", ",".join(map(str, args.hidden))]
    if args.width is not None:
        words += ["--width", str(args.width)]
    if args.stem_pool is not None:
        words += ["--stem-pool" if args.stem_pool else "--no-stem-pool"]
    return tuple(words)


@dataclass(frozen=True)
class Chosen:
    """A recipe, and what it comes to with the flags that were given.

    Attributes
    ----------
    recipe : Recipe
        As chosen from the data.
    settings, reasons : dict
        As of the recipe, where no flag says otherwise.
    """

    recipe: Recipe
    settings: dict[str, Any]
    reasons: dict[str, str]


def choose(args: argparse.Namespace, train: ImageDataset, validated: bool) -> Chosen | None:
    """What the training images themselves decide, into `args`; None for textbook models."""
    if args.model not in _BY_RECIPE:
        return None
    from nncore.training.recipes import ASKED, MINUTES, OPTIMIZER, recipe

    found = recipe(
        train,
        validated=validated,
        minutes=args.max_minutes or MINUTES,
        width=args.width,
        epochs=args.epochs,
        stem_pool=args.stem_pool,
    )
    settings = dict(found.settings)

    def leave_out(*names: str) -> None:
        for name in names:
            if getattr(args, name, None) is None:
                settings.pop(name, None)

    if args.optimizer != OPTIMIZER:
        leave_out("learning_rate", "weight_decay")
    if args.augment is not None:  # as asked for, with nothing added
        leave_out("shift", "erase", "horizontal_flip")
    if args.loss not in SOFTMAX_LOSSES:
        leave_out("label_smoothing")
    reasons = {
        name: found.reasons[name] if getattr(args, name, None) in (None, value) else ASKED
        for name, value in settings.items()
    }
    _fill(args, settings)
    return Chosen(found, {name: getattr(args, name, settings[name]) for name in settings}, reasons)


def say(args: argparse.Namespace, chosen: Chosen, out: Output) -> None:
    """Each choice as a flag, with its reason; and the time that it will take."""
    if not (out.json or out.quiet):  # then nobody waits for the time to be measured
        flags = {name: _flag(name, value) for name, value in chosen.settings.items()}
        width = max(map(len, flags.values()))
        out.say(f"recipe of --model {args.model}, chosen from the data; flags change it:")
        for name, reason in chosen.reasons.items():
            out.say(f"  {flags[name]:{width}}  {printable(reason)}")
        seconds = chosen.recipe.seconds()
        out.say(
            f"time: about {_duration(seconds)} here; Ctrl-C ends it earlier and keeps what is "
            "trained"
        )
        if args.max_minutes is not None and seconds > 60 * args.max_minutes:
            in_time = int(args.epochs * 60 * args.max_minutes / seconds)
            out.warn(
                f"--max-minutes {args.max_minutes:g} will end this here before the learning rate "
                f"has fallen, which costs accuracy; about --epochs {max(1, in_time)} would be "
                "finished in time"
            )
    for note in chosen.recipe.notes:
        out.warn(note)


def as_json(chosen: Chosen | None) -> dict[str, Any] | None:
    """The part of `nncore train --json`."""
    return None if chosen is None else {"settings": chosen.settings, "reasons": chosen.reasons}


def _flag(name: str, value: Any) -> str:
    words = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{words}" if value else f"--no-{words}"
    return f"--{words} {value}"


def _fill(args: argparse.Namespace, settings: Mapping[str, Any]) -> None:
    """Set the flags that were not given, of those that the verb has."""
    for name, value in settings.items():
        if getattr(args, name, value) is None:
            setattr(args, name, value)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.1f} minutes"
