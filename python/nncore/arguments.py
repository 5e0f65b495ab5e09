"""Checks of what people pass: single numbers, and what must not be one; what they meant."""

from __future__ import annotations

import math
import numbers
import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def check_int(name: str, value: object, low: int, high: int | None = None) -> int:
    """`value` as an int from `low` to `high`.

    Raises
    ------
    TypeError
        Not a whole number (booleans and floats are none).
    ValueError
        Out of range.
    """
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {value}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {value!r}") from None
    if number < low or (high is not None and number > high):
        limits = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be {limits}, not {number}")
    return number


def check_sequence(name: str, values: object) -> None:
    """ValueError where a NumPy number or an array of no dimensions stands for a sequence."""
    if getattr(values, "shape", None) == () and not isinstance(values, str):
        raise ValueError(f"{name} must be a sequence, not an array of shape ()")


def listed(values: Any) -> Any:
    """A list of what can be gone through once, or has no order of its own to be indexed by: a
    generator, a `map`, the values of a dictionary. Anything else as it is, a dictionary too."""
    if isinstance(values, (str, bytes, os.PathLike, Sequence, Mapping)) or hasattr(
        values, "__array__"
    ):
        return values
    return list(values) if isinstance(values, Iterable) else values


def check_seed(seed: object) -> int:
    """A seed, 0 to 2**63 - 1; errors as in `check_int`."""
    return check_int("seed", seed, 0, 2**63 - 1)


def check_number(
    name: str,
    value: object,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
) -> float:
    """`value` as a finite float within the limits that are given.

    Raises
    ------
    TypeError
        Not a real number (booleans are none).
    ValueError
        Not finite, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, not {value!r}")
    given = {"at least": low, "above": above, "at most": high, "below": below}
    limits = [f"{word} {limit:g}" for word, limit in given.items() if limit is not None]
    number = float(value)
    if (
        not math.isfinite(number)
        or (low is not None and number < low)
        or (above is not None and number <= above)
        or (high is not None and number > high)
        or (below is not None and number >= below)
    ):
        raise ValueError(f"{name} must be a finite number {' and '.join(limits)}, not {value}")
    return number


def did_you_mean(near: Sequence[str]) -> str:
    """``"; did you mean --epochs?"``, behind the name of what does not exist; nothing where nothing
    is near."""
    return f"; did you mean {' or '.join(near)}?" if near else ""
