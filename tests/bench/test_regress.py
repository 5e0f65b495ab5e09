"""The speed gate: what counts as slower, and two builds that take turns."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import builds
import pytest
import regress
from rounds import Timing

import nncore as nn


def turns(before: list[float], now: list[float]) -> dict[str, Timing]:
    return {"before": Timing(tuple(before), 1), "now": Timing(tuple(now), 1)}


def test_the_ratio_is_that_of_the_same_minute():
    # All of the first round was three times as slow: that says nothing about either.
    assert regress.ratio(turns([3, 1, 1], [3.3, 1.1, 1.0])) == pytest.approx(1.1)


def test_slower_by_more_than_the_tolerance():
    ratios = {"a": 1.04, "b": 1.06, "c": math.nan, "d": 0.5}
    assert regress.slower(ratios, tolerance=0.05) == ["b", "c"]


def test_who_is_slower_must_be_so_twice(capsys):
    told: list[list[str]] = []

    def measure(second: float):
        def times(names: list[str]) -> dict[str, dict[str, Timing]]:
            told.append(names)
            slow = 1.2 if len(names) == 2 else second
            return {name: turns([1.0], [slow if name == "a" else 1.0]) for name in names}

        return times

    assert regress.judge(["a", "b"], measure(1.01)) == 0
    assert told == [["a", "b"], ["a"]]
    assert "FAILED" not in capsys.readouterr().out
    assert regress.judge(["a", "b"], measure(1.1)) == 1
    assert "FAILED: a lost more than 5% of the speed" in capsys.readouterr().out


def test_an_unknown_commit_is_told(capsys, tmp_path):
    assert regress.main(["--against", "no-such-commit", "--builds", str(tmp_path)]) == 1
    assert "FAILED: git rev-parse" in capsys.readouterr().out


@pytest.fixture
def packages(tmp_path):
    """Two copies of the package that is installed, the second of which does each epoch twice."""
    installed = Path(nn.__file__).parent
    for name in ("once", "twice"):
        shutil.copytree(
            installed, tmp_path / name / "nncore", ignore=shutil.ignore_patterns("__pycache__")
        )
    loop = tmp_path / "twice" / "nncore" / "training" / "loop.py"
    text = loop.read_text()
    once = "        losses, correct = self.network.train_steps("
    assert text.count(once) == 1
    loop.write_text(text.replace(once, "        for _ in range(2):\n    " + once))
    return {name: tmp_path / name for name in ("once", "twice")}


def test_a_slower_build_is_found(packages):
    for package in packages.values():
        builds.check_comes_first(package)
    with regress.training("mlp128", packages, 1) as runs:
        found = regress.alternate(runs, rounds=3, seconds=0.05)
    assert regress.ratio(found) > 1.2  # on a busy machine, too
    assert regress.judge(["mlp128"], lambda names: {"mlp128": found}) == 1


def test_second_reads_take_turns_from_caches_of_their_own(packages, tmp_path):
    pytest.importorskip("sklearn")
    with regress.reading("crops", packages, 1, tmp_path / "pictures", limit=20) as runs:
        caches = sorted(tmp_path.glob("pictures/*/cache*"))
        found = regress.alternate(runs, rounds=1, seconds=0.01)
    assert [cache.name for cache in caches] == ["cache0", "cache1"]
    assert 0.2 < regress.ratio(found) < 5
