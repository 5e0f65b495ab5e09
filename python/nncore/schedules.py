"""Learning rates that change from step to step, described.

A schedule gives the optimizer's learning rate for step 0, 1, 2, ... of a training; every one is a
plain formula in float64. Where a length in steps is None, it is taken from the training: `fit`
knows how many steps it will take.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nncore.arguments import check_int, check_number


class Schedule(ABC):
    """Base of the schedules, which are frozen dataclasses."""

    @abstractmethod
    def rate(self, step: int, total: int) -> float:
        """Learning rate of one step.

        Parameters
        ----------
        step
            Number of the step, from 0.
        total
            Steps that the whole training takes; stands in for lengths that are None.
        """

    @property
    @abstractmethod
    def largest(self) -> float:
        """The largest learning rate that the schedule can give."""

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON-ready values; `schedule_from_dict` reads it back."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        values = {f.name: getattr(self, f.name) for f in fields}
        return {"type": type(self).__name__} | {
            name: value.to_dict() if isinstance(value, Schedule) else value
            for name, value in values.items()
        }

    def _check(self, name: str, **limits: Any) -> None:
        where = f"{type(self).__name__}: {name}"
        value = check_number(where, getattr(self, name), **limits)
        object.__setattr__(self, name, value)

    def _check_steps(self, name: str) -> None:
        value = getattr(self, name)
        if value is not None:
            value = check_int(f"{type(self).__name__}: {name}", value, 1)
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Constant(Schedule):
    """The same learning rate for all steps; what a plain number means.

    Parameters
    ----------
    learning_rate
        A finite number above 0.
    """

    learning_rate: float

    def __post_init__(self) -> None:
        self._check("learning_rate", above=0)

    def rate(self, step: int, total: int) -> float:
        return self.learning_rate

    @property
    def largest(self) -> float:
        return self.learning_rate


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Multiplied by `factor` after every `step_size` steps (PyTorch's StepLR).

    `initial_learning_rate * factor ** floor(step / step_size)`

    Parameters
    ----------
    initial_learning_rate
        Of the first steps, above 0.
    step_size
        Steps of one learning rate; by default a third of the training, rounded up.
    factor
        From 0 to 1, 0 excluded.
    """

    initial_learning_rate: float
    step_size: int | None = None
    factor: float = 0.1

    def __post_init__(self) -> None:
        self._check("initial_learning_rate", above=0)
        self._check_steps("step_size")
        self._check("factor", above=0, high=1)

    def rate(self, step: int, total: int) -> float:
        size = math.ceil(total / 3) if self.step_size is None else self.step_size
        return self.initial_learning_rate * self.factor ** (step // max(size, 1))

    @property
    def largest(self) -> float:
        return self.initial_learning_rate


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """Keras's: falls by the same ratio in each step.

    `initial_learning_rate * decay_rate ** (step / decay_steps)`

    Parameters
    ----------
    initial_learning_rate
        Of the first step, above 0.
    decay_steps
        In how many steps the learning rate falls to `decay_rate` of itself; by default the whole
        training.
    decay_rate
        From 0 to 1, 0 excluded.
    staircase
        Whether the exponent is rounded down.
    """

    initial_learning_rate: float
    decay_steps: int | None = None
    decay_rate: float = 0.01
    staircase: bool = False

    def __post_init__(self) -> None:
        self._check("initial_learning_rate", above=0)
        self._check_steps("decay_steps")
        self._check("decay_rate", above=0, high=1)

    def rate(self, step: int, total: int) -> float:
        exponent = step / max(total if self.decay_steps is None else self.decay_steps, 1)
        if self.staircase:
            exponent = math.floor(exponent)
        return self.initial_learning_rate * math.pow(self.decay_rate, exponent)

    @property
    def largest(self) -> float:
        return self.initial_learning_rate


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """Keras's: half a cosine wave down (Loshchilov and Hutter, 2017).

    `initial_learning_rate * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)`

    Parameters
    ----------
    initial_learning_rate
        Of the first step, above 0.
    decay_steps
        Length of the half wave, after which the rate stays; by default the whole training.
    alpha
        The last learning rate as a part of the first one, 0 to 1.
    """

    initial_learning_rate: float
    decay_steps: int | None = None
    alpha: float = 0.0

    def __post_init__(self) -> None:
        self._check("initial_learning_rate", above=0)
        self._check_steps("decay_steps")
        self._check("alpha", low=0, high=1)

    def rate(self, step: int, total: int) -> float:
        steps = total if self.decay_steps is None else self.decay_steps
        done = min(step / max(steps, 1), 1.0)
        return self.initial_learning_rate * ((1 - self.alpha) * _half_wave(done) + self.alpha)

    @property
    def largest(self) -> float:
        return self.initial_learning_rate


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to the largest learning rate and down far below the first (Smith and Topin, 2019).

    Half a cosine wave each, as PyTorch's OneCycleLR, whose names and defaults these are; the
    momentum stays as it is.

    Parameters
    ----------
    max_learning_rate
        The peak, above 0.
    total_steps
        By default the whole training.
    pct_start
        Which part of the steps goes up, above 0 and below 1.
    div_factor
        The first learning rate is `max_learning_rate / div_factor`; at least 1.
    final_div_factor
        The last one is the first one divided by this; at least 1.
    """

    max_learning_rate: float
    total_steps: int | None = None
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        self._check("max_learning_rate", above=0)
        self._check_steps("total_steps")
        self._check("pct_start", above=0, below=1)
        self._check("div_factor", low=1)
        self._check("final_div_factor", low=1)

    def rate(self, step: int, total: int) -> float:
        steps = total if self.total_steps is None else self.total_steps
        first = self.max_learning_rate / self.div_factor
        peak = self.pct_start * steps - 1
        if step <= peak:
            return _between(first, self.max_learning_rate, step / max(peak, 1e-9))
        done = min((step - peak) / max(steps - 1 - peak, 1e-9), 1.0)
        return _between(self.max_learning_rate, first / self.final_div_factor, done)

    @property
    def largest(self) -> float:
        return self.max_learning_rate


@dataclass(frozen=True)
class Warmup(Schedule):
    """Linear growth before another schedule, which begins when it ends.

    The steps 0 to `warmup_steps - 1` have `(step + 1) / (warmup_steps + 1)` of the first learning
    rate of `schedule`.

    Parameters
    ----------
    schedule
        What follows; a number is a constant learning rate.
    warmup_steps
        By default a twentieth of the training, rounded up.
    """

    schedule: Schedule | float
    warmup_steps: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedule", as_schedule("Warmup: schedule", self.schedule))
        self._check_steps("warmup_steps")

    @property
    def _then(self) -> Schedule:
        assert isinstance(self.schedule, Schedule)
        return self.schedule

    def rate(self, step: int, total: int) -> float:
        steps = math.ceil(total / 20) if self.warmup_steps is None else self.warmup_steps
        if step < steps:
            return self._then.rate(0, total - steps) * (step + 1) / (steps + 1)
        return self._then.rate(step - steps, total - steps)

    @property
    def largest(self) -> float:
        return self._then.largest


SCHEDULE_KINDS: Mapping[str, type[Schedule]] = {
    kind.__name__: kind
    for kind in (Constant, StepDecay, ExponentialDecay, CosineDecay, OneCycle, Warmup)
}


def as_schedule(where: str, value: object) -> Schedule:
    """A schedule as it is, a number above 0 as a `Constant`; TypeError or ValueError else."""
    if isinstance(value, Schedule):
        return value
    return Constant(check_number(where, value, above=0))


def schedule_from_dict(description: Mapping[str, Any]) -> Schedule:
    """The schedule that `Schedule.to_dict` described; ValueError or TypeError if none is."""
    fields = dict(description)
    kind = fields.pop("type", None)
    if not isinstance(kind, str) or kind not in SCHEDULE_KINDS:
        raise ValueError(f"unknown schedule {kind!r}; known: {', '.join(SCHEDULE_KINDS)}")
    known = {f.name for f in dataclasses.fields(SCHEDULE_KINDS[kind])}  # type: ignore[arg-type]
    if fields.keys() != known:
        raise ValueError(f"{kind} must have the fields {sorted(known)}, not {sorted(fields)}")
    return SCHEDULE_KINDS[kind](
        **{
            name: schedule_from_dict(value) if isinstance(value, Mapping) else value
            for name, value in fields.items()
        }
    )


def _half_wave(done: float) -> float:
    """From 1 to 0 while `done` goes from 0 to 1."""
    return (1 + math.cos(math.pi * done)) / 2


def _between(start: float, end: float, done: float) -> float:
    return end + (start - end) * _half_wave(done)
