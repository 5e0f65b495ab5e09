"""Schedules against their formulas in NumPy, and what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nncore.optimizers import SGD, optimizer_from_dict
from nncore.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    Later,
    OneCycle,
    StepDecay,
    Warmup,
    schedule_from_dict,
)

TOTAL = 100
STEPS = np.arange(TOTAL)


def rates(schedule, total=TOTAL):
    return np.array([schedule.rate(step, total) for step in range(total)])


def one_cycle(steps, peak, start=0.3, div=25.0, final=1e4):
    first = peak / div
    top = start * len(steps) - 1
    up = first + (peak - first) * (1 - np.cos(np.pi * steps / top)) / 2
    done = (steps - top) / (len(steps) - 1 - top)
    low = first / final
    return np.where(steps <= top, up, low + (peak - low) * (1 + np.cos(np.pi * done)) / 2)


EXPECTED = {
    "constant": (Constant(0.1), np.full(TOTAL, 0.1)),
    "step": (StepDecay(0.1, 30, 0.5), 0.1 * 0.5 ** (STEPS // 30)),
    "step_by_default": (StepDecay(0.1), 0.1 * 0.1 ** (STEPS // 34)),
    "exponential": (ExponentialDecay(0.1, 40, 0.5), 0.1 * 0.5 ** (STEPS / 40)),
    "staircase": (ExponentialDecay(0.1, 40, 0.5, staircase=True), 0.1 * 0.5 ** (STEPS // 40)),
    "exponential_by_default": (ExponentialDecay(0.1), 0.1 * 0.01 ** (STEPS / 100)),
    "cosine": (
        CosineDecay(0.1, 50, alpha=0.1),
        0.1 * (0.9 * (1 + np.cos(np.pi * np.minimum(STEPS, 50) / 50)) / 2 + 0.1),
    ),
    "cosine_by_default": (CosineDecay(0.1), 0.1 * (1 + np.cos(np.pi * STEPS / 100)) / 2),
    "one_cycle": (OneCycle(0.5), one_cycle(STEPS, 0.5)),
    "one_cycle_settings": (
        OneCycle(0.5, pct_start=0.5, div_factor=10, final_div_factor=100),
        one_cycle(STEPS, 0.5, 0.5, 10, 100),
    ),
    "later": (
        Later(CosineDecay(0.2), 20),
        np.where(STEPS < 20, 0.2, 0.1 * (1 + np.cos(np.pi * (STEPS - 20) / 80))),
    ),
    "warmup": (Warmup(0.2, 9), 0.2 * np.minimum((STEPS + 1) / 10, 1)),
    "warmup_by_default": (Warmup(0.2), 0.2 * np.minimum((STEPS + 1) / 6, 1)),
    "warmup_and_cosine": (
        Warmup(CosineDecay(0.2), 20),
        np.where(STEPS < 20, 0.2 * (STEPS + 1) / 21, 0.1 * (1 + np.cos(np.pi * (STEPS - 20) / 80))),
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_formulas(name):
    schedule, expected = EXPECTED[name]
    assert rates(schedule) == pytest.approx(expected, rel=1e-12)
    assert schedule.largest >= expected.max() * (1 - 1e-12)
    assert schedule.largest <= expected.max() * 1.02


@pytest.mark.parametrize("name", EXPECTED)
def test_json(name):
    schedule, _ = EXPECTED[name]
    assert schedule_from_dict(json.loads(json.dumps(schedule.to_dict()))) == schedule
    optimizer = SGD(schedule, momentum=0.5)
    assert optimizer_from_dict(json.loads(json.dumps(optimizer.to_dict()))) == optimizer
    assert (optimizer.rates(7, 20, TOTAL) == rates(schedule)[7:27]).all()


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("total", [1, 2, 3])
def test_short_trainings(name, total):
    values = rates(EXPECTED[name][0], total)
    assert np.isfinite(values).all()
    assert (values >= 0).all()


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (
            lambda: Constant(0),
            ValueError,
            "Constant: learning_rate must be a finite number above 0",
        ),
        (lambda: CosineDecay(0.1, 0), ValueError, "CosineDecay: decay_steps must be at least 1"),
        (lambda: CosineDecay(0.1, 2.5), TypeError, "decay_steps must be a whole number"),
        (lambda: CosineDecay(0.1, alpha=1.1), ValueError, "alpha must be .* at most 1"),
        (lambda: StepDecay(0.1, factor=0), ValueError, "factor must be .* above 0"),
        (lambda: ExponentialDecay("0.1"), TypeError, "initial_learning_rate must be a number"),
        (lambda: OneCycle(0.1, pct_start=1), ValueError, "pct_start must be .* below 1"),
        (lambda: Later(0.1, -1), ValueError, "Later: steps must be at least 0"),
        (lambda: Later("slow", 1), TypeError, "Later: schedule must be"),
        (lambda: Warmup(-1.0), ValueError, "Warmup: schedule must be"),
        (lambda: Warmup("fast"), TypeError, "Warmup: schedule must be"),
    ],
)
def test_bad_settings(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
