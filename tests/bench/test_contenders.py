"""The conversation with a contender's process, with nncore as the only contender."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from contenders import CONTENDERS, Entry
from contenders.nncore_fit import make_model
from peers import DifferentWork, check_losses
from process import ContenderFailed, ContenderProcess
from task import Task, make_task
from works import WORKS

import nncore as nn


@pytest.fixture(scope="module")
def task_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("task") / "task.npz"
    make_task(WORKS["digits"], threads=1).save(path)
    return path


def test_a_task_survives_its_file(task_path: Path):
    task, loaded = make_task(WORKS["digits"], threads=1), Task.load(task_path)
    assert loaded.work == task.work
    assert loaded.threads == 1
    assert np.array_equal(loaded.images, task.images)
    assert np.array_equal(loaded.orders, task.orders)
    assert all(np.array_equal(a, b) for a, b in zip(loaded.weights, task.weights, strict=True))
    assert loaded.batches(len(task.orders) + 1).ravel().tolist() == task.orders[1].tolist()


def test_nncore_checks_runs_and_quits(task_path: Path):
    task = Task.load(task_path)
    work = task.work
    with ContenderProcess("nncore", task_path, threads=1) as process:
        assert process.versions["threads"] == "1"
        loss = process.ask("check")
        assert process.ask("run 2")["seconds"] > 0
        assert process.ask("check") == loss  # every command begins from the same weights
    # The same steps one by one, in the order of the task.
    model = make_model(work)
    model.build(work.input_shape)
    model.set_weights(task.weights)
    optimizer = nn.SGD(work.learning_rate)
    for epoch in range(work.check_epochs):
        for batch in task.batches(epoch):
            model.train_step(task.images[batch], task.labels[batch], "cross_entropy", optimizer)
    report = model.evaluate(task.images, task.labels)
    assert report.loss == pytest.approx(loss["after"], rel=1e-5)
    assert loss["after"] < 0.8 * loss["before"]


def test_a_failing_contender_says_why(task_path: Path, tmp_path: Path):
    with (
        ContenderProcess("nncore", task_path, threads=1) as process,
        pytest.raises(ContenderFailed, match="nncore: ValueError: unknown command 'dance"),
    ):
        process.ask("dance")
    with pytest.raises(ContenderFailed, match="FileNotFoundError"):
        ContenderProcess("nncore", tmp_path / "missing.npz", threads=1)


def test_losses_must_agree_and_must_have_moved():
    good = {"before": 2.0, "after": 1.0}
    check_losses({"a": good, "b": {"before": 2.0001, "after": 0.9999}})
    with pytest.raises(DifferentWork, match="b differs"):
        check_losses({"a": good, "b": {"before": 2.0, "after": 1.01}})
    with pytest.raises(DifferentWork, match="b differs"):
        check_losses({"a": good, "b": {"before": 2.0, "after": float("nan")}})
    with pytest.raises(DifferentWork, match="hardly changed"):
        check_losses({"a": {"before": 2.0, "after": 1.99}})


def test_a_contender_that_is_not_installed_is_named():
    entry = Entry("x", "x", ("nncore", "no_such_module"), "pip install no-such-module")
    assert entry.missing() == ["no_such_module"]
    assert CONTENDERS["nncore"].missing() == []


def test_contenders_take_part_where_they_can():
    assert not CONTENDERS["sklearn"].takes(WORKS["lenet"])
    assert not CONTENDERS["torch-channels-last"].takes(WORKS["mlp128"])
    assert all(CONTENDERS["nncore"].takes(work) for work in WORKS.values())
