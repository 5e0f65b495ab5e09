"""The flags that say how picture files become images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nncore.cli.flags import values

if TYPE_CHECKING:
    from nncore.data import Reading


def reading_of(args: argparse.Namespace) -> Reading:
    """What the flags say; a verb that lacks one reads as by its default."""
    from nncore.data import Reading

    names = ("layout", "size", "fit", "max_broken", "max_pixels", "cache")
    given = {name: getattr(args, name) for name in names if hasattr(args, name)}
    color = getattr(args, "color", "auto")
    return Reading(color=None if color == "auto" else color, **given)


def add_images(parser: argparse.ArgumentParser) -> None:
    """How the images of a data set are read: all of what follows."""
    group = parser.add_argument_group("images")
    add_layout(group)
    add_size_and_color(group)
    add_fit(group)
    add_max_broken(group)
    add_max_pixels(group)
    add_cache(group)


def add_layout(data: argparse._ActionsContainer) -> None:
    """What the sub-folders of the images are."""
    data.add_argument(
        "--layout",
        choices=("auto", "classes", "parts"),
        default="auto",
        help="what the sub-folders are: classes, whatever their names, or parts (such as train and "
        "test) that hold a folder per class each; auto (default): seen from names and content",
    )


def add_size_and_color(data: argparse._ActionsContainer) -> None:
    """What images become when they are read."""
    data.add_argument(
        "--size",
        type=values.size,
        default="auto",
        metavar="SIZE",
        help="28, or HEIGHTxWIDTH such as 64x48; auto (default): the images' own size if all "
        "have the same and it is at most 64x64, else 64x64",
    )
    data.add_argument(
        "--color",
        choices=("auto", "rgb", "gray"),
        default="auto",
        help="auto (default): gray if every picture is stored as gray",
    )


def add_fit(data: argparse._ActionsContainer) -> None:
    """What becomes of pictures whose aspect ratio is not that of the images."""
    data.add_argument(
        "--fit",
        choices=("stretch", "crop", "pad"),
        help="pictures of another aspect ratio: stretch them, crop what sticks out at both ends, "
        "or pad what is left open with white (default stretch; with --backbone crop)",
    )


def add_max_broken(parser: argparse._ActionsContainer) -> None:
    """The flag of the verbs that read labelled images."""
    parser.add_argument(
        "--max-broken",
        type=values.number(0, 1),
        default=0.01,
        metavar="FRACTION",
        help="largest fraction of broken image files to put up with (default 0.01)",
    )


def add_max_pixels(parser: argparse._ActionsContainer) -> None:
    """The flag of the verbs that read image files."""
    parser.add_argument(
        "--max-pixels",
        type=values.whole(1),
        default=1 << 26,
        metavar="N",
        help="refuse larger pictures before decoding them (default 67108864, 2 to the 26th)",
    )


def add_cache(parser: argparse._ActionsContainer) -> None:
    """The flag of the verbs that may read the same images again."""
    parser.add_argument(
        "--cache",
        metavar="DIR|off",
        default=True,
        type=lambda text: False if text == "off" else values.path(text),
        help="where decoded images are kept, so that the next run starts at once; off: read the "
        "files each time (default: nncore in the user's cache folder)",
    )
