"""nncore: its own folder reader, `fit`, and `evaluate` after each epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nncore as nn
from races import BATCH, DROPOUT, LEARNING_RATE


def race(
    train: Path, test: Path, epochs: int, seed: int, after_epoch: Callable[[int, float], bool]
) -> None:
    images = nn.ImageDataset.from_folder(train, cache=False)
    held_out = nn.ImageDataset.from_folder(test, cache=False)
    model = nn.Sequential(
        [
            nn.Conv2D(32, 3, padding="same", activation="relu"),
            nn.MaxPool2D(2),
            nn.Conv2D(64, 3, padding="same", activation="relu"),
            nn.MaxPool2D(2),
            nn.Flatten(),
            nn.Dropout(DROPOUT),
            nn.Dense(10),
        ]
    )
    optimizer = nn.Adam(LEARNING_RATE)
    for epoch in range(1, epochs + 1):
        model.fit(images, epochs=1, batch_size=BATCH, optimizer=optimizer, seed=seed, verbose=0)
        if after_epoch(epoch, model.evaluate(held_out).accuracy):
            return
