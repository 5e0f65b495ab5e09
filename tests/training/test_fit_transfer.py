"""A pretrained network trained further: its head, then its upper layers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import nncore as nn
from nncore.training import transfer
from nncore.training.recipes import transfer as recipes
from nncore.training.settings import TrainingSettings

SETTINGS = TrainingSettings(
    epochs=6, batch_size=8, optimizer="adam", schedule="cosine", learning_rate=0.02
)


def data(images: int = 60, seed: int = 0, noise: int = 60) -> nn.ImageDataset:
    """Stripes that lie, stand, or are not there."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % 3
    pictures = rng.integers(0, noise, (images, 8, 8, 3))
    pictures[labels == 0, ::3] += 120
    pictures[labels == 1, :, ::3] += 120
    return nn.ImageDataset.from_arrays(pictures.astype(np.uint8), labels, ["a", "b", "c"])


def model(seed: int = 0) -> nn.Sequential:
    """Two fixed convolutions, whose weights somebody may have trained, and a head."""
    result = nn.Sequential(
        [
            nn.Conv2D(8, 3, activation="relu", trainable=False, name="low"),
            nn.Conv2D(12, 3, activation="relu", trainable=False, name="high"),
            nn.GlobalAveragePool2D(name="features"),
            nn.Dense(3, name="head"),
        ]
    )
    result.build((8, 8, 3), seed)
    return result


def weights(one: nn.Sequential) -> list[bytes]:
    return [array.tobytes() for array in one.get_weights()]


def fit(one: nn.Sequential, **changes) -> nn.History:
    settings = dataclasses.replace(SETTINGS, **changes)
    return nn.fit_transfer(one, data(), settings, validation_data=data(30, 1), verbose=0)


def test_words_and_a_callback_without_a_list():
    class Count(nn.Callback):
        fits = 0

        def on_train_begin(self):
            self.fits += 1

    callback, one, other = Count(), model(), model()
    settings = dataclasses.replace(SETTINGS, optimizer="Adam", fine_tune=2, head_penalty=0.01)
    common = {"validation_data": data(30, 1), "verbose": 0}
    nn.fit_transfer(one, data(), settings, callbacks=callback, **common)
    assert callback.fits == 2
    fit(other, fine_tune=2, head_penalty=0.01)
    assert weights(one) == weights(other)
    with pytest.raises(TypeError, match="callbacks must be Callback objects, as a list"):
        nn.fit_transfer(model(), data(), settings, callbacks=print, **common)


def test_the_head_alone_is_a_plain_fit():
    one, other = model(), model()
    history = fit(one, head_penalty=0.01)
    other.change_layer("head", kernel_regularizer=nn.L2(0.01))
    other.fit(data(), validation_data=data(30, 1), verbose=0, **SETTINGS.fit_arguments())
    assert weights(one) == weights(other)
    assert len(history) == 6
    assert history.history == other.history.history
    assert history.by_accuracy


def test_then_the_upper_layers_from_where_the_head_stands():
    one = model()
    before = weights(one)
    history = fit(one, head_penalty=0.01, fine_tune=3, fine_tune_from="high", fine_tune_rate=0.01)
    assert len(history) == 9
    rates = history.learning_rate
    schedule = nn.OneCycle(0.01)
    assert rates[6:] == pytest.approx([schedule.rate(step, 24) for step in (7, 15, 23)])
    after = weights(one)
    assert after[:2] == before[:2]
    assert history.best_epoch() > 6
    assert after[2] != before[2]
    assert [view.description.trainable for view in one.layers[:2]] == [False, True]


def test_what_is_not_better_is_not_kept():
    one, head = model(), model()
    # A rate that ruins it.
    history = fit(one, head_penalty=0.01, fine_tune=2, fine_tune_from="low", fine_tune_rate=0.8)
    fit(head, head_penalty=0.01)
    assert len(history) == 8
    assert history.best_epoch() <= 6
    assert weights(one) == weights(head)
    assert [view.description.trainable for view in one.layers[:2]] == [False, False]


def test_a_time_that_is_up_ends_it_and_says_so():
    told = []
    one = model()
    settings = dataclasses.replace(
        SETTINGS, head_penalty=0.01, fine_tune=2, fine_tune_from="low", max_minutes=1e-9
    )
    history = nn.fit_transfer(
        one, data(), settings, validation_data=data(30, 1), verbose=0, tell=told.append
    )
    assert len(history) <= 1
    assert told == ["fine-tuning is left out: the time is up (--max-minutes)"]


def test_without_validation_there_is_no_second_step():
    one = model()
    settings = dataclasses.replace(SETTINGS, head_penalty=0.01, fine_tune=2, fine_tune_from="low")
    assert len(nn.fit_transfer(one, data(), settings, verbose=0)) == 6


@pytest.mark.parametrize("noise", [60, 250])
def test_the_penalty_is_the_one_of_the_best_folds(noise):
    """The same by hand: scores of each penalty over five folds, made of public parts."""
    images = data(50, 2, noise)
    one = model()
    one.fit(images, epochs=1, verbose=0)  # the head is made anew for each fold
    chosen = transfer.choose_penalty(one, images, SETTINGS, verbose=0)
    rows = one.through_fixed_layers(images).images.reshape(50, -1)
    assert rows.shape == (50, 12)
    fold = transfer._folds(images.labels, 0)
    assert [np.bincount(images.labels[fold == k]).tolist() for k in range(5)].count([3, 3, 4]) <= 5
    scores = {}
    for penalty in transfer.PENALTIES:
        wrong, loss = 0, 0.0
        for k in range(5):
            head = nn.Sequential([nn.Dense(3, kernel_regularizer=penalty)])
            arguments = SETTINGS.fit_arguments() | {"restore_best_weights": False}
            head.fit(rows[fold != k], images.labels[fold != k], verbose=0, **arguments)
            found = head.predict_proba(rows[fold == k])
            truth = images.labels[fold == k]
            wrong += int((found.argmax(axis=1) != truth).sum())
            loss -= np.log(found[np.arange(len(truth)), truth].astype(float)).sum()
        scores[penalty] = (wrong, loss)
    assert chosen == min(scores, key=scores.get)


