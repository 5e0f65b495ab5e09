"""Calibration by folds of all images, where the head alone is trained."""

import dataclasses
import signal

import numpy as np
import pytest

import nncore as nn
from nncore import kernels
from nncore.training.answers.calibration import calibration_error, calibration_of
from nncore.training.out_of_fold import calibrate_out_of_fold
from nncore.training.refit import refit_head
from nncore.training.settings import TrainingSettings

SETTINGS = TrainingSettings(
    epochs=40, batch_size=16, optimizer="adam", schedule="cosine", learning_rate=0.02
)


def data(images: int, seed: int) -> nn.ImageDataset:
    """Three classes, which cannot be told apart for sure."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % 3
    pictures = rng.integers(0, 90, (images, 8, 8, 3))
    pictures += (rng.random((images, 1, 1, 3)) * 60).astype(int)
    pictures += np.eye(3, dtype=int)[labels][:, None, None] * 16
    return nn.ImageDataset.from_arrays(pictures.astype(np.uint8), labels, ["a", "b", "c"])


def model(penalty: float = 0.0) -> nn.Sequential:
    result = nn.Sequential(
        [
            nn.Conv2D(16, 3, strides=2, activation="relu", trainable=False),
            nn.Flatten(),
            nn.Dense(3, kernel_regularizer=penalty, name="head"),
        ]
    )
    result.build((8, 8, 3))
    return result


def trained(train, val, settings=SETTINGS) -> nn.Sequential:
    one = model()
    one.fit(train, validation_data=val, verbose=0, **settings.fit_arguments())
    return one


def test_heads_that_are_too_sure_are_found_out():
    train, val, test = data(120, 0), data(24, 1), data(3000, 2)
    one = trained(train, val)
    found = calibrate_out_of_fold(one, (train, val), SETTINGS)
    assert (found.images, found.folds) == (144, 10)
    assert found.temperature > 1.3
    assert one.temperature == found.temperature
    refit_head(one, train, val, SETTINGS)
    assert one.temperature == found.temperature
    plain = calibration_error(one.predict_proba(test, calibrated=False), test.labels)
    assert calibration_error(one.predict_proba(test), test.labels) < plain / 2
    # The images that it has learned from would have said that it is not sure enough.
    same = calibration_of(one.forward(train.images), train.labels)
    assert same.temperature < 1


def test_sets_and_unknown_pictures_come_from_all_images():
    train, val, test = data(120, 0), data(24, 1), data(1500, 2)
    one = trained(train, val)
    calibrate_out_of_fold(one, (train, val), SETTINGS)
    assert one.largest_coverage == 144 / 145
    assert one.unknown["images"] == 144
    refit_head(one, train, val, SETTINGS)
    held = [
        "abc"[label] in told.set
        for label, told in zip(test.labels, one.predict(test, coverage=0.9), strict=True)
    ]
    assert 0.85 <= np.mean(held) <= 0.96
    scores = np.array([told.unknown_score for told in one.predict(test)])
    assert (scores > 1).mean() < 0.12
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[::2] = 255
    assert one.predict(stripes)[0].unknown


def test_a_head_is_judged_at_the_epoch_it_is_kept_at():
    train, val = data(120, 0), data(24, 1)
    found = {}
    for epochs in (3, 40, None):
        one = trained(train, val)
        found[epochs] = calibrate_out_of_fold(one, (train, val), SETTINGS, epochs=epochs)
    assert found[40] == found[None] != found[3]
    assert found[3].temperature < found[40].temperature  # it has not become so sure yet


def test_copies_of_an_image_are_in_one_fold():
    """Else a head that has learned an image by heart would be asked for the same one."""
    rng = np.random.default_rng(7)
    pictures = rng.integers(0, 255, (40, 8, 8, 3)).astype(np.uint8)
    labels = rng.integers(0, 3, 40)
    twice = nn.ImageDataset.from_arrays(
        np.concatenate([pictures, pictures]), np.concatenate([labels, labels]), ["a", "b", "c"]
    )
    one = trained(twice, None)
    assert one.evaluate(twice).accuracy > 0.9
    found = calibrate_out_of_fold(one, (twice,), SETTINGS)
    # Nothing can be known: as good as no certainty is left.
    assert found.temperature > 4
    assert one.predict_proba(twice).max() < 0.75


def test_a_class_of_one_image_is_not_judged():
    train = data(120, 0)
    labels = np.where(np.arange(120) == 0, 3, train.labels)
    names = ["a", "b", "c", "one"]
    train = nn.ImageDataset.from_arrays(train.images, labels, names)
    one = nn.Sequential([*(v.description for v in model().layers[:-1]), nn.Dense(4)])
    one.build((8, 8, 3))
    one.fit(train, verbose=0, **SETTINGS.fit_arguments())
    assert calibrate_out_of_fold(one, (train,), SETTINGS).images == 119
    assert one.unknown is None


@pytest.mark.parametrize("images", [49, 2001])
def test_not_of_too_few_or_too_many_images(images, monkeypatch):
    some = data(images, 0)
    one = trained(some, None, dataclasses.replace(SETTINGS, epochs=1))
    assert calibrate_out_of_fold(one, (some,), SETTINGS) is None
    assert one.temperature == 1.0


def test_not_where_the_layers_below_are_trained():
    train = data(120, 0)
    one = trained(train, None)
    one.train_from("conv2d")
    assert calibrate_out_of_fold(one, (train,), SETTINGS) is None
    below = nn.Sequential(
        [nn.Conv2D(4, 3, trainable=False), nn.Flatten(), nn.Dense(5), nn.Dense(3)]
    )
    below.build((8, 8, 3))
    below.fit(train, verbose=0, **SETTINGS.fit_arguments())
    assert calibrate_out_of_fold(below, (train,), SETTINGS) is None
    whole = nn.Sequential([nn.Flatten(), nn.Dense(3)])
    whole.build((8, 8, 3))
    whole.fit(train, verbose=0, **SETTINGS.fit_arguments())
    assert calibrate_out_of_fold(whole, (train,), SETTINGS) is None


def test_the_same_whatever_the_number_of_threads():
    train, val = data(120, 0), data(24, 1)
    before, found = nn.info()["threads"], []
    try:
        for threads in (1, 2):
            nn.set_num_threads(threads)
            one = trained(train, val)
            calibrate_out_of_fold(one, (train, val), SETTINGS)
            found.append(one.to_bytes())
    finally:
        nn.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.parametrize("call", [calibrate_out_of_fold, refit_head])
def test_ctrl_c_ends_it_and_leaves_the_model_as_it_was(call, monkeypatch):
    train, val = data(120, 0), data(24, 1)
    one = trained(train, val)
    before = one.get_weights()
    fit = nn.Sequential.fit

    def interrupted(self, *args, **kwargs):
        kwargs["callbacks"] = [
            nn.LambdaCallback(on_epoch_end=lambda *_: signal.raise_signal(signal.SIGINT))
        ]
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(nn.Sequential, "fit", interrupted)
    parts = ((train, val),) if call is calibrate_out_of_fold else (train, val)
    with pytest.raises(KeyboardInterrupt):
        call(one, *parts, SETTINGS)
    assert one.temperature == 1.0
    assert all(np.array_equal(a, b) for a, b in zip(before, one.get_weights(), strict=True))


def test_what_was_found_is_about_these_answers():
    """By hand: the heads of the folds, and their answers."""
    from nncore.data.labels.folds import stratified_folds

    train = data(60, 3)
    one = trained(train, None)
    rows = one.through_fixed_layers(train).images.reshape(60, -1)
    fold = stratified_folds(train.kept_together(), train.labels, 10, 5)
    outputs = np.empty((60, 3), np.float32)
    for number in range(10):
        rest = fold == number
        head = nn.Sequential([nn.Dense(3)])
        arguments = SETTINGS.fit_arguments() | {"restore_best_weights": False}
        head.fit(rows[~rest], train.labels[~rest], seed=5, verbose=0, **arguments)
        outputs[rest] = head.forward(rows[rest])
    found = calibrate_out_of_fold(one, (train,), SETTINGS, seed=5)
    assert found == dataclasses.replace(calibration_of(outputs, train.labels), folds=10)
    true = kernels.softmax(outputs * np.float32(1 / found.temperature))[np.arange(60), train.labels]
    kept = one._assurances.true_probabilities.descending
    assert np.allclose(kept, np.sort(true)[::-1], atol=1e-6)
