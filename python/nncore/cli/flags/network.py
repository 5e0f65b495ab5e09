"""The flags that name a network."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nncore.cli.failures import UsageError
from nncore.cli.flags import values
from nncore.cli.models import BY_RECIPE, DEFAULT_MODEL, MODELS, Network

if TYPE_CHECKING:
    from nncore.training.settings import TrainingSettings


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


def network_of(
    args: argparse.Namespace, training: TrainingSettings, default: str = DEFAULT_MODEL
) -> Network:
    """What the flags name; UsageError for those that do not suit --model."""
    network = Network(default if args.model is None else args.model, args.hidden)
    if network.hidden is not None and network.model != "mlp":
        raise UsageError(f"--hidden is for --model mlp; {network.model} has no hidden layers")
    for name, value in (("--width", training.width), ("--stem-pool", training.stem_pool)):
        if value is not None and not network.by_recipe:
            raise UsageError(
                f"{name} is for --model {' and '.join(BY_RECIPE)}, not {network.model}"
            )
    return network


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
