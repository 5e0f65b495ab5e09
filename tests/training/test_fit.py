"""`Sequential.fit`: what it learns, from which data, and what it refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nncore.data import ClassMap, ImageDataset
from nncore.errors import DataError
from nncore.layers import Dense, Flatten
from nncore.optimizers import SGD
from nncore.training.history import History
from nncore.training.model import Sequential
from small_fits import blobs, fit, small_model, weights

# -- learning


@pytest.mark.parametrize(
    ("loss", "optimizer"),
    [("cross_entropy", SGD(0.3)), ("mse", SGD(0.05)), ("sse", SGD(0.005)), ("cross_entropy", None)],
)
def test_loss_falls_and_accuracy_rises(loss, optimizer):
    model = small_model()
    history = fit(
        model, validation_data=blobs(30, 1), epochs=30, loss=loss, optimizer=optimizer, batch_size=8
    )
    assert len(history) == 30
    for name in ("loss", "val_loss"):
        assert history.history[name][-1] < 0.5 * history.history[name][0]
    assert history.history["accuracy"][-1] > 0.95
    assert history.history["val_accuracy"][-1] > 0.9
    assert model.history is history


@pytest.mark.large
@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "sse"])
@pytest.mark.parametrize("hidden", [0, 32])
def test_default_optimizer_trains_photo_sized_inputs(loss, hidden):
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    images = rng.integers(0, 200, (120, 64, 64, 3))
    images[labels == 0, :32] += 50
    images[labels == 1, 32:] += 50
    layers = [Dense(hidden, "relu")] if hidden else []
    model = Sequential([Flatten(), *layers, Dense(2)])
    history = model.fit(images.astype(np.uint8), labels, loss=loss, epochs=15, verbose=0)
    assert history.history["accuracy"][-1] > 0.9


@pytest.mark.parametrize(("images", "batch_size", "iterations"), [(96, 32, 3), (97, 32, 4)])
def test_iterations_per_epoch_round_up(images, batch_size, iterations):
    x, y = blobs(images)
    history = fit(small_model(), x=x, y=y, epochs=2)
    assert history.iterations_per_epoch == iterations
    assert len(history.iteration_loss) == 2 * iterations


def test_batch_size_is_32_by_default_and_may_exceed_the_images():
    x, y = blobs(33)
    assert fit(small_model(), x=x, y=y).iterations_per_epoch == 2
    assert fit(small_model(), x=x, y=y, batch_size=1000).iterations_per_epoch == 1


@pytest.mark.parametrize("loss", ["mse", "sse", "cross_entropy"])
def test_history_shows_means_per_image(loss):
    # With a tiny learning rate the weights stay, so that all ways to measure must agree.
    x, y = blobs(50)
    model = small_model()
    history = fit(model, x=x, y=y, validation_data=(x, y), epochs=1, loss=loss, optimizer=SGD(1e-9))
    expected = model.evaluate(x, y)
    assert history.history["loss"][0] == pytest.approx(expected.loss, rel=1e-4)
    assert history.history["val_loss"][0] == pytest.approx(expected.loss, rel=1e-4)
    assert history.history["accuracy"][0] == pytest.approx(expected.accuracy)
    assert history.history["val_accuracy"][0] == pytest.approx(expected.accuracy)
    first, last = history.iteration_loss
    assert (first * 32 + last * 18) / 50 == pytest.approx(expected.loss, rel=1e-4)


def test_one_hot_labels_give_the_same_bits():
    x, y = blobs()
    first, second = small_model(), small_model()
    fit(first, x=x, y=y)
    fit(second, x=x, y=np.eye(3)[y])
    assert weights(first) == weights(second)


def test_seed_decides_the_weights():
    models = [small_model() for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        fit(model, seed=seed)
    assert weights(models[0]) == weights(models[1])
    assert weights(models[0]) != weights(models[2])


def test_threads_and_instruction_sets_do_not_change_the_bits(same_everywhere):
    x, y = blobs(200)

    def compute():
        model = Sequential([Flatten(), Dense(300, "relu"), Dense(200, "tanh"), Dense(3)])
        history = fit(model, x=x, y=y, batch_size=64, validation_data=(x, y))
        return weights(model), history.history, model.predict_proba(x).tobytes()

    same_everywhere(compute)


def test_block_length_does_not_change_the_result(monkeypatch):
    results = []
    for seconds in (0.0, 0.05, 1e9):
        monkeypatch.setattr("nncore.training.loop._BLOCK_SECONDS", seconds)
        model = small_model()
        history = fit(model, batch_size=2)
        results.append((weights(model), history.history, history.iteration_loss))
    assert results[0] == results[1] == results[2]


def test_continuing_equals_training_at_once():
    whole, parts = small_model(), small_model()
    complete = fit(whole, epochs=5)
    history = fit(parts, epochs=2)
    assert fit(parts, epochs=3, history=history) is history
    assert weights(whole) == weights(parts)
    assert history.history == complete.history
    assert history.epoch == [1, 2, 3, 4, 5]
    assert history.iteration_loss == complete.iteration_loss


def test_continuing_is_not_a_repeat():
    # A learning rate so small that equal shuffles would give equal losses per iteration.
    model = small_model()
    settings = {"epochs": 1, "batch_size": 8, "optimizer": SGD(1e-12)}
    first, second = fit(model, **settings), fit(model, **settings)
    assert np.abs(np.subtract(first.iteration_loss, second.iteration_loss)).max() > 1e-3


def test_first_fit_builds_with_its_seed():
    model, built = small_model(), small_model()
    built.build((4, 4, 1), seed=7)
    fit(model, epochs=1, seed=7)
    fit(built, epochs=1, seed=7)
    assert weights(model) == weights(built)


# -- data sets


def data_set(n=60, seed=0, classes=("cat", "dog", "owl")):
    x, y = blobs(n, seed)
    return ImageDataset.from_arrays(x, np.array(classes)[y].tolist(), classes=list(classes))


def test_data_set_gives_classes_and_preprocessing():
    data = data_set()
    model = small_model()
    model.fit(data, epochs=1, verbose=0)
    assert model.classes == data.classes
    assert model.preprocessing == data.preprocessing


def test_classes_of_arrays_are_numbers():
    model = small_model()
    fit(model, epochs=1)
    assert model.classes == ClassMap(("0", "1", "2"))


def test_validation_classes_are_matched_by_name():
    x, y = blobs(60)
    train = data_set()
    swapped = ImageDataset.from_arrays(
        x, np.array(["cat", "dog", "owl"])[y].tolist(), classes=["owl", "dog", "cat"]
    )
    model = small_model()
    history = model.fit(train, validation_data=swapped, epochs=20, verbose=0, batch_size=8)
    assert history.history["val_accuracy"][-1] > 0.9
    assert model.evaluate(swapped).accuracy == model.evaluate(train).accuracy


def test_normalization_of_the_data_set_reaches_the_network():
    x, y = blobs()
    plain = ImageDataset.from_arrays(x, y)
    normal = dataclasses.replace(
        plain, preprocessing=dataclasses.replace(plain.preprocessing, mean=(0.25,), std=(0.5,))
    )
    by_hand = (x / np.float32(255) - np.float32(0.25)) / np.float32(0.5)
    first, second, third = small_model(), small_model(), small_model()
    first.fit(normal, verbose=0)
    second.fit(by_hand, y, verbose=0)
    third.fit(plain, verbose=0)
    assert np.allclose(first.get_weights()[0], second.get_weights()[0], atol=1e-4)
    assert not np.allclose(first.get_weights()[0], third.get_weights()[0], atol=1e-3)


def test_normalization_is_that_of_the_training_data():
    data = data_set()
    model = small_model()
    model.fit(data, epochs=1, verbose=0)
    other = data_set()
    other.preprocessing = dataclasses.replace(other.preprocessing, mean=(0.4,), std=(0.1,))
    assert model.evaluate(other).loss == model.evaluate(data).loss


def test_number_of_classes_and_outputs_must_agree():
    with pytest.raises(ValueError, match=r"3 classes.*'dense_1' has 4 outputs"):
        small_model(4).fit(data_set(), verbose=0)


@pytest.mark.parametrize("where", ["train", "validation"])
def test_unknown_classes_list_both_sides(where):
    model = small_model()
    model.fit(data_set(), epochs=1, verbose=0)
    other = data_set(classes=("cat", "dog", "fox"))
    train, validation = (other, None) if where == "train" else (data_set(), other)
    with pytest.raises(DataError, match=r"does not know: 'fox'.*'cat', 'dog', 'owl'"):
        model.fit(train, validation_data=validation, verbose=0)


def test_other_preprocessing_is_refused():
    model = small_model()
    model.fit(data_set(), epochs=1, verbose=0)
    other = data_set()
    other.preprocessing = dataclasses.replace(other.preprocessing, alpha_background=(0, 0, 0))
    assert model.evaluate(other).images == len(
        other
    )  # how arrays were made, only their maker knows
    other.digests = [b""] * len(other)  # as if it came from files
    for use in (model.evaluate, model.fit, model.predict):
        with pytest.raises(DataError, match="alpha_background"):
            use(other)


# -- bad input


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, not 0"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be a whole number, not 2.0"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1, not 0"),
        ({"epochs": None}, TypeError, "epochs must be a whole number"),
        ({"loss": "hinge"}, ValueError, "known: mse, sse, cross_entropy"),
        ({"optimizer": 0.1}, TypeError, "optimizer must be one such as SGD"),
        ({"seed": -1}, ValueError, "seed must be from 0"),
        ({"seed": 1.5}, TypeError, "seed must be a whole number"),
        ({"seed": 2**63}, ValueError, "seed must be from 0"),
        ({"verbose": 3}, ValueError, "verbose must be"),
        ({"callbacks": [print]}, TypeError, "callbacks must be Callback objects"),
        ({"history": History("mse")}, ValueError, "record of mse, which cross_entropy cannot"),
        ({"validation_data": 3}, TypeError, "validation_data must be"),
        ({"validation_data": (np.zeros((2, 4, 4), np.uint8), [0])}, ValueError, "validation_data"),
        ({"validation_data": (np.zeros((2, 5, 4), np.uint8), [0, 1])}, ValueError, "validation_d"),
        ({"validation_data": (np.zeros((0, 4, 4), np.uint8), [])}, DataError, "holds no image"),
    ],
)
def test_bad_settings_leave_the_model_unbuilt(settings, kind, message):
    model = small_model()
    with pytest.raises(kind, match=message):
        fit(model, **settings)
    assert not model.built


@pytest.mark.parametrize(
    ("x", "y", "kind", "message"),
    [
        (np.zeros((2, 4, 4), np.uint8), [0, 3], ValueError, r"y\[1\] is 3"),
        (np.zeros((2, 4, 4), np.uint8), [0, 1, 2], ValueError, "2 images but 3 labels"),
        (np.zeros((2, 4, 4), np.uint8), None, TypeError, "labels y are missing"),
        (np.full((2, 4, 4), np.nan), [0, 1], ValueError, r"x\[0\] holds NaN"),
        (np.zeros((0, 4, 4), np.uint8), [], ValueError, "holds no image"),
        (np.zeros((2, 4, 4), np.int32), [0, 1], TypeError, "must be uint8"),
    ],
)
def test_bad_data_leaves_the_model_unbuilt(x, y, kind, message):
    model = small_model()
    with pytest.raises(kind, match=message):
        model.fit(x, y, verbose=0)
    assert not model.built


def test_labels_beside_a_data_set_are_refused():
    with pytest.raises(TypeError, match="leave y out"):
        small_model().fit(data_set(), [0, 1])


def test_images_of_another_shape_than_the_network():
    model = small_model()
    model.build((5, 5, 1))
    with pytest.raises(ValueError, match=r"\(N, 5, 5, 1\).*not \(96, 4, 4\)"):
        fit(model)
