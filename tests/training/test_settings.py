"""`TrainingSettings`: what words and numbers become as arguments of `fit`."""

from __future__ import annotations

import pytest

import nncore as nn
from nncore.optimizers import OPTIMIZERS
from nncore.training.settings import SCHEDULES, TrainingSettings

pytestmark = pytest.mark.every_isa

PLAIN = {"epochs": 3, "batch_size": 8, "optimizer": "sgd", "schedule": "constant"}


def default(loss: str, batch_size: int) -> nn.SGD:
    assert (loss, batch_size) == ("cross_entropy", 8)
    return nn.SGD(0.1)


def test_plain_sgd():
    fit = TrainingSettings(**PLAIN).fit_arguments(default)
    assert fit == {
        "epochs": 3,
        "batch_size": 8,
        "optimizer": nn.SGD(0.1),
        "label_smoothing": 0.0,
        "augmentation": None,
        "class_weight": None,
        "callbacks": [],
        "restore_best_weights": True,
    }


@pytest.mark.parametrize(
    ("settings", "optimizer"),
    [
        ({"learning_rate": 0.3}, nn.SGD(0.3)),
        ({"momentum": 0.75}, nn.SGD(0.025, momentum=0.75)),  # each gradient counts four times
        ({"momentum": 0.75, "learning_rate": 0.3}, nn.SGD(0.3, momentum=0.75)),
        ({"optimizer": "adamw"}, nn.AdamW()),
        ({"optimizer": "adam", "weight_decay": 0.5}, nn.Adam(weight_decay=0.5)),
        ({"optimizer": "rmsprop", "momentum": 0.5}, nn.RMSprop(momentum=0.5)),
        ({"schedule": "cosine"}, nn.SGD(nn.CosineDecay(0.1))),
        ({"schedule": "step", "warmup": 1.5}, nn.SGD(nn.Warmup(nn.StepDecay(0.1), 15))),
        ({"warmup": 0.01}, nn.SGD(nn.Warmup(0.1, 1))),
    ],
)
def test_optimizers(settings, optimizer):
    made = TrainingSettings(**PLAIN | settings).make_optimizer(default, images=73)
    assert made == optimizer


def test_every_word_is_understood():
    for optimizer in OPTIMIZERS:
        for schedule in SCHEDULES:
            words = {"optimizer": optimizer, "schedule": schedule}
            made = TrainingSettings(**PLAIN | words).make_optimizer(default)
            assert type(made).__name__.lower() == optimizer


def test_what_is_not_said_is_named():
    with pytest.raises(ValueError, match="optimizer is not set"):
        TrainingSettings(schedule="constant").make_optimizer()
    with pytest.raises(ValueError, match="schedule is not set"):
        TrainingSettings(optimizer="adam").make_optimizer()
    with pytest.raises(ValueError, match="learning_rate is not set"):
        TrainingSettings(**PLAIN).make_optimizer()
    with pytest.raises(ValueError, match="the number of images is not set"):
        TrainingSettings(**PLAIN, warmup=1).make_optimizer(default)


def test_what_ends_training_early():
    stop, limit = TrainingSettings(early_stopping=4, max_minutes=1.5).make_callbacks()
    assert isinstance(stop, nn.EarlyStopping)
    assert stop.patience == 4
    assert isinstance(limit, nn.TimeLimit)
    assert TrainingSettings(early_stopping=0).make_callbacks() == []


def test_changes_of_images():
    assert TrainingSettings().augmentation is None
    assert TrainingSettings(augment="off", fill=7).augmentation is None
    light = TrainingSettings(augment="light", erase=0.5, rotation=0.0).augmentation
    assert light.fill == "edge"
    assert (light.shift, light.rotation, light.erase) == (0.05, 0.0, 0.5)
    assert TrainingSettings(shift=0.1, fill="reflect").augmentation.fill == "reflect"


def test_filling_in_leaves_what_is_said():
    said = TrainingSettings(epochs=2, horizontal_flip=False, early_stopping=0)
    filled = said.filled({"epochs": 9, "horizontal_flip": True, "early_stopping": 9, "width": 8})
    assert filled == TrainingSettings(epochs=2, horizontal_flip=False, early_stopping=0, width=8)
    assert said.width is None
