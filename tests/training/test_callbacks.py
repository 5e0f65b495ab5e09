"""The callbacks that come with nncore."""

from __future__ import annotations

import csv
import math
import time

import numpy as np
import pytest

import nncore as nn
from nncore.training.callbacks import Callback
from nncore.training.history import History


def blobs(n=48, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(0, 120, (n, 4, 4))
    images[np.arange(n), labels] += 90
    return images.astype(np.uint8), labels


def small_model():
    return nn.Sequential([nn.Flatten(), nn.Dense(8, "relu"), nn.Dense(3)])


def fit(model, **settings):
    given = {"verbose": 0, "epochs": 6, "validation_data": blobs(30, 1)}
    return model.fit(*blobs(), **(given | settings))


def weights(model):
    return [array.tobytes() for array in model.get_weights()]


class Model:
    """Stands for a model: the callbacks see a given course of numbers."""

    def __init__(self, history=None):
        self.history, self.stop_training, self.learning_rate_factor = history, False, 1.0
        self.weights = 0

    def get_weights(self):
        return [self.weights]

    def restore_weights(self, weights):
        (self.weights,) = weights


def run(callback, values, name="val_loss", rate=1.0, history=None, first=1):
    """Epochs with these values until it stops; the learning rate of each."""
    model, rates = Model(history), []
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values, first):
        model.weights = epoch
        rates.append(rate * model.learning_rate_factor)
        callback.on_epoch_end(epoch, {name: value, "learning_rate": rates[-1]})
        if model.stop_training:
            break
    callback.on_train_end()
    return model, rates


def recorded(values, rates):
    history = History("cross_entropy", 1)
    for value, rate in zip(values, rates, strict=True):
        history.append_epoch(1.0, 0.5, value, 0.5, learning_rate=rate, iteration_loss=[1.0])
    return history


# -- EarlyStopping


@pytest.mark.parametrize(
    ("values", "settings", "stopped", "best"),
    [
        ([3, 2, 1, 2, 3, 0], {"patience": 2}, 5, 3),
        ([3, 2, 1, 2, 0, 1], {"patience": 2}, 0, 5),
        ([3, 2, 2, 0], {}, 3, 2),
        ([3, 2.95, 2.8, 2.75, 2.5], {"patience": 2, "min_delta": 0.1}, 0, 5),
        ([3, 2.95, 2.9, 2.85], {"patience": 2, "min_delta": 0.5}, 3, 1),
        ([1, 2, 3, 4], {"mode": "max", "patience": 1}, 0, 4),
        ([5, 5, 5, 1], {"baseline": 4, "patience": 3}, 3, 1),
        ([5, 5, 5, 1, 2], {"baseline": 4, "patience": 4}, 0, 4),
        ([1, 5, 4, 4], {"start_from_epoch": 1, "patience": 1}, 4, 3),
        ([math.nan, math.nan], {"patience": 2}, 2, 0),
    ],
)
def test_early_stopping(values, settings, stopped, best):
    callback = nn.EarlyStopping(**settings)
    run(callback, values)
    assert (callback.stopped_epoch, callback.best_epoch) == (stopped, best)


def test_accuracy_is_best_when_highest():
    callback = nn.EarlyStopping("val_accuracy", patience=1)
    run(callback, [0.5, 0.6, 0.55, 0.9], "val_accuracy")
    assert (callback.stopped_epoch, callback.best_epoch) == (3, 2)


def test_early_stopping_ends_on_the_best_weights():
    for restore in (True, False):
        callback = nn.EarlyStopping(patience=2, restore_best_weights=restore)
        model, _ = run(callback, [3, 1, 2, 2, 0])
        assert model.weights == (2 if restore else 4)


def test_early_stopping_counts_the_epochs_of_a_continued_history():
    whole, parts = nn.EarlyStopping(patience=3), nn.EarlyStopping(patience=3)
    run(whole, [3, 1, 2, 2, 2, 2])
    run(parts, [2, 2, 2], history=recorded([3, 1, 2], [1.0] * 3), first=4)
    assert whole.stopped_epoch == parts.stopped_epoch == 5
    assert whole.best_epoch == parts.best_epoch == 2


