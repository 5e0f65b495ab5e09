"""The race of two processes against PyTorch's: what is compared before anything is timed."""

from __future__ import annotations

import importlib.util
import shutil

import ddp
import pytest

import nncore as nn


def small() -> nn.Sequential:
    """What the networks of the race have: both paddings, blocks, a head behind a flattening."""
    layers = [
        nn.Conv2D(8, 3, activation="relu"),
        nn.MaxPool2D(2),
        nn.Residual([nn.Conv2D(8, 3, padding="same", activation="relu")]),
        nn.Flatten(),
        nn.Dense(4),
    ]
    model = nn.Sequential(layers)
    model.build((9, 9, 2))
    return model


def test_losses_are_compared_step_by_step() -> None:
    ours = [2.0, 1.5, 1.0]
    ddp.check({"one": ours, "other": [2.0, 1.5, 1.0009]}, 1e-3)
    for values, told in (
        ([2.0, 1.5, 1.1], "step 3: the loss is 1.000000 by one, 1.100000 by other"),
        ([2.0, float("nan"), 1.0], "step 2"),
    ):
        with pytest.raises(ddp.DifferentWork, match=told):
            ddp.check({"one": ours, "other": values}, 1e-3)
    with pytest.raises(ddp.DifferentWork, match="does not fall"):
        ddp.check({"one": [1.0, 1.0]}, 1e-3)


def test_all_contenders_that_are_installed_do_the_same_work() -> None:
    if importlib.util.find_spec("mpi4py") is None or shutil.which("mpiexec") is None:
        pytest.skip("mpiexec and mpi4py are needed")
    names = [name for name, contender in ddp.RANKS.items() if not contender.missing()]
    work = ddp.Work(small, batch=8, steps=3, timed=1, learning_rate=0.05, tolerance=1e-4)
    found = ddp.measure(work, names, rounds=1)
    assert len(found["losses"]["nncore"]) == 3
    assert set(found["seconds"]) == {*names, ddp.ALONE}
    assert all(len(times) == 3 and min(times) > 0 for times in found["seconds"].values())
    assert "batch 8, 2 processes of one thread" in ddp.shown("small", found)
