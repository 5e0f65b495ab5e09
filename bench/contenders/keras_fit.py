"""Keras on TensorFlow: `fit` on a tf.data pipeline, all steps of an epoch in one call of the graph.

Batches are gathered by index inside the pipeline, which prefetches. `steps_per_execution` is
Keras's own way to leave Python out of the steps.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from task import Task
from works import F32, Conv, Dense, Flatten, Pool, Work

from contenders.base import Trainer as Base


def make_model(work: Work) -> keras.Model:
    """The network of a work."""
    stack: list[layers.Layer] = [keras.Input(work.input_shape)]
    for layer in work.layers:
        match layer:
            case Conv(filters, size, padding):
                stack.append(layers.Conv2D(filters, size, padding=padding, activation="relu"))
            case Pool():
                stack.append(layers.MaxPooling2D(2))
            case Flatten():
                stack.append(layers.Flatten())
            case Dense(units, relu):
                stack.append(layers.Dense(units, activation="relu" if relu else None))
    return keras.Sequential(stack)


class Trainer(Base):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        tf.config.threading.set_intra_op_parallelism_threads(task.threads)
        tf.config.threading.set_inter_op_parallelism_threads(task.threads)
        self.model = make_model(task.work)
        self.model.compile(
            optimizer=keras.optimizers.SGD(task.work.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=task.work.steps,
        )
        images, labels = tf.constant(task.images), tf.constant(task.labels)
        batches = np.concatenate([task.batches(e) for e in range(len(task.orders))])
        self.data = (
            tf.data.Dataset.from_tensor_slices(batches)
            .repeat()
            .map(lambda batch: (tf.gather(images, batch), tf.gather(labels, batch)))
            .prefetch(tf.data.AUTOTUNE)
        )

    def reset(self) -> None:
        self.model.set_weights(self.task.weights)

    def train(self, epochs: int) -> None:
        steps = self.task.work.steps
        self.model.fit(self.data, epochs=epochs, steps_per_epoch=steps, shuffle=False, verbose=0)

    def log_probabilities(self, images: F32) -> NDArray[np.floating]:
        return self.model(images, training=False).numpy()

    def versions(self) -> dict[str, str]:
        return {"version": keras.__version__, "tensorflow": tf.__version__}
