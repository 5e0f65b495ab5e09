"""Learning rates that change from step to step, described.

A schedule gives the optimizer's learning rate for step 0, 1, 2, ... of a training; every one is a
plain formula in float64. Where a length in steps is None, it is taken from the training: `fit`
knows how many steps it will take.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from nncore.arguments import check_number
from nncore.description import Description


class Schedule(Description, family="schedule"):
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

    def _check_steps(self, name: str) -> None:
        if getattr(self, name) is not None:
            self._check_int(name, 1)


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
        self._check_number("learning_rate", above=0)

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
        self._check_number("initial_learning_rate", above=0)
        self._check_steps("step_size")
        self._check_number("factor", above=0, high=1)

    def rate(self, step: int, total: int) -> float:
        size = math.ceil(total / 3) if self.step_size is None else self.step_size
        return self.initial_learning_rate * self.factor ** (step // max(size, 1))

    @property
    def largest(self) -> float:
        return self.initial_learning_rate


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """Keras's, in float64: falls by the same ratio in each step.

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
        self._check_number("initial_learning_rate", above=0)
        self._check_steps("decay_steps")
        self._check_number("decay_rate", above=0, high=1)

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
    """Keras's, in float64: half a cosine wave down (Loshchilov and Hutter, 2017).

    What Keras does by `warmup_target` and `warmup_steps` is `Warmup`, whose first step has a rate
    above 0.

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
        self._check_number("initial_learning_rate", above=0)
        self._check_steps("decay_steps")
        self._check_number("alpha", low=0, high=1)

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
        self._check_number("max_learning_rate", above=0)
        self._check_steps("total_steps")
        self._check_number("pct_start", above=0, below=1)
        self._check_number("div_factor", low=1)
        self._check_number("final_div_factor", low=1)

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

    nested: ClassVar = {"schedule": Schedule}

    schedule: Schedule | float
    warmup_steps: int | None = None

    def __post_init__(self) -> None:
        self._set("schedule", as_schedule("Warmup: schedule", self.schedule))
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


@dataclass(frozen=True)
class Later(Schedule):
    """Another schedule that begins at a later step, as if the steps before were not there.

    For a second training that continues the history of a first one: a schedule of its own would
    otherwise begin where the first one stopped.

    Parameters
    ----------
    schedule
        What begins then; a number is a constant learning rate.
    steps
        How many steps were taken before, at least 0.
    """

    nested: ClassVar = {"schedule": Schedule}

    schedule: Schedule | float
    steps: int

    def __post_init__(self) -> None:
        self._set("schedule", as_schedule("Later: schedule", self.schedule))
        self._check_int("steps", 0)

    @property
    def _then(self) -> Schedule:
        assert isinstance(self.schedule, Schedule)
        return self.schedule

    def rate(self, step: int, total: int) -> float:
        return self._then.rate(max(0, step - self.steps), max(1, total - self.steps))

    @property
    def largest(self) -> float:
        return self._then.largest


def as_schedule(where: str, value: object) -> Schedule:
    """A schedule as it is, a number above 0 as a `Constant`; TypeError or ValueError else."""
    if isinstance(value, Schedule):
        return value
    return Constant(check_number(where, value, above=0))


# The same by its older name.
schedule_from_dict = Schedule.from_dict


def _half_wave(done: float) -> float:
    """From 1 to 0 while `done` goes from 0 to 1."""
    return (1 + math.cos(math.pi * done)) / 2


def _between(start: float, end: float, done: float) -> float:
    return end + (start - end) * _half_wave(done)