def test_early_stopping_in_fit():
    class Spoil(Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch >= 3:
                self.model.set_weights([w * 3 for w in self.model.get_weights()])

    model, best = small_model(), small_model()
    stopping = nn.EarlyStopping(patience=2, restore_best_weights=True)
    history = fit(model, epochs=20, callbacks=[stopping, Spoil()], optimizer=nn.SGD(0.01))
    assert stopping.stopped_epoch == len(history) == 5
    assert stopping.best_epoch == history.best_epoch() == 3
    fit(best, epochs=3, optimizer=nn.SGD(0.01))
    assert weights(model) == weights(best)


def test_monitors_that_are_not_there():
    for callback in (nn.EarlyStopping(), nn.ReduceLROnPlateau()):
        with pytest.raises(ValueError, match=r"no 'val_loss' to monitor \(fit has no valid.*loss"):
            fit(small_model(), validation_data=None, callbacks=[callback])


# -- ReduceLROnPlateau


@pytest.mark.parametrize(
    ("values", "settings", "rates"),
    [
        ([3, 2, 2, 2, 2, 2], {"patience": 2}, [1, 1, 1, 1, 0.1, 0.1]),
        ([3, 2, 2, 2, 2, 2], {"patience": 1, "factor": 0.5}, [1, 1, 1, 0.5, 0.25, 0.125]),
        ([2, 2, 2, 2, 2, 2], {"patience": 1, "cooldown": 2}, [1, 1, 0.1, 0.1, 0.01, 0.01]),
        ([2, 2, 2, 2, 2], {"patience": 1, "min_lr": 0.05}, [1, 1, 0.1, 0.05, 0.05]),
        ([2, 1.99, 1.98, 1.97], {"patience": 2, "min_delta": 0.1}, [1, 1, 1, 0.1]),
        ([2, 1.99, 1.98, 1.97], {"patience": 2}, [1, 1, 1, 1]),
    ],
)
def test_reduce_on_plateau(values, settings, rates):
    _, actual = run(nn.ReduceLROnPlateau(**settings), values)
    assert actual == pytest.approx(rates)


def test_reduce_on_plateau_goes_on_with_a_history():
    values = [3, 2, 2, 2, 2, 2, 2]
    _, whole = run(nn.ReduceLROnPlateau(patience=2), values)
    for cut in range(1, 6):
        _, rest = run(
            nn.ReduceLROnPlateau(patience=2),
            values[cut:],
            history=recorded(values[:cut], whole[:cut]),
            first=cut + 1,
        )
        assert rest == pytest.approx(whole[cut:])


def test_reduce_on_plateau_in_fit():
    # Nothing counts as a gain, so the rate falls after every epoch but the first.
    callback = nn.ReduceLROnPlateau(patience=1, min_delta=100, factor=0.5)
    history = fit(small_model(), epochs=4, callbacks=[callback], optimizer=nn.SGD(0.1))
    assert history.learning_rate == pytest.approx([0.1, 0.1, 0.05, 0.025])
    again = fit(small_model(), epochs=1, optimizer=nn.SGD(0.1))
    assert again.learning_rate == [0.1]


# -- the others


def test_a_callback_without_a_list():
    model = small_model()
    history = fit(model, epochs=9, callbacks=nn.EarlyStopping("loss", min_delta=1e9, patience=2))
    assert len(history) == 3
    assert len(fit(model, epochs=1, callbacks=(one for one in [nn.EarlyStopping("loss")]))) == 1
    for wrong in (None, print, "abc", [print], nn.EarlyStopping):
        with pytest.raises(TypeError, match="callbacks must be Callback objects, as a list, not"):
            fit(model, callbacks=wrong)


def test_model_checkpoint(tmp_path):
    each = nn.ModelCheckpoint(tmp_path / "m-{epoch:02d}-{val_loss:.2f}.safetensors")
    best = nn.ModelCheckpoint(tmp_path / "best.safetensors", save_best_only=True)
    model = small_model()

    class Spoil(Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 2:
                self.model.set_weights([w * 30 for w in self.model.get_weights()])

    history = fit(model, epochs=3, callbacks=[each, best, Spoil()], optimizer=nn.SGD(0.01))
    names = [
        f"m-{epoch:02d}-{loss:.2f}.safetensors"
        for epoch, loss in enumerate(history.history["val_loss"], 1)
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.safetensors", *names]
    assert weights(nn.load(tmp_path / names[2])) == weights(model)
    assert history.best_epoch() == 2
    assert weights(nn.load(tmp_path / "best.safetensors")) == weights(nn.load(tmp_path / names[1]))


def test_checkpoint_names_that_cannot_be_filled_in(tmp_path):
    with pytest.raises(ValueError, match=r"filepath .* cannot be filled in .*: epoch, loss"):
        fit(small_model(), callbacks=[nn.ModelCheckpoint(tmp_path / "{f1}.safetensors")])


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    model = small_model()
    history = fit(model, epochs=2, callbacks=[nn.CSVLogger(path)])
    fit(model, epochs=1, history=history, callbacks=[nn.CSVLogger(path, append=True)])
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for row, logs in zip(rows, range(3), strict=True):
        for name, values in history.history.items():
            assert float(row[name]) == values[logs]
        assert float(row["learning_rate"]) == 0.1
    fit(small_model(), epochs=1, callbacks=[nn.CSVLogger(path, separator=";")])
    assert path.read_text().splitlines()[0].startswith("epoch;loss;accuracy")
    with pytest.raises(ValueError, match="choose another file"):
        fit(small_model(), validation_data=None, callbacks=[nn.CSVLogger(path, ";", append=True)])


def test_lambda_callback():
    calls = []
    callback = nn.LambdaCallback(
        on_epoch_end=lambda epoch, logs: calls.append((epoch, logs["loss"])),
        on_train_begin=lambda: calls.append("begin"),
        on_train_end=lambda: calls.append("end"),
    )
    history = fit(small_model(), epochs=2, callbacks=[callback, nn.LambdaCallback()])
    assert calls == ["begin", *enumerate(history.history["loss"], 1), "end"]


def test_time_limit_ends_between_epochs(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("nncore.training.callbacks.time_limit.time.monotonic", lambda: now[0])

    class Clock(Callback):
        def on_epoch_end(self, epoch, logs):
            now[0] += 20.0

    # Epochs of 20 s: after 40 s a third one would end just at the limit of a minute.
    history = fit(small_model(), callbacks=[Clock(), nn.TimeLimit(1)])
    assert len(history) == 2
    assert len(fit(small_model(), callbacks=[Clock(), nn.TimeLimit(1.01)])) == 3


def test_time_limit_within_an_epoch_can_be_taken_up_again(monkeypatch):
    monkeypatch.setattr("nncore.training.loop._BLOCK_SECONDS", 0.0)
    settings = {"batch_size": 4, "optimizer": nn.Adam(0.01)}
    blocks = [0]

    class Slow(Callback):
        def on_block_end(self):
            blocks[0] += 1
            if blocks[0] == 3:
                time.sleep(0.05)

    model, whole = small_model(), small_model()
    history = fit(model, callbacks=[Slow(), nn.TimeLimit(0.04 / 60)], **settings)
    assert blocks[0] <= 3
    assert len(history) == 0
    assert not model.interrupted
    fit(model, epochs=2, history=history, **settings)
    fit(whole, epochs=2, **settings)
    assert weights(model) == weights(whole)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: nn.EarlyStopping(patience=-1), ValueError, "EarlyStopping: patience"),
        (lambda: nn.EarlyStopping(min_delta=-1), ValueError, "EarlyStopping: min_delta"),
        (lambda: nn.EarlyStopping(mode="best"), ValueError, "mode must be one of auto, min, max"),
        (lambda: nn.EarlyStopping(monitor=3), TypeError, "monitor must be a name"),
        (lambda: nn.ReduceLROnPlateau(factor=1.0), ValueError, "factor must be"),
        (lambda: nn.TimeLimit(0), ValueError, "TimeLimit: minutes must be"),
        (lambda: nn.TimeLimit("1h"), TypeError, "TimeLimit: minutes must be a number"),
        (lambda: nn.CSVLogger("x", separator=", "), ValueError, "separator"),
        (lambda: nn.LambdaCallback(on_epoch_end=3), TypeError, "3 is no function"),
    ],
)
def test_bad_settings(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
