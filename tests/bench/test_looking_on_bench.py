"""The interval by which `bench/looking_on.py` says whether an answer is firm."""

import random

import pytest
from looking_on import interval, verdict


@pytest.mark.parametrize("count", [6, 9, 30])
def test_the_interval_holds_the_true_median_in_95_of_100_cases(count):
    rng = random.Random(1)
    held = 0
    for _ in range(3000):
        low, high = interval([rng.expovariate(1.0) for _ in range(count)])
        held += low <= 0.6931 <= high
    assert 0.94 < held / 3000 < 0.985


def test_few_are_shown_whole():
    assert interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert interval([1.0]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("ratios", "told"),
    [([1.0, 1.01] * 10, "yes"), ([1.03, 1.05] * 10, "no"), ([0.9, 1.1] * 10, "not decided")],
)
def test_an_answer_is_firm_where_the_interval_is_on_one_side(ratios, told):
    assert verdict({"clock": ratios, "processors": []}) == told
