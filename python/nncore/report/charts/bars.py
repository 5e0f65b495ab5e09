"""Bars: one number per name, each with an interval if it has one."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 100  # units that stand for 1.0


@dataclass(frozen=True)
class Bar:
    """A bar of `length` out of `WIDTH`; `low` and `high` are the ends of a line on it."""

    length: float
    low: float | None = None
    high: float | None = None

    width = WIDTH


def bar(
    value: float | None, interval: tuple[float, float] | None = None, top: float = 1.0
) -> Bar | None:
    """The bar of a value from 0 to `top`, with the line of its interval; None where it is none."""
    if value is None:
        return None
    low, high = (None, None) if interval is None else (_length(end, top) for end in interval)
    return Bar(_length(value, top), low, high)


def _length(value: float, top: float) -> float:
    return round(WIDTH * min(max(value / top, 0.0), 1.0), 1) if top > 0 else 0.0
