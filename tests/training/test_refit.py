"""A head that learns from the validation images in the end."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.training.refit import refit_head
from nncore.training.settings import TrainingSettings

SETTINGS = TrainingSettings(
    epochs=6, batch_size=8, optimizer="adam", schedule="cosine", learning_rate=0.02
)


def data(images: int, seed: int) -> nn.ImageDataset:
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % 3
    pictures = rng.integers(0, 60, (images, 8, 8, 3))
    pictures[labels == 0, ::3] += 120
    pictures[labels == 1, :, ::3] += 120
    return nn.ImageDataset.from_arrays(pictures.astype(np.uint8), labels, ["a", "b", "c"])


def model() -> nn.Sequential:
    result = nn.Sequential(
        [
            nn.Conv2D(8, 3, activation="relu", trainable=False),
            nn.GlobalAveragePool2D(),
            nn.Dense(3, kernel_regularizer=0.01, name="head"),
        ]
    )
    result.build((8, 8, 3))
    return result


def test_it_is_the_head_that_all_images_together_give():
    train, validation, one = data(40, 0), data(12, 1), model()
    one.fit(train, validation_data=validation, verbose=0, **SETTINGS.fit_arguments())
    before = one.get_weights()
    assert refit_head(one, train, validation, SETTINGS)
    after = one.get_weights()
    assert [np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [
        *(True, True),
        *(False, False),
    ]
    assert one.facts.images == 52
    pictures = np.concatenate([np.asarray(part.images) for part in (train, validation)])
    labels = np.concatenate([part.labels for part in (train, validation)])
    rows = one.through_fixed_layers(pictures, labels).images.reshape(52, -1)
    alone = nn.Sequential([nn.Dense(3, kernel_regularizer=0.01)])
    arguments = SETTINGS.fit_arguments() | {"restore_best_weights": False}
    alone.fit(rows, labels, verbose=0, **arguments)
    for ours, theirs in zip(after[2:], alone.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)


def test_not_where_the_layers_below_are_trained():
    train, validation, one = data(40, 0), data(12, 1), model()
    one.train_from("conv2d")
    before = one.get_weights()
    assert not refit_head(one, train, validation, SETTINGS)
    assert all(np.array_equal(a, b) for a, b in zip(before, one.get_weights(), strict=True))


@pytest.mark.parametrize(("images", "refit"), [(599, True), (600, None)])
def test_the_recipe_asks_for_it_where_images_are_few(images, refit):
    def settings(**asked):
        return nn.transfer_recipe(model(), data(images, 0), **asked).settings

    assert settings().get("refit") is refit
    assert settings(fine_tune=0)["refit"] is bool(refit)
    assert "refit" not in settings(validated=False)
