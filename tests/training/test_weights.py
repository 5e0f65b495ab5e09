"""Class weights and sample weights.

N images, K classes.
"""

from __future__ import annotations

import numpy as np
import pytest

import nncore
from nncore import _core
from nncore.data import ClassMap, ImageDataset
from nncore.layers import Dense
from nncore.optimizers import SGD
from nncore.training.history import History
from nncore.training.images.weights import class_weights, image_weights
from nncore.training.model import Sequential

CLASSES = ClassMap(("cat", "dog", "other"))
LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2], np.int32)
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(10, 4)).astype(np.float32)


def fitted(**settings):
    model = Sequential([Dense(3)])
    settings = {"epochs": 1, "verbose": 0, "batch_size": 10, "optimizer": SGD(0.5)} | settings
    history = model.fit(INPUTS, LABELS, **settings)
    return model, history


def one_step(weights, loss):
    """float64: kernel, bias and loss after and before one step from the weights of seed 0."""
    model = Sequential([Dense(3)])
    model.build(4, seed=0)
    kernel, bias = (array.astype(np.float64) for array in model.get_weights())
    outputs = INPUTS.astype(np.float64) @ kernel + bias
    targets = np.eye(3)[LABELS]
    if loss == "cross_entropy":
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        losses = -np.log((probabilities * targets).sum(axis=1))
        delta = probabilities - targets
    else:
        losses = ((outputs - targets) ** 2).sum(axis=1)
        delta = 2 * (outputs - targets)
    size = 1 if loss == "sse" else len(LABELS)
    delta = delta * np.asarray(weights, np.float64)[:, np.newaxis] / size
    rate = 0.02
    kernel -= rate * INPUTS.T.astype(np.float64) @ delta
    return kernel, bias - rate * delta.sum(axis=0), (losses * weights).mean()


# -- the numbers


@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "sse"])
def test_loss_and_step_are_those_of_float64(loss, isa):
    own = RNG.uniform(0, 3, 10)
    model, history = fitted(
        loss=loss, optimizer=SGD(0.02), class_weight={"1": 2.5, 2: 4}, sample_weight=own
    )
    weights = own * np.array([1, 2.5, 4])[LABELS]
    kernel, bias, mean = one_step(weights, loss)
    before, _ = (array.astype(np.float64) for array in _initial())
    # Errors against the size of the step, so that a wrong gradient cannot hide in the weights.
    step = np.abs(kernel - before).max()
    assert np.abs(model.get_weights()[0] - kernel).max() < 1e-5 * step + 1e-7
    assert np.abs(model.get_weights()[1] - bias).max() < 1e-5 * step + 1e-7
    # The record is per image for sse as well.
    assert history.history["loss"] == [pytest.approx(mean, rel=1e-5)]


def _initial():
    model = Sequential([Dense(3)])
    model.build(4, seed=0)
    return model.get_weights()


def test_without_weights_the_bits_stay():
    plain, _ = fitted(epochs=3, batch_size=4)
    for settings in ({"class_weight": {}}, {"sample_weight": np.ones(10)}):
        weighted, _ = fitted(epochs=3, batch_size=4, **settings)
        for a, b in zip(plain.get_weights(), weighted.get_weights(), strict=True):
            assert a.tobytes() == b.tobytes()


def test_weights_go_with_their_images_through_the_shuffle():
    """In batches of one, images of weight 0 make no step, and the others make theirs."""
    model, _ = fitted(batch_size=1, seed=3, class_weight={"0": 0})
    twin = Sequential([Dense(3)])
    twin.build(4, seed=3)
    for image in _core.shuffled_indices(3, 0, 10):
        if LABELS[image] != 0:
            twin.train_step(
                INPUTS[image : image + 1], LABELS[image : image + 1], optimizer=SGD(0.5)
            )
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_validation_and_evaluation_are_not_weighted():
    settings = {"class_weight": "balanced", "sample_weight": np.arange(10.0)}
    model, history = fitted(validation_data=(INPUTS, LABELS), **settings)
    plain = Sequential([Dense(3)])
    plain.build(4)
    plain.set_weights(model.get_weights())
    expected = plain.evaluate(INPUTS, LABELS).loss
    assert history.history["val_loss"] == [expected]
    assert model.evaluate(INPUTS, LABELS).loss == expected
    assert history.history["loss"] != [expected]
    assert history.weighted
    assert not fitted()[1].weighted
    assert History.from_dict(history.to_dict()).weighted
    (legend,) = [axes.get_legend() for axes in history.plot().axes if "Loss" in axes.get_title()]
    assert legend.get_texts()[0].get_text() == "training, weighted"


