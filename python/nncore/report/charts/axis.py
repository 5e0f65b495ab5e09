"""An axis: from values to places, and ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
Form = Literal["number", "percent", "count"]


@dataclass(frozen=True)
class Tick:
    """A place on an axis with its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Axis:
    """Values `low` to `high` over the places `start` to `end`; `log`: by their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value is drawn, to a tenth of a unit."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(value)
        share = (at - low) / (high - low) if high > low else 0.5
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, most: int = 5, form: Form = "number") -> list[Tick]:
        """At most about so many, at round values."""
        values = self._powers(most) if self.log else self._round_values(most, form == "count")
        return [Tick(self.place(value), label(value, form)) for value in values]

    def _round_values(self, most: int, whole: bool) -> list[float]:
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        step = _round_step(span / most)
        if whole:
            step = max(1.0, math.ceil(step))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]

    def _powers(self, most: int) -> list[float]:
        first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
        every = max(1, math.ceil((last - first + 1) / most))
        return [10.0**power for power in range(first, last + 1, every)]


def value_axis(
    values: Iterable[float], start: float, end: float, limits: tuple[float, float] | None = None
) -> Axis:
    """An axis that shows all finite values, with some room; logarithmic where a linear one would
    flatten most of them. `limits` are what values cannot exceed.

    Without a finite value it goes from 0 to 1.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Axis(0.0, 1.0, start, end)
    low, high = min(finite), max(finite)
    if limits is None and low > 0 and high > 1000 * low:
        return Axis(low / 1.3, high * 1.3, start, end, log=True)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    low, high = low - room, high + room
    if limits is not None:
        low, high = max(low, limits[0]), min(high, limits[1])
    return Axis(low, high, start, end)


def label(value: float, form: Form) -> str:
    """A value as a tick or a table says it."""
    if not math.isfinite(value):
        return "not finite" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    if form == "percent":
        return f"{100 * value:.4g}%"
    if form == "count":
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))
