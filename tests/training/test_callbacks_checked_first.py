"""What callbacks cannot do is told before the first step of a training."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn

X, Y = np.zeros((4, 3), np.float32), np.array([0, 1, 0, 1])


def fit(callback, **more):
    """The error of a training whose epochs are never begun."""
    model = nn.Sequential([nn.Dense(2)])
    begun = nn.LambdaCallback(on_train_begin=lambda: pytest.fail("training began"))
    with pytest.raises((ValueError, OSError)) as caught:
        model.fit(X, Y, verbose=0, callbacks=[begun, callback], **more)
    assert model.history is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda top: nn.EarlyStopping("val_los"), "is 'val_loss' meant?"),
        (lambda top: nn.EarlyStopping("val_acc"), "is 'val_accuracy' meant?"),
        (lambda top: nn.ReduceLROnPlateau("lr"), "there is no 'lr' to monitor; there are: loss, "),
        (lambda top: nn.ModelCheckpoint(top / "m", "f1", save_best_only=True), "no 'f1'"),
        (lambda top: nn.ModelCheckpoint(top / "no" / "m"), "no/m"),
        (lambda top: nn.ModelCheckpoint(top / "no-{epoch}" / "m"), "no-1/m"),
        (lambda top: nn.ModelCheckpoint(str(top / "{val_los}.st")), "cannot be filled in"),
        (lambda top: nn.ModelCheckpoint(str(top / "{epoch:q}.st")), "cannot be filled in"),
        (lambda top: nn.ModelCheckpoint(top), "Is a directory"),
        (lambda top: nn.CSVLogger(top / "no" / "log.csv"), "no/log.csv"),
        (lambda top: nn.CSVLogger(top / "other.csv", append=True), "has the columns"),
    ],
)
def test_with_validation_data(tmp_path, make, named):
    (tmp_path / "other.csv").write_text("epoch,loss\n1,2\n")
    assert named in fit(make(tmp_path), validation_data=(X, Y))
    assert [path.name for path in tmp_path.iterdir()] == ["other.csv"]


def test_without_validation_data():
    assert "(fit has no validation_data)" in fit(nn.EarlyStopping())
    assert "(fit has no validation_data)" in fit(nn.ReduceLROnPlateau("val_accuracy"))


def test_a_history_that_goes_on_has_what_it_had():
    model = nn.Sequential([nn.Dense(2)])
    history = model.fit(X, Y, validation_data=(X, Y), epochs=1, verbose=0)
    model.fit(X, Y, epochs=1, verbose=0, history=history, callbacks=[nn.EarlyStopping()])


def test_own_callbacks_may_check_too():
    class Mine(nn.Callback):
        def check_before_training(self, log_names):
            raise ValueError(", ".join(log_names))

    assert fit(Mine()) == "loss, accuracy, learning_rate"