def test_balanced_weights_help_the_rare_class():
    rng = np.random.default_rng(1)
    labels = np.array([0] * 190 + [1] * 10)
    images = rng.normal(size=(200, 2)).astype(np.float32) + 1.2 * labels[:, None]
    recalls = []
    for class_weight in (None, "balanced"):
        model = Sequential([Dense(2)])
        model.fit(
            images.astype(np.float32), labels, epochs=40, verbose=0, class_weight=class_weight
        )
        recalls.append(model.evaluate(images.astype(np.float32), labels).per_class[1].recall)
    assert recalls[1] > recalls[0] + 0.3, recalls


def test_a_data_set_brings_its_names():
    images = RNG.integers(0, 256, (10, 2, 2, 1), dtype=np.uint8)
    data = ImageDataset.from_arrays(images, [CLASSES.name(k) for k in LABELS], CLASSES.names)
    model = Sequential([nncore.Flatten(), Dense(3)])
    model.fit(data, epochs=1, verbose=0, class_weight={"dog": 3, 2: 5})
    assert model.facts.class_weight == {"cat": 1.0, "dog": 3.0, "other": 5.0}
    assert not model.facts.sample_weight


# -- what the arguments stand for


def test_balanced_is_that_of_scikit_learn():
    compute = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    expected = compute("balanced", classes=np.arange(3), y=LABELS)
    actual = class_weights("balanced", LABELS, CLASSES)
    assert list(actual) == list(CLASSES.names)
    np.testing.assert_allclose(list(actual.values()), expected)
    assert image_weights(actual, None, LABELS).mean() == pytest.approx(1)


def test_balanced_passes_over_a_class_without_images():
    actual = class_weights("balanced", LABELS[:9], CLASSES)
    assert actual == {"cat": 0.75, "dog": 1.5, "other": 1.0}


def test_no_weights():
    assert class_weights(None, LABELS, CLASSES) is None
    assert image_weights(None, None, LABELS) is None


def test_image_weights_are_products():
    weights = image_weights({"cat": 1, "dog": 2, "other": 3}, range(10), LABELS)
    assert weights.dtype == np.float32
    assert weights.tolist() == [0, 1, 2, 3, 4, 5, 12, 14, 16, 27]


@pytest.mark.parametrize(
    ("class_weight", "error", "words"),
    [
        ("even", ValueError, 'must be "balanced" or a mapping'),
        ([1, 2, 3], TypeError, 'must be "balanced" or a mapping'),
        ({"bird": 1}, ValueError, "unknown class 'bird'; known: 'cat', 'dog', 'other'"),
        ({3: 1}, ValueError, "class 3, outside 0 to 2"),
        ({"dog": 1, 1: 2}, ValueError, "'dog' twice"),
        ({1.5: 1}, TypeError, "names or numbers"),
        ({True: 1}, TypeError, "names or numbers"),
        ({"cat": -1}, ValueError, "at least 0, not -1"),
        ({"cat": float("nan")}, ValueError, "finite"),
        ({"cat": "2"}, TypeError, "must be a number, not '2'"),
    ],
)
def test_bad_class_weights(class_weight, error, words):
    with pytest.raises(error, match=words):
        class_weights(class_weight, LABELS, CLASSES)


@pytest.mark.parametrize(
    ("sample_weight", "error", "words"),
    [
        (np.ones(9), ValueError, r"shape \(10,\), one weight per image, not \(9,\)"),
        (np.ones((10, 1)), ValueError, r"not \(10, 1\)"),
        (["1"] * 10, TypeError, "must be numbers"),
        ([True] * 10, TypeError, "must be numbers"),
        ([1.0] * 9 + [-1], ValueError, r"sample_weight\[9\]"),
        ([np.nan] + [1.0] * 9, ValueError, r"sample_weight\[0\] must be finite"),
        (np.zeros(10), ValueError, "every image the weight 0"),
        ([1e300] * 10, ValueError, "weight of image 0 is too large"),
    ],
)
def test_bad_sample_weights(sample_weight, error, words):
    with pytest.raises(error, match=words):
        fitted(sample_weight=sample_weight)


def test_the_core_refuses_what_is_not_exactly_right():
    builder = _core.Builder((4,))
    builder.add_dense("dense", 3)
    network = builder.build(0)

    def train(weights):
        order = np.arange(10, dtype=np.int32)
        network.train_steps(
            INPUTS, LABELS, order, 5, "mse", _core.Optimizer(0.1), sample_weight=weights
        )

    train(np.ones(10, np.float32))
    with pytest.raises(TypeError, match="sample_weight must have dtype float32"):
        train(np.ones(10))
    with pytest.raises(ValueError, match=r"one weight per image \(10\), got shape \(9,\)"):
        train(np.ones(9, np.float32))
    with pytest.raises(ValueError, match=r"sample_weight\[0\] must be finite"):
        train(np.full(10, -1, np.float32))
