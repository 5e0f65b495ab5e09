"""Values of flags: texts in, checked values out. A wrong one is a usage error before any work."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def common_options() -> argparse.ArgumentParser:
    """The flags that every verb has; a parent for `ArgumentParser`."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    group = parser.add_argument_group("common options")
    group.add_argument("--json", action="store_true", help="print the result as JSON, only that")
    group.add_argument(
        "--quiet", action="store_true", help="no progress, only results, warnings and errors"
    )
    group.add_argument(
        "--seed",
        type=whole(0, 2**63 - 1),
        default=0,
        metavar="N",
        help="of the first weights, shuffles and splits (default 0)",
    )
    group.add_argument(
        "--threads",
        type=whole(1, 1024),
        metavar="N",
        help="threads to use; results do not depend on it (default: all CPUs)",
    )
    return parser


def add_labelled(parser: argparse.ArgumentParser) -> None:
    """The images of the verbs that train."""
    parser.add_argument(
        "data",
        metavar="FOLDER|CSV",
        help="folder with one sub-folder per class, or table with the columns path and label",
    )


def add_size_and_color(data: argparse._ActionsContainer) -> None:
    """What images become when they are read."""
    data.add_argument(
        "--size",
        type=size,
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


def add_max_broken(parser: argparse._ActionsContainer) -> None:
    """The flag of the verbs that read labelled images."""
    parser.add_argument(
        "--max-broken",
        type=number(0, 1),
        default=0.01,
        metavar="FRACTION",
        help="largest fraction of broken image files to put up with (default 0.01)",
    )


def add_max_pixels(parser: argparse._ActionsContainer) -> None:
    """The flag of the verbs that read image files."""
    parser.add_argument(
        "--max-pixels",
        type=whole(1),
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
        type=lambda text: False if text == "off" else text,
        help="where decoded images are kept, so that the next run starts at once; off: read the "
        "files each time (default: nncore in the user's cache folder)",
    )


def add_min_accuracy(parser: argparse._ActionsContainer) -> None:
    """The quality gate."""
    parser.add_argument(
        "--min-accuracy",
        type=number(0, 1),
        metavar="FRACTION",
        help="end with exit code 5 if the measured accuracy is lower, for example 0.9",
    )


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """Type of a whole number from `low` to `high`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None
        if value < low or (high is not None and value > high):
            limits = f"at least {low}" if high is None else f"from {low} to {high}"
            raise argparse.ArgumentTypeError(f"must be {limits}, not {value}")
        return value

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """Type of a number from `low` to `high`."""

    def parse(text: str) -> float:
        value = _finite(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be from {low:g} to {high:g}, not {text}")
        return value

    return parse


def fraction(text: str) -> float:
    """Part of a data set, 0 <= f < 1."""
    value = _finite(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, not {text}")
    return value


def positive(text: str) -> float:
    """A finite number above 0."""
    value = _finite(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def not_negative(text: str) -> float:
    """A finite number of at least 0."""
    value = _finite(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, not {text}")
    return value


def finite(text: str) -> float:
    """Any finite number."""
    return _finite(text)


def size(text: str) -> int | tuple[int, int] | None:
    """`28`, `64x48` (height x width) or `auto`, which is None."""
    if text == "auto":
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() for side in sides):
        raise argparse.ArgumentTypeError(
            f"must be a side such as 28, HEIGHTxWIDTH such as 64x48, or auto, not {text!r}"
        )
    values = [int(side) for side in sides]
    if min(values) < 1 or max(values) > 16384:
        raise argparse.ArgumentTypeError(f"must be from 1 to 16384 pixels, not {text}")
    return values[0] if len(values) == 1 else (values[0], values[1])


def units(text: str) -> tuple[int, ...]:
    """`128,64`: units of each hidden layer."""
    parse = whole(1, 2**20)
    return tuple(parse(part.strip()) for part in text.split(","))


def numbers(text: str) -> tuple[float, ...] | float:
    """`0.5`, or `0.485,0.456,0.406`: one number or several."""
    values = tuple(_finite(part.strip()) for part in text.split(","))
    return values[0] if len(values) == 1 else values


def run_name(text: str) -> str:
    """The name of one folder."""
    if text in ("", ".", "..") or "/" in text:
        raise argparse.ArgumentTypeError(
            f"must be the name of one folder, not {text!r}; --output says where it is made"
        )
    return text


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a finite number, not {text!r}")
    return value
