"""Batch normalization and residual blocks in models: training, files, resuming, explaining."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.data import ImageDataset
from nncore.training.callbacks import Callback
from nncore.training.model_file import load, load_training_state, save
from nncore.training.run_directory import RunDirectory

OPTIMIZERS = {
    "momentum": nn.SGD(0.05, momentum=0.9),
    "adam": nn.Adam(0.01),
    "average": nn.Adam(0.01, use_ema=True, ema_momentum=0.8),
}


def layers():
    return [
        nn.Conv2D(6, 3, padding="same", use_bias=False),
        nn.BatchNormalization(0.8),
        nn.Activation("relu"),
        nn.Residual(
            [
                nn.Conv2D(8, 3, strides=2, padding="same"),
                nn.BatchNormalization(0.8),
                nn.Activation("relu"),
                nn.Conv2D(8, 3, padding="same"),
            ],
            activation="relu",
        ),
        nn.LayerNormalization(),
        nn.GlobalAveragePool2D(),
        nn.Dense(3),
    ]


def data_set(n=64, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(0, 150, (n, 7, 6))
    images[np.arange(n), labels] += 100
    return ImageDataset.from_arrays(images.astype(np.uint8), labels)


def fitted(**settings):
    model = nn.Sequential(layers())
    # The last batch is smaller.
    model.fit(
        data_set(),
        **({"epochs": 3, "batch_size": 24, "verbose": 0, "optimizer": OPTIMIZERS["adam"]})
        | settings,
    )
    return model


def weights(model):
    return [array.tobytes() for array in model.get_weights()]


def moving(model):
    network = model._built_network()
    names = [name for name in network.parameter_names() if "moving" in name]
    assert len(names) == 4
    return {name: network.get_parameter(name) for name in names}


class StopAt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_learns(name):
    model = fitted(epochs=40, optimizer=OPTIMIZERS[name])
    assert model.history.history["loss"][-1] < 0.3 * model.history.history["loss"][0]
    # On images that it has not seen, with the moving averages.
    assert model.evaluate(data_set(30, 1)).accuracy > 0.9


def test_files_keep_every_number(tmp_path):
    model = fitted()
    model.save(tmp_path / "model.safetensors")
    other = load(tmp_path / "model.safetensors")
    assert [view.description for view in other.layers] == layers()
    assert weights(other) == weights(model)
    assert moving(other).keys() == moving(model).keys()
    assert all(
        (value != start).any()
        for value, start in zip(moving(model).values(), [0, 1] * 2, strict=True)
    )
    x = data_set(20, 1)
    assert other.predict_proba(x.images).tobytes() == model.predict_proba(x.images).tobytes()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_resuming_gives_the_same_bits(tmp_path, name):
    optimizer = OPTIMIZERS[name]
    whole = fitted(epochs=5, optimizer=optimizer, validation_data=data_set(30, 1))
    stopped = fitted(
        epochs=5, optimizer=optimizer, validation_data=data_set(30, 1), callbacks=[StopAt(2)]
    )
    path = tmp_path / "last.safetensors"
    save(stopped, path, with_state=True)
    state = load_training_state(path)
    assert weights(state.model) == weights(stopped) != weights(whole)
    state.model.fit(
        data_set(),
        history=state.history,
        validation_data=data_set(30, 1),
        epochs=3,
        batch_size=24,
        verbose=0,
        optimizer=optimizer,
    )
    assert weights(state.model) == weights(whole)
    assert state.history.history == whole.history.history


def test_run_directory_can_be_resumed(tmp_path):
    settings = {"optimizer": OPTIMIZERS["average"], "validation_data": data_set(30, 1)}
    whole = fitted(epochs=4, **settings)
    run = RunDirectory.create(tmp_path, "run")
    fitted(epochs=4, callbacks=[run.checkpoints(0.0), StopAt(2)], **settings)
    state = load_training_state(run.file("last.safetensors"))
    left = 4 - len(state.history)
    state.model.fit(
        data_set(), history=state.history, epochs=left, batch_size=24, verbose=0, **settings
    )
    assert 0 < left < 4
    assert weights(state.model) == weights(whole)
    assert state.history.history == whole.history.history


def test_moving_statistics_are_not_averaged():
    """Averages of weights leave them alone: with a rate of 0 they are those of plain steps."""
    plain = fitted(optimizer=nn.SGD(1e-30))
    averaged = fitted(optimizer=nn.SGD(1e-30, use_ema=True, ema_momentum=0.8))
    network = averaged._built_network()
    assert network.shows_average
    for shown in (True, False, True):
        network.show_average(shown)
        for name, value in moving(plain).items():
            assert (moving(averaged)[name] == value).all()


def test_average_is_shown_with_its_own_statistics():
    model = fitted(optimizer=OPTIMIZERS["average"])
    network = model._built_network()
    shown = moving(model)
    averages = weights(model)
    network.show_average(False)
    assert weights(model) != averages
    for name, value in moving(model).items():
        assert (value == shown[name]).all()


@pytest.mark.parametrize("loss", ["mse", "sse", "cross_entropy"])
def test_explained_step_is_one_training_step(loss):
    model, twin = nn.Sequential(layers()), nn.Sequential(layers())
    for each in (model, twin):
        each.build((7, 6, 1), seed=1)
    rng = np.random.default_rng(0)
    x, y = rng.random((10, 7, 6, 1), np.float32), np.arange(10) % 3
    step = model.explain_step(x, y, loss, nn.SGD(0.1), print=False)
    assert list(step.layer_outputs) == [
        "conv2d",
        "batch_normalization",
        "activation",
        "residual/conv2d",
        "residual/batch_normalization",
        "residual/activation",
        "residual/conv2d_1",
        "residual/conv2d_2",
        "residual",
        "layer_normalization",
        "global_average_pool2d",
        "dense",
    ]
    # The loss of each image is that of the outputs shown, and they make the loss of the batch.
    outputs, targets = step.layer_outputs["dense"].astype(np.float64), np.eye(3)[y]
    if loss == "cross_entropy":
        exact = np.log(np.exp(outputs).sum(axis=1)) - (outputs * targets).sum(axis=1)
    else:
        exact = ((outputs - targets) ** 2).sum(axis=1)
    assert step.per_sample_loss == pytest.approx(exact, rel=1e-5)
    total = step.per_sample_loss.sum() if loss == "sse" else step.per_sample_loss.mean()
    assert step.loss == pytest.approx(total, rel=1e-12)
    # Normalized by the batch: mean 0 and variance 1, gamma and beta being 1 and 0.
    normalized = step.layer_outputs["batch_normalization"]
    assert np.abs(normalized.mean(axis=(0, 1, 2))).max() < 1e-5
    twin.train_step(x, y, loss, nn.SGD(0.1))
    assert weights(model) == weights(twin)
    for name, before in step.weights_before.items():
        assert (step.weights_after[name] == model._built_network().get_parameter(name)).all()
        if "moving" in name:
            assert not step.gradients[name].any()
            assert (step.weights_after[name] != before).any()
    assert "batch_normalization/moving_mean after  (6,) float32" in str(step)


def test_loop_by_hand_is_fit():
    by_hand, fitted_model = nn.Sequential(layers()), nn.Sequential(layers())
    for each in (by_hand, fitted_model):
        each.build((7, 6, 1), seed=1)
    rng = np.random.default_rng(0)
    x, y = rng.random((30, 7, 6, 1), np.float32), np.arange(30) % 3
    for first in (0, 10, 20):
        part = slice(first, first + 10)
        by_hand.compute_gradients(x[part], y[part])
        by_hand.apply_gradients(OPTIMIZERS["adam"])
        fitted_model.train_step(x[part], y[part], optimizer=OPTIMIZERS["adam"])
    assert weights(by_hand) == weights(fitted_model)
