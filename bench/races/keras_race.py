"""Keras on TensorFlow: `image_dataset_from_directory`, cached in memory, `fit`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow
from keras import layers

from races import BATCH, DROPOUT, LEARNING_RATE


def race(
    train: Path, test: Path, epochs: int, seed: int, after_epoch: Callable[[int, float], bool]
) -> None:
    threads = int(os.environ["OMP_NUM_THREADS"])
    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    keras.utils.set_random_seed(seed)

    def read(folder: Path, shuffle: bool) -> tensorflow.data.Dataset:
        data = keras.utils.image_dataset_from_directory(
            folder, color_mode="grayscale", image_size=(28, 28), batch_size=None, shuffle=False
        ).cache()
        if shuffle:
            data = data.shuffle(60_000, seed=seed)
        return data.batch(BATCH).prefetch(tensorflow.data.AUTOTUNE)

    images, held_out = read(train, True), read(test, False)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(DROPOUT),
            layers.Dense(10),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    for epoch in range(1, epochs + 1):
        model.fit(images, epochs=1, verbose=0)
        if after_epoch(epoch, float(model.evaluate(held_out, verbose=0)[1])):
            return
