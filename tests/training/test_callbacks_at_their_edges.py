"""Callbacks where Keras's documentation says something definite, or nncore differs on purpose."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from nncore.training.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from nncore.training.history import History

NAN = math.nan


class Model:
    """In training: its weights are the number of the epoch, its files hold it."""

    def __init__(self, history: History | None = None) -> None:
        self.history = history
        self.stop_training, self.learning_rate_factor, self.weights = False, 1.0, 0

    def get_weights(self) -> Any:
        return self.weights

    def restore_weights(self, weights: Any) -> None:
        self.weights = weights

    def save(self, path: str) -> None:
        Path(path).write_text(str(self.weights))


def run(
    callback: Callback, values: list[float], model: Any = None, name: str = "val_loss"
) -> Model:
    model = model or Model()
    before = 0 if model.history is None else len(model.history)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values, before + 1):
        model.weights = epoch
        rate = 0.1 * model.learning_rate_factor
        callback.on_epoch_end(epoch, {name: value, "learning_rate": rate})
        if model.stop_training:
            break
    callback.on_train_end()
    return model


def earlier(values: list[float]) -> History:
    history = History("cross_entropy")
    for value in values:
        history.append_epoch(1.0, 0.5, value, 0.5, learning_rate=0.1, iteration_loss=[1.0])
    return history


@pytest.mark.parametrize(
    ("values", "settings", "ended", "best"),
    [
        # A baseline that is never reached: `patience` epochs, and the best of these.
        ([3, 1, 2, 0.9, 0.1], {"patience": 3, "baseline": 0.0}, 3, 2),
        ([3, 2, 1, 0.9, 0.1], {"patience": 3, "baseline": 0.0}, 3, 3),
        ([5, 6, 7], {"patience": 1, "baseline": 0.0}, 1, 1),
        ([5, 6, 7], {"patience": 0, "baseline": 0.0}, 1, 1),
        # Equal to the baseline is not better, nor better by no more than min_delta.
        ([1, 1, 1, 1], {"patience": 2, "baseline": 1.0}, 2, 1),
        ([0.95, 0.94, 2, 2], {"patience": 2, "baseline": 1.0, "min_delta": 0.1}, 2, 1),
        # Reached in time, what counts is the best.
        ([3, 0.5, 0.6, 0.7, 0.1], {"patience": 2, "baseline": 1.0}, 4, 2),
        # A gain that does not reach the baseline is remembered, and is no reason to wait.
        ([3, 2, 1.5, 1.6, 0.1], {"patience": 4, "baseline": 1.0}, 4, 3),
        ([0, 0, 3, 1, 2, 9], {"patience": 3, "baseline": 0.5, "start_from_epoch": 2}, 5, 4),
        # Without one: as ever.
        ([3, 1, 2, 2, 0], {"patience": 2}, 4, 2),
        ([1, 1, 0], {"patience": 0}, 2, 1),
        ([3, 2, 1], {"patience": 1}, 3, 3),  # not stopped, and still the best
        ([1, 2, 3, 2.5], {"patience": 9}, 4, 1),
        ([9, 1, 2, 3, 0], {"patience": 2, "start_from_epoch": 2}, 5, 5),
        # NaN is no gain, though it comes first (Keras takes it for the best and keeps to it).
        ([NAN, 2, 3, 4], {"patience": 2}, 4, 2),
        ([NAN, NAN, 1], {"patience": 2}, 2, 2),
    ],
)
def test_early_stopping(values, settings, ended, best):
    callback = EarlyStopping(restore_best_weights=True, **settings)
    model = Model()
    run(callback, values, model)
    assert model.weights == best
    assert (callback.stopped_epoch or len(values)) == ended
    # The same the other way round.
    turned = dict(settings)
    if "baseline" in turned:
        turned["baseline"] = -turned["baseline"]
    again = EarlyStopping("val_accuracy", restore_best_weights=True, **turned)
    assert run(again, [-value for value in values], name="val_accuracy").weights == best


def test_without_restoring_the_last_weights_stay():
    assert run(EarlyStopping(patience=2, baseline=0.0), [1, 2, 3]).weights == 2


def test_best_epoch_is_the_best_whatever_the_baseline():
    callback = EarlyStopping(patience=3, baseline=0.0)
    run(callback, [3, 1, 2])
    assert callback.best_epoch == 2


def test_early_stopping_in_a_history_that_is_continued():
    callback = EarlyStopping(patience=3, restore_best_weights=True)
    model = run(callback, [5, 2, 4], Model(earlier([1.0, 3.0])))
    assert callback.best_epoch == 1
    assert callback.stopped_epoch == 4  # epoch 2 counts
    assert model.weights == 4  # the best of this call
    better = run(callback, [0.5, 2, 2], Model(earlier([1.0])))
    assert better.weights == 2


def test_a_callback_begins_anew_with_each_fit():
    callback = EarlyStopping(patience=2, restore_best_weights=True)
    run(callback, [1, 2, 3])
    assert run(callback, [9, 8, 10]).weights == 2


def test_checkpoints_keep_the_best_of_all_fits_of_a_model(tmp_path: Path):
    path = tmp_path / "best.safetensors"
    callback = ModelCheckpoint(path, save_best_only=True)
    model = run(callback, [3, 1, 2])
    assert path.read_text() == "2"
    run(callback, [5, 1, 4], model)
    assert path.read_text() == "2"
    run(callback, [5, 0.5, 4], model)
    assert path.read_text() == "2"  # its second epoch, which is better
    run(callback, [8, 7], Model())  # another model
    assert path.read_text() == "2"
    run(callback, [6], Model())
    assert path.read_text() == "1"


def test_checkpoints_in_a_history_that_is_continued(tmp_path: Path):
    path = tmp_path / "best.safetensors"
    path.write_text("of before")
    run(ModelCheckpoint(path, save_best_only=True), [5, 2], Model(earlier([1.0])))
    assert path.read_text() == "of before"
    path.unlink()  # there is nothing to keep
    run(ModelCheckpoint(path, save_best_only=True), [5, 2], Model(earlier([1.0])))
    assert path.read_text() == "3"


def test_nan_is_never_the_best(tmp_path: Path):
    path = tmp_path / "best.safetensors"
    run(ModelCheckpoint(path, save_best_only=True), [NAN, NAN])
    assert not path.exists()
    run(ModelCheckpoint(path, save_best_only=True), [NAN, 2, NAN, 3])
    assert path.read_text() == "2"


@pytest.mark.parametrize(
    ("values", "settings", "factor"),
    [
        ([1, 1], {"patience": 0}, 0.5),
        ([1, 1, 1, 1], {"patience": 2}, 0.5),
        ([1, 1, 1, 1, 1], {"patience": 2}, 0.25),
        ([1, 1, 1, 1, 1], {"patience": 2, "cooldown": 2}, 0.5),
        ([1, 1, 1, 1, 1, 1], {"patience": 2, "cooldown": 2}, 0.25),
        ([1] * 9, {"patience": 1, "min_lr": 0.03}, 0.3),
        ([1] * 9, {"patience": 1, "min_lr": 0.2}, 1.0),
        ([1, 1 - 5e-5, 1 - 1e-4], {"patience": 2}, 0.5),  # no gain is larger than min_delta
        ([NAN, 1, 2], {"patience": 3}, 1.0),
    ],
)
def test_plateaus(values, settings, factor):
    callback = ReduceLROnPlateau(factor=0.5, **settings)
    assert run(callback, values).learning_rate_factor == pytest.approx(factor)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_rows_are_added_below_a_table_that_was_edited(tmp_path: Path, end: str):
    path = tmp_path / "log.csv"
    path.write_bytes(f"\ufeffepoch,val_loss,learning_rate\r\n1,2.0,0.1{end}".encode())
    run(CSVLogger(path, append=True), [3.0])
    assert path.read_text() == "epoch,val_loss,learning_rate\n1,2.0,0.1\n1,3.0,0.1\n"
