"""Model files that training can go on from: the optimizer's state, the position, the history."""

from __future__ import annotations

import numpy as np
import pytest

from model_files import content, data_set, make_model, weights, write
from nncore.errors import ModelFileError
from nncore.layers import Dense
from nncore.optimizers import SGD, Adam, AdamW, RMSprop
from nncore.schedules import OneCycle
from nncore.training.callbacks import Callback
from nncore.training.history import History
from nncore.training.model import Sequential
from nncore.training.model_file import load, load_to_show, load_training_state, save


@pytest.fixture(scope="module")
def model():
    return make_model(seed=5)


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "pets.safetensors"
    model.save(path)
    return path


class InterruptAt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def test_training_state_resumes_to_the_same_bits(tmp_path):
    whole, stopped = make_model(epochs=5), make_model(epochs=5, callbacks=[InterruptAt(2)])
    assert len(stopped.history) == 2
    save(stopped, tmp_path / "last.safetensors", with_state=True)
    state = load_training_state(tmp_path / "last.safetensors")
    assert weights(state.model) == weights(stopped)
    assert state.history.to_dict() == stopped.history.to_dict()
    settings = {"epochs": 3, "verbose": 0, "optimizer": state.model.optimizer}
    state.model.fit(data_set(), history=state.history, **settings)
    assert weights(state.model) == weights(whole)
    assert state.history.history == whole.history.history
    assert state.history.iteration_loss == whole.history.iteration_loss


OPTIMIZERS = {
    "momentum": SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": RMSprop(0.01, momentum=0.5),
    "adam": AdamW(0.01, global_clipnorm=1.0),
    "average": Adam(0.01, use_ema=True),
    "schedule": SGD(OneCycle(0.3), momentum=0.5),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_state_resumes_to_the_same_bits(tmp_path, name):
    optimizer = OPTIMIZERS[name]
    whole = make_model(epochs=5, optimizer=optimizer)
    stopped = make_model(epochs=5, optimizer=optimizer, callbacks=[InterruptAt(2)])
    path = tmp_path / "last.safetensors"
    save(stopped, path, with_state=True)
    state = load_training_state(path)
    assert state.model.optimizer == optimizer
    assert weights(state.model) == weights(stopped)
    state.model.fit(data_set(), history=state.history, epochs=3, verbose=0, optimizer=optimizer)
    assert weights(state.model) == weights(whole)
    assert state.history.history == whole.history.history
    assert state.history.learning_rate == whole.history.learning_rate
    for one, other in zip(
        state.model.optimizer_state.arrays.items(),
        whole.optimizer_state.arrays.items(),
        strict=True,
    ):
        assert one[0] == other[0]
        assert one[1].tobytes() == other[1].tobytes()
    # Without the state the moments would be missing.
    save(stopped, path)
    again = load(path)
    again.fit(data_set(), epochs=3, verbose=0, optimizer=optimizer)
    assert weights(again) != weights(whole)


def test_optimizer_state_in_the_file(tmp_path):
    model = make_model(optimizer=Adam(0.01))
    save(model, tmp_path / "last", with_state=True)
    tensors, described = content(tmp_path / "last")
    assert described["state"]["optimizer"] == {
        "method": "adam",
        "steps": 6,
        "slots": ["mean", "mean_square"],
        "shows_average": False,
    }
    parameters = [name for name in tensors if "/" in name]
    assert len(parameters) == 3 * 4
    assert {name for name in tensors if "/" not in name} == {
        *("history.loss", "history.accuracy", "history.seconds"),
        *("history.learning_rate", "history.iteration_loss"),
    }
    mean = tensors["optimizer/hidden/kernel/mean"]
    assert (mean == model.optimizer_state.arrays["hidden/kernel/mean"]).all()
    save(model, tmp_path / "best")
    assert len(content(tmp_path / "best")[0]) == 4
    # The file of a model trained by plain SGD has nothing of the kind.
    save(make_model(), tmp_path / "plain", with_state=True)
    assert content(tmp_path / "plain")[1]["state"]["optimizer"] is None


def test_a_training_state_that_is_no_number(model, tmp_path):
    path = tmp_path / "last"
    save(model, path, with_state=True)
    tensors, described = content(path)
    described["state"]["position"]["iteration_loss"] = [float("nan")]
    write(path, tensors, described)
    with pytest.raises(ModelFileError, match=r"last: .*NaN is no number"):
        load_training_state(path)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("method", "adagrad"),
        ("steps", -1),
        ("slots", ["mean"]),
        ("slots", ["mean", "speed"]),
        ("shows_average", True),
        ("tensor", np.zeros((3, 3), np.float32)),
        ("tensor", np.full((20, 7), np.inf, np.float32)),
        ("tensor", None),
    ],
)
def test_bad_optimizer_state(tmp_path, part, value):
    path = tmp_path / "last"
    save(make_model(optimizer=Adam(0.01)), path, with_state=True)
    tensors, described = content(path)
    name = "optimizer/hidden/kernel/mean"
    if part != "tensor":
        described["state"]["optimizer"][part] = value
    elif value is None:
        del tensors[name]
    else:
        tensors[name] = value
    write(path, tensors, described)
    with pytest.raises(ModelFileError, match="last: "):
        load_training_state(path)


def test_training_state_in_the_middle_of_an_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr("nncore.training.loop._BLOCK_SECONDS", 0.0)
    checks = [0]

    def check(self):
        checks[0] += 1
        if checks[0] == 14:
            raise KeyboardInterrupt

    whole = make_model(epochs=2, batch_size=4)
    with monkeypatch.context() as patch:
        patch.setattr("nncore.training.interrupt.Interrupt.check", check)
        stopped = make_model(epochs=2, batch_size=4)
    assert stopped.interrupted
    assert len(stopped.history) == 0
    save(stopped, tmp_path / "last", with_state=True)
    state = load_training_state(tmp_path / "last")
    settings = {"epochs": 2, "verbose": 0, "optimizer": SGD(0.2), "batch_size": 4}
    state.model.fit(data_set(), history=state.history, **settings)
    assert weights(state.model) == weights(whole)
    assert state.history.history == whole.history.history


def test_model_file_has_no_training_state(path):
    with pytest.raises(ModelFileError, match=r"pets.safetensors: .*no training state"):
        load_training_state(path)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("position", None),
        ("position", {"epoch": -1}),
        ("position", {"epoch": 2**40}),
        ("position", {"iteration_loss": [None]}),
        ("position", {"key": [1, 2]}),
        ("position", {"seconds": "long"}),
        ("history", {}),
        ("history", {"epochs": 2}),
        ("history", {"epochs": -1}),
        ("history", {"columns": ["loss", "accuracy", "speed"]}),
    ],
)
def test_bad_training_state(model, tmp_path, part, value):
    path = tmp_path / "last"
    save(model, path, with_state=True)
    tensors, described = content(path)
    if value is None:
        del described["state"][part]
    else:
        described["state"][part] |= value
        if not value:
            described["state"][part] = value
    write(path, tensors, described)
    with pytest.raises(ModelFileError, match="last: bad training state"):
        load_training_state(path)
    load_to_show(path)  # The model itself is sound.


def test_model_without_history_has_an_empty_state(tmp_path):
    model = Sequential([Dense(2)])
    model.build((2,))
    save(model, tmp_path / "m", with_state=True)
    assert load_training_state(tmp_path / "m").history.to_dict() == History().to_dict()
