"""Values of flags: texts in, checked values out. A wrong one is a usage error before any work."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

from nncore.cli.suggestions import hundredth
from nncore.files.file_names import refused_name
from nncore.files.home import at_home


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
            meant = hundredth(value) if high == 1 else ""
            raise argparse.ArgumentTypeError(f"must be from {low:g} to {high:g}, not {text}{meant}")
        return value

    return parse


def fraction(text: str) -> float:
    """Part of a data set, 0 <= f < 1."""
    value = _finite(text)
    if not 0 <= value < 1:
        meant = hundredth(value)
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, not {text}{meant}")
    return value


def share(text: str) -> float:
    """A probability that leaves a doubt, 0 < p < 1."""
    value = _finite(text)
    if not 0 < value < 1:
        meant = hundredth(value)
        raise argparse.ArgumentTypeError(f"must be above 0 and below 1, not {text}{meant}")
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


def path(text: str) -> str:
    """A file or folder; `~` is the home folder, also where the shell has left it."""
    try:
        return at_home(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def path_or(*words: str) -> Callable[[str], str]:
    """Type of a path that may be one of some words instead."""
    return lambda text: text if text in words else path(text)


def run_name(text: str) -> str:
    """The name of one folder."""
    if text in ("", ".", "..") or "/" in text:
        raise argparse.ArgumentTypeError(
            f"must be the name of one folder, not {text!r}; --output says where it is made"
        )
    if (why := refused_name(text)) is not None:
        raise argparse.ArgumentTypeError(f"no folder can be named {text!r}: {why}")
    return text


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a finite number, not {text!r}")
    return value
