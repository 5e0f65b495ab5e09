"""`limited_cases`: what costs too much, and what is wrong, is told by its name."""

from __future__ import annotations

import time

import numpy as np
import pytest

import limited_cases

pytestmark = pytest.mark.every_isa


def cheap(number):
    yield from range(number)
    return number


def large():
    yield "small"
    yield f"large {np.ones(50_000_000).size}"  # 400 MB


def slow():
    yield "fast"
    end = time.process_time() + limited_cases.MOST_SECONDS
    while time.process_time() < end:
        pass
    yield "slow"


def wrong():
    yield "right"
    raise ValueError("wrong")


def test_cases_within_the_limits():
    assert limited_cases.run(cheap, 3) == 3


@pytest.mark.parametrize(
    ("cases", "told"), [(large, r"^large \d+: [45]\d\d MB"), (slow, r"^slow: 2\.\d s")]
)
def test_what_costs_too_much(cases, told):
    if cases is large and limited_cases._peak() == 0:
        pytest.skip("nobody tells of peaks here")
    with pytest.raises(AssertionError, match=told):
        limited_cases.run(cases)


def test_what_is_wrong():
    with pytest.raises(ValueError, match="wrong"):
        limited_cases.run(wrong)
