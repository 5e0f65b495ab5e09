"""Label smoothing and focal loss in training, and the top-k accuracy."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore import _core


def blobs(n=96, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(0, 120, (n, 4, 4))
    images[np.arange(n), labels] += 90
    return images.astype(np.uint8), labels


def small_model():
    return nn.Sequential([nn.Flatten(), nn.Dense(8, "relu"), nn.Dense(3)])


def weights(model):
    return [array.tobytes() for array in model.get_weights()]


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_smoothing_labels_is_training_on_smooth_rows(loss):
    x, y = blobs()
    order = np.arange(96, dtype=np.int32)
    rows = np.eye(3, dtype=np.float32)[y] * np.float32(0.7) + np.float32(0.1)
    results = []
    for targets, smoothing in (
        (y.astype(np.int32), 0.3),
        (np.eye(3, dtype=np.float32)[y], 0.3),
        (rows, 0.0),
        (y.astype(np.int32), 0.0),
    ):
        model = small_model()
        model.build((4, 4, 1))
        network = model._built_network()
        losses, correct = network.train_steps(
            x[..., None], targets, order, 16, loss, _core.Optimizer(0.1), label_smoothing=smoothing
        )
        again = network.compute_gradients(x[..., None], targets, loss, label_smoothing=smoothing)
        results.append((losses, correct, again))
    labels, one_hot, smooth, sharp = results
    assert (labels[0] == one_hot[0]).all()
    assert labels[0] == pytest.approx(smooth[0], rel=1e-5)
    assert labels[2] == pytest.approx(smooth[2], rel=1e-5)
    assert labels[1].tolist() == smooth[1].tolist()
    assert np.abs(labels[0] - sharp[0]).max() > 1e-3
    assert abs(labels[2] - sharp[2]) > 1e-3


def test_smoothing_leaves_the_validation_alone():
    x, y = blobs()
    model = small_model()
    settings = {"validation_data": (x, y), "epochs": 1, "verbose": 0, "optimizer": nn.SGD(1e-9)}
    history = model.fit(x, y, label_smoothing=0.2, **settings)
    report = model.evaluate(x, y)
    assert history.history["val_loss"][0] == pytest.approx(report.loss)
    probabilities = model.predict_proba(x).astype(np.float64)
    smooth = np.eye(3)[y] * 0.8 + 0.2 / 3
    expected = -(smooth * np.log(probabilities)).sum(axis=1).mean()
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_smoothing_keeps_the_network_less_sure(loss):
    sure = []
    for smoothing in (0.0, 0.3):
        model = small_model()
        model.fit(
            *blobs(), epochs=60, batch_size=8, loss=loss, label_smoothing=smoothing, verbose=0
        )
        assert model.evaluate(*blobs(30, 1)).accuracy > 0.9
        sure.append(model.predict_proba(blobs(30, 1)[0]).max(axis=1).mean())
    assert sure[1] < sure[0] - 0.05


def test_focal_loss_is_reported_per_image():
    x, y = blobs()
    model = small_model()
    history = model.fit(x, y, validation_data=(x, y), loss="focal", epochs=20, verbose=0)
    p = model.predict_proba(x)[np.arange(96), y].astype(np.float64)
    expected = -((1 - p) ** 2 * np.log(p)).mean()
    assert model.evaluate(x, y).loss == pytest.approx(expected, rel=1e-4)
    assert history.history["val_loss"][-1] == pytest.approx(expected, rel=1e-4)
    assert history.history["accuracy"][-1] > 0.9


def test_focal_loss_takes_a_softmax_layer_for_logits():
    x, y = blobs()
    plain = small_model()
    with_softmax = nn.Sequential(
        [nn.Flatten(), nn.Dense(8, "relu"), nn.Dense(3, activation="softmax")]
    )
    for model in (plain, with_softmax):
        model.fit(x, y, loss="focal", epochs=2, verbose=0)
    assert weights(plain) == weights(with_softmax)
    assert plain.predict_proba(x) == pytest.approx(with_softmax.predict_proba(x), abs=1e-6)


def test_focal_loss_in_the_explanation():
    x, y = blobs(4)
    model = small_model()
    model.build((4, 4, 1))
    step = model.explain_step(x, y, "focal", print=False)
    assert "focal loss of each image" in str(step)
    assert step.loss == pytest.approx(step.per_sample_loss.mean())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_smoothing": 1.0}, "label_smoothing must be .* below 1"),
        ({"label_smoothing": -0.1}, "label_smoothing must be .* at least 0"),
        ({"label_smoothing": 0.1, "loss": "mse"}, "for cross_entropy and focal, not mse"),
    ],
)
def test_bad_smoothing(settings, message):
    with pytest.raises(ValueError, match=message):
        small_model().fit(*blobs(), verbose=0, **settings)


def test_top_k_accuracy():
    scores = np.array([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.4, 0.4, 0.2], [0.4, 0.4, 0.2]])
    labels = [2, 1, 0, 1]
    # Ranks of the true classes: 2, 3, 1 and (of equals the lower number comes first) 2.
    assert [nn.top_k_accuracy(labels, scores, k) for k in (1, 2, 3)] == [0.25, 0.75, 1.0]
    model = small_model()
    x, y = blobs()
    model.fit(x, y, epochs=3, verbose=0)
    probabilities = model.predict_proba(x)
    assert nn.top_k_accuracy(y, probabilities, 1) == model.evaluate(x, y).accuracy
    assert nn.top_k_accuracy(y, probabilities, 3) == 1.0


@pytest.mark.parametrize(
    ("labels", "scores", "k", "message"),
    [
        ([0], [[0.5, 0.5]], 3, "k must be from 1 to 2"),
        ([2], [[0.5, 0.5]], 1, "labels must be from 0 to 1"),
        ([0, 1], [[0.5, 0.5]], 1, r"not \(2,\) and \(1, 2\)"),
        ([0], [[np.nan, 0.5]], 1, "NaN"),
    ],
)
def test_top_k_accuracy_refuses(labels, scores, k, message):
    with pytest.raises(ValueError, match=message):
        nn.top_k_accuracy(labels, scores, k)
