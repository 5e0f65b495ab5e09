"""Trainings whose outcome is one line each; a script for one process or several.

python fits.py NAME...
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

import nncore as nn
from nncore.training.settings import TrainingSettings


def pictures(images: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Stripes that lie, stand, or are not there."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % 3
    x = rng.integers(0, 100, (images, 8, 8, 3))
    x[labels == 0, ::3] += 100
    x[labels == 1, :, ::3] += 100
    return x.astype(np.uint8), labels


def outcome(model: nn.Sequential) -> str:
    """A digest of the weights and of the history but for its times, and what a test would see."""
    history = model.history
    assert history is not None
    digest = hashlib.sha256()
    for weights in model.get_weights():
        digest.update(weights.tobytes())
    rows = [history.history, history.iteration_loss, history.learning_rate]
    digest.update(repr(rows).encode())
    last = {name: values[-1] for name, values in history.history.items()}
    return f"{digest.hexdigest()} {len(history)} {last}"


def rows_with_momentum() -> str:
    """Flat floats, a tail of 13 images, a validation that no number of processes divides."""
    x, y = pictures(77)
    model = nn.Sequential([nn.Flatten(), nn.Dense(20, "relu"), nn.Dropout(0.3), nn.Dense(3)])
    val = pictures(23, 1)
    model.fit(
        x.astype(np.float32) / 255,
        y,
        validation_data=(val[0].astype(np.float32) / 255, val[1]),
        epochs=2,
        optimizer=nn.SGD(0.05, momentum=0.9),
        verbose=0,
    )
    return outcome(model)


def convolutions() -> str:
    """Batch normalization, dropout, augmentation and balanced classes."""
    x, y = pictures(70)
    model = nn.Sequential(
        [
            nn.Conv2D(8, 3, use_bias=False),
            nn.BatchNormalization(),
            nn.Activation("relu"),
            nn.MaxPool2D(2),
            nn.Dropout(0.2),
            nn.Conv2D(12, 3, activation="relu"),
            nn.Flatten(),
            nn.Dense(3, kernel_regularizer=nn.L2(1e-3)),
        ]
    )
    model.fit(
        x,
        np.minimum(y, 1),  # twice as many of one class
        validation_data=(x[:9], np.minimum(y, 1)[:9]),
        epochs=2,
        optimizer=nn.Adam(0.01),
        augmentation=nn.Augmentation(shift=0.2, horizontal_flip=True, erase=0.3),
        class_weight="balanced",
        verbose=0,
    )
    return outcome(model)


def residual() -> str:
    """Clipping, a moving average of the weights, smoothed labels, weighted images, early end."""
    x, y = pictures(50)
    model = nn.Sequential(
        [
            nn.Conv2D(8, 3, padding="same", activation="relu"),
            nn.Residual(
                [
                    nn.DepthwiseConv2D(3, padding="same"),
                    nn.BatchNormalization(),
                    nn.Activation("relu"),
                    nn.Conv2D(8, 1),
                    nn.LayerNormalization(),
                ],
                activation="relu",
            ),
            nn.GlobalAveragePool2D(),
            nn.Dense(3),
        ]
    )
    optimizer = nn.SGD(
        nn.CosineDecay(0.3), momentum=0.9, nesterov=True, global_clipnorm=0.5, use_ema=True
    )
    model.fit(
        x,
        y,
        validation_data=pictures(20, 1),
        epochs=6,
        batch_size=18,
        optimizer=optimizer,
        label_smoothing=0.1,
        sample_weight=np.linspace(0.5, 1.5, 50),
        callbacks=[
            nn.EarlyStopping("val_loss", patience=1, restore_best_weights=True),
            nn.ReduceLROnPlateau("loss", patience=0, factor=0.5),
        ],
        verbose=0,
    )
    return outcome(model)


def transfer() -> str:
    """A head on fixed layers, then fine-tuning."""

    def data(images: int, seed: int) -> nn.ImageDataset:
        return nn.ImageDataset.from_arrays(*pictures(images, seed), ["a", "b", "c"])

    model = nn.Sequential(
        [
            nn.Conv2D(8, 3, activation="relu", trainable=False, name="low"),
            nn.Conv2D(12, 3, activation="relu", trainable=False, name="high"),
            nn.GlobalAveragePool2D(name="features"),
            nn.Dense(3, name="head"),
        ]
    )
    model.build((8, 8, 3), 0)
    settings = TrainingSettings(
        epochs=2,
        batch_size=16,
        optimizer="adam",
        schedule="cosine",
        learning_rate=0.02,
        fine_tune=1,
        head_penalty=1e-3,
    )
    nn.fit_transfer(model, data(60, 0), settings, validation_data=data(30, 1), verbose=0)
    return outcome(model)


def batches() -> str:
    """Batches of other sizes as they come, and epochs of a generator."""
    x, y = pictures(60)
    cuts = [0, 7, 30, 31, 60]
    model = nn.Sequential([nn.Conv2D(8, 3, activation="relu"), nn.Flatten(), nn.Dense(3)])
    model.fit(
        [(x[a:b], y[a:b]) for a, b in itertools.pairwise(cuts)],
        validation_data=pictures(10, 1),
        epochs=2,
        optimizer=nn.SGD(0.02),
        verbose=0,
    )
    return outcome(model)


# Each kind of layer at least once.
EVERY_LAYER = (
    nn.Rescaling(2.0, -0.5),
    nn.Conv2D(8, 3, padding="same", activation="gelu"),
    nn.BatchNormalization(),
    nn.Activation("relu6"),
    nn.DepthwiseConv2D(3, padding="same"),
    nn.LayerNormalization(),
    nn.Residual([nn.Conv2D(8, 3, padding="same", groups=2)], activation="relu"),
    nn.MaxPool2D(2),
    nn.Concatenate([[nn.Conv2D(4, 1)], [nn.AveragePool2D(3, strides=1, padding="same")], []]),
    nn.Multiply([[], [nn.GlobalAveragePool2D(), nn.Dense(20, "sigmoid")]]),
    nn.Dropout(0.3),
    nn.Flatten(),
    nn.Dense(3),
)


def every_layer() -> str:
    """Of a table of class weights, with a tail of 5 images."""
    x, y = pictures(37)
    model = nn.Sequential(EVERY_LAYER)
    settings = {"epochs": 2, "batch_size": 16, "optimizer": nn.SGD(0.01), "verbose": 0}
    model.fit(x, y, class_weight={0: 1.0, 1: 2.0, 2: 0.5}, **settings)
    return outcome(model)


EVERY_OPTIMIZER = (
    nn.SGD(0.05),
    nn.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    nn.RMSprop(0.002, momentum=0.5),
    nn.Adam(0.01, clipnorm=0.5),
    nn.AdamW(0.01, use_ema=True),
)


def every_optimizer() -> str:
    """The outcomes of all, of a network with sums of both kinds."""
    x, y = pictures(21)
    outcomes = []
    for optimizer in EVERY_OPTIMIZER:
        model = nn.Sequential([nn.Conv2D(8, 3, activation="relu"), nn.Flatten(), nn.Dense(3)])
        model.fit(x, y, epochs=2, batch_size=16, optimizer=optimizer, verbose=0)
        outcomes.append(outcome(model))
    return " ".join(outcomes)


def memory_map() -> str:
    """Images that stay in a file."""
    x, y = pictures(45)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "images.npy", x)
        images = np.load(Path(folder) / "images.npy", mmap_mode="r")
        train, val = nn.ImageDataset.from_arrays(images, y).split(val=0.2, seed=1)[:2]
        model = nn.Sequential([nn.Conv2D(8, 3, activation="relu"), nn.Flatten(), nn.Dense(3)])
        model.fit(train, validation_data=val, epochs=2, batch_size=16, verbose=0)
    return outcome(model)


def calibrated() -> str:
    """A head on fixed layers, and ten more by which it is calibrated."""
    data = nn.ImageDataset.from_arrays(*pictures(60), ["a", "b", "c"])
    model = nn.Sequential(
        [nn.Conv2D(8, 3, trainable=False), nn.GlobalAveragePool2D(), nn.Dense(3, name="head")]
    )
    model.build((8, 8, 3), 0)
    settings = TrainingSettings(
        epochs=2, batch_size=16, optimizer="adam", schedule="cosine", learning_rate=0.02
    )
    nn.fit_transfer(model, data, settings, verbose=0)
    found = nn.calibrate_out_of_fold(model, (data,), settings)
    assert found is not None
    return f"{outcome(model)} {found.images} {found.temperature!r}"


def large() -> str:
    """So many weights that the sums of the last are begun before the gradients of the first."""
    x, y = pictures(9)
    wide = [nn.Conv2D(384, 3, 2, "same", activation="relu") for _ in range(2)]
    model = nn.Sequential([nn.Conv2D(128, 3), *wide, nn.GlobalAveragePool2D(), nn.Dense(3)])
    model.fit(x, y, epochs=2, batch_size=8, optimizer=nn.SGD(0.01), verbose=0)
    return outcome(model)


FITS: dict[str, Callable[[], str]] = {
    one.__name__: one
    for one in (
        rows_with_momentum,
        convolutions,
        residual,
        transfer,
        batches,
        every_layer,
        every_optimizer,
        memory_map,
        calibrated,
        large,
    )
}
