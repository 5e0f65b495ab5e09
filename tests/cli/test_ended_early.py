"""What is told where a training on a backbone ends early: each of its two steps may."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

import nncore as nn
from nncore.cli.training.ended_early import ended_early
from nncore.training.settings import TrainingSettings

SETTINGS = TrainingSettings(
    epochs=40,
    batch_size=8,
    optimizer="sgd",
    schedule="constant",
    learning_rate=20.0,
    early_stopping=2,
    head_penalty=0.01,
    max_minutes=60.0,
    fine_tune=3,
)


class StopAtTwo(nn.Callback):
    """Of each step."""

    def on_train_begin(self):
        self.epochs = 0

    def on_epoch_end(self, epoch, logs):
        self.epochs += 1
        self.model.stop_training = self.model.stop_training or self.epochs == 2


def told(settings: TrainingSettings, *callbacks: nn.Callback) -> tuple[list[str], nn.History]:
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 1), np.uint8)
    data = nn.ImageDataset.from_arrays(images, np.arange(24) % 2, ["a", "b"])
    layers = [nn.Conv2D(4, 3, trainable=False, name="low"), nn.Flatten(), nn.Dense(2, name="head")]
    model = nn.Sequential(layers)
    model.build((8, 8, 1), 0)
    common = {"validation_data": data, "verbose": 0, "callbacks": callbacks}
    history = nn.fit_transfer(model, data, settings, **common)
    return ended_early(SimpleNamespace(training=settings, model=model), history), history


def test_both_steps():
    lines, history = told(SETTINGS, StopAtTwo())
    assert len(history) == 4
    assert lines == [
        "head: stopped early at epoch 2 of 40: another one would not have been finished in time "
        "(--max-minutes)",
        "fine-tuning: stopped early at epoch 4 of 5: another one would not have been finished in "
        "time (--max-minutes)",
    ]


def test_the_head_alone():
    lines, history = told(SETTINGS)
    head = len(history) - 3
    assert lines == [
        f"head: stopped early at epoch {head} of 40: no lower validation loss for 2 epochs "
        f"(--early-stopping), the lowest was that of epoch {head - 2}"
    ]
