"""Keras: `image_dataset_from_directory`, whose decoding and resizing are TensorFlow's."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from readers.base import BATCH, Task
from readers.base import Reader as Base


class Reader(Base):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        tf.config.threading.set_intra_op_parallelism_threads(task.threads)
        tf.config.threading.set_inter_op_parallelism_threads(task.threads)

    def batches(self) -> Iterator[NDArray[np.generic]]:
        task = self.task
        data = keras.utils.image_dataset_from_directory(
            task.folder,
            image_size=(task.side, task.side),
            color_mode="grayscale" if task.color == "gray" else "rgb",
            batch_size=BATCH,
            shuffle=False,
            verbose=False,
        )
        for images, _ in data:
            yield images.numpy()

    def versions(self) -> dict[str, str]:
        return {"version": keras.__version__, "tensorflow": tf.__version__}
