"""Taking turns, and tables."""

from __future__ import annotations

import pytest
from gemm import PRODUCTS, check, contenders, summary
from output import microseconds, table
from peak import Peak
from rounds import Timing, alternate


def test_contenders_take_turns_and_times_are_per_unit():
    turns: list[str] = []

    def worker(name: str, seconds: float):
        def run(units: int) -> float:
            turns.append(name)
            return units * seconds

        return run

    timings = alternate({"a": worker("a", 1e-3), "b": worker("b", 3e-3)}, rounds=3, seconds=0.3)
    assert timings["a"].median == pytest.approx(1e-3)
    assert timings["b"].median == pytest.approx(3e-3)
    assert (timings["a"].units, timings["b"].units) == (300, 100)
    assert turns[-6:] == ["a", "b", "b", "a", "a", "b"]
    assert len(timings["a"].rounds) == 3


def test_timing_statistics():
    timing = Timing((3.0, 1.0, 2.0), units=5)
    assert timing.median == 2
    assert timing.spread == (1, 3)
    assert timing.per(10).rounds == (0.3, 0.1, 0.2)
    assert timing.to_dict() == {"rounds": (3.0, 1.0, 2.0), "units": 5, "median": 2.0}


def test_numbers_and_tables_line_up():
    assert [microseconds(s) for s in (1.234e-6, 56.78e-6, 1.23456e-3, 0.0907)] == [
        *("1.23", "56.8", "1,230", "90,700")
    ]
    assert table(("a", "bb"), [("xyz", "1")]).splitlines() == [
        *("| a   | bb |", "| --- | -: |", "| xyz |  1 |")
    ]


def test_products_have_the_shapes_that_they_name():
    import numpy as np

    assert len(PRODUCTS) >= 30
    assert len(set(map(str, PRODUCTS))) == len(PRODUCTS)
    for product in PRODUCTS:
        if product.flops > 3e6:
            continue
        a, b, out = product.operands(np.random.default_rng(0))
        assert (a.shape[-2:], b.shape[-2:]) == ((product.m, product.k), (product.k, product.n))
        assert ("a" in product.transposed) == (not a.flags.c_contiguous)
        contenders(a, b, out)["nncore"]()
        check(a, b, out, "nncore")
        out[..., -1, -1] += 1
        with pytest.raises(ArithmeticError, match="wrong product"):
            check(a, b, out, "nncore")


def test_gemm_summary_counts_the_shapes_that_are_lost():
    timings = [
        {"nncore": Timing((1e-6,), 1), "numpy": Timing((2e-6,), 1)},
        {"nncore": Timing((1e-6,), 1), "numpy": Timing((0.5e-6,), 1)},
    ]
    text = summary(
        list(zip(PRODUCTS[:2], timings, strict=True)), Peak(100.0, "avx2", 1, "somewhere")
    )
    assert "median 1.25 x, least 0.50 x (32x32x32), below 1 in 1 of 2 shapes" in text