def test_folds_have_their_part_of_every_class():
    labels = np.array([0] * 11 + [1] * 5 + [2] * 2)
    fold = transfer._folds(labels, 3)
    counts = np.array([[np.sum((fold == k) & (labels == c)) for c in range(3)] for k in range(5)])
    assert (counts[:, 1] == 1).all()
    assert counts[:, 0].min() >= 2
    assert counts.sum(axis=1).max() - counts.sum(axis=1).min() <= 1
    assert (fold == transfer._folds(labels, 3)).all()
    assert (fold != transfer._folds(labels, 4)).any()


def test_a_model_without_fixed_layers_has_the_usual_penalty():
    one = nn.Sequential([nn.Flatten(), nn.Dense(3)])
    one.build((8, 8, 3))
    assert transfer.choose_penalty(one, data(), SETTINGS, verbose=0) == transfer.DEFAULT_PENALTY


def test_two_images_are_enough_to_run():
    images = data(3).subset([0, 1])
    one = model()
    history = nn.fit_transfer(one, images, SETTINGS, verbose=0)
    assert len(history) == 6


# -- the recipe


def recipe(images: int, **arguments) -> nn.Recipe:
    labels = np.arange(images) % 3
    pictures = np.zeros((images, 8, 8, 3), np.uint8)
    train = nn.ImageDataset.from_arrays(pictures, labels, ["a", "b", "c"])
    return nn.transfer_recipe(model(), train, **arguments)


def test_few_images_train_the_head_alone():
    one = recipe(recipes.ENOUGH_TO_FINE_TUNE - 1)
    assert one.settings["fine_tune"] == 0
    assert "fewer than 600 images" in one.reasons["fine_tune"]
    assert one.notes == ()
    assert set(one.settings) == set(one.reasons)
    assert TrainingSettings(**one.settings).fit_arguments()["epochs"] == recipes.EPOCHS
    assert recipe(99, fine_tune=2).settings["fine_tune"] == 2
    (note,) = recipe(28).notes
    assert note.startswith("little data: class 'b' has 9 training images.")


def test_many_classes_of_few_images_train_the_head_alone():
    labels = np.arange(1000) % 200
    pictures = np.zeros((1000, 8, 8, 3), np.uint8)
    train = nn.ImageDataset.from_arrays(pictures, labels, [f"c{k}" for k in range(200)])
    one = nn.transfer_recipe(model(), train)
    assert one.settings["fine_tune"] == 0
    assert "fewer than 600 images, or than 20 of each class" in one.reasons["fine_tune"]
    assert one.settings["refit"]


def test_many_images_train_as_deep_as_time_allows():
    images = recipes.ENOUGH_TO_FINE_TUNE
    # Of an image: 36 positions of 3x3x3 -> 8, then 16 of 3x3x8 -> 12.
    low, high = 36 * 27 * 8, 16 * 72 * 12
    per_minute = recipes._FINE_TUNING_PER_MINUTE
    steps = 3 * images * recipes.FINE_TUNE_EPOCHS
    whole = recipe(images)
    assert whole.settings["fine_tune_from"] == "low"
    assert whole.multiply_adds == pytest.approx(images * (low + high) + steps * (low + high))
    upper = recipe(images, minutes=1.01 * steps * high / per_minute)
    assert upper.settings["fine_tune_from"] == "high"
    assert upper.multiply_adds == pytest.approx(images * (low + high) + steps * high)
    never = recipe(images, minutes=0.99 * steps * high / per_minute)
    assert never.settings["fine_tune"] == 0
    assert "too long (--max-minutes)" in never.reasons["fine_tune"]
    asked = recipe(images, minutes=1e-9, fine_tune=3)
    assert (asked.settings["fine_tune"], asked.settings["fine_tune_from"]) == (3, "high")


def test_what_is_asked_for_holds():
    one = recipe(900, epochs=7, fine_tune=2, fine_tune_from="high")
    assert {name: one.settings[name] for name in ("epochs", "fine_tune", "fine_tune_from")} == {
        "epochs": 7,
        "fine_tune": 2,
        "fine_tune_from": "high",
    }
    assert recipe(900, fine_tune=0).settings["fine_tune"] == 0
    assert recipe(900, validated=False).settings["fine_tune"] == 0
    with pytest.raises(ValueError, match="no layer is called 'top'; there are: low, high"):
        recipe(900, fine_tune_from="top")
    with pytest.raises(ValueError, match="fine_tune must be at least 0"):
        recipe(10, fine_tune=-1)


@pytest.mark.parametrize(
    ("images", "side", "suits"),
    [(500, 64, True), (500, 63, False), (19_999, 300, True), (20_000, 300, False)],
)
def test_which_pictures_ask_for_a_pretrained_network(images, side, suits):
    assert recipes.suits_a_backbone(images, side) is suits
