"""The flags of `nncore train` that say how training images are changed."""

from __future__ import annotations

import argparse

from nncore.cli.flags import values

# The words of `Augmentation.preset`; the data room is not imported for the sake of --help.
STRENGTHS = ("off", "light", "medium", "strong")


def add_augmentation(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "augmentation, of the training images alone: each epoch sees other copies of them"
    )
    group.add_argument(
        "--augment",
        choices=STRENGTHS,
        help="small moves, turns, changes of size, brightness and contrast; strong also erases a "
        "part (default off for the models mlp and linear, else light). The flags below add to it "
        "or replace a part of it",
    )
    for name, unit, text in (
        ("shift", "FRACTION", "largest move, as a share of height and width"),
        ("rotation", "DEGREES", "largest angle"),
        ("scale", "FRACTION", "size times 1 - FRACTION to 1 + FRACTION"),
        ("brightness", "FRACTION", "values times 1 - FRACTION to 1 + FRACTION"),
        ("contrast", "FRACTION", "distances from the mean times 1 - FRACTION to 1 + FRACTION"),
        (
            "erase",
            "FRACTION",
            "longest sides of an erased rectangle (default: auto and resnet "
            "choose where images are many, else 0)",
        ),
    ):
        high = {"rotation": 180.0, "scale": 0.9}.get(name, 1.0)
        group.add_argument(f"--{name}", type=values.number(0, high), metavar=unit, help=text)
    for name, text in (
        (
            "horizontal-flip",
            "mirror every second image left to right, not for letters and digits "
            "(default: auto and resnet do it with colour pictures)",
        ),
        ("vertical-flip", "mirror every second image top to bottom"),
    ):
        group.add_argument(
            f"--{name}", action=argparse.BooleanOptionalAction, default=None, help=text
        )
    group.add_argument(
        "--crop-padding",
        type=values.whole(0, 16384),
        metavar="N",
        help="move by up to N pixels more",
    )
    group.add_argument(
        "--fill",
        type=_fill,
        metavar="VALUE",
        help="what stands outside an image: 0 (black) to 255, edge or reflect (default edge)",
    )


def _fill(text: str) -> float | str:
    if text in ("edge", "reflect"):
        return text
    try:
        return values.number(0, 255)(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"must be a value from 0 to 255, edge or reflect, not {text!r}"
        ) from None
