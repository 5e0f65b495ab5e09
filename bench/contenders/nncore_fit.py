"""nncore through its public API: `Sequential.fit` on float32 arrays, many epochs per call.

`fit` shuffles by itself, from its seed; the task's orders are that same shuffle. Everything that
users of `fit` pay is in the time: checking the arrays, shuffling, history, Ctrl-C handling.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from task import Task
from works import F32, Conv, Dense, Flatten, Pool, Work

import nncore as nn
from contenders.base import Trainer as Base


def make_model(work: Work) -> nn.Sequential:
    """The network of a work."""
    layers: list[object] = []
    for layer in work.layers:
        match layer:
            case Conv(filters, size, padding):
                layers.append(nn.Conv2D(filters, size, padding=padding, activation="relu"))
            case Pool():
                layers.append(nn.MaxPool2D(2))
            case Flatten():
                layers.append(nn.Flatten())
            case Dense(units, relu):
                layers.append(nn.Dense(units, activation="relu" if relu else None))
    return nn.Sequential(layers)


class Trainer(Base):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        nn.set_num_threads(task.threads)
        self.model = make_model(task.work)
        self.optimizer = nn.SGD(task.work.learning_rate)

    def reset(self) -> None:
        self.model.build(self.task.work.input_shape)
        self.model.set_weights(self.task.weights)

    def train(self, epochs: int) -> None:
        self.model.fit(
            self.task.images,
            self.task.labels,
            epochs=epochs,
            batch_size=self.task.work.batch,
            optimizer=self.optimizer,
            seed=self.task.seed,
            verbose=0,
        )

    def log_probabilities(self, images: F32) -> NDArray[np.floating]:
        return np.log(self.model.predict_proba(images).astype(np.float64) + 1e-300)

    def versions(self) -> dict[str, str]:
        info = nn.info()
        return {key: str(info[key]) for key in ("version", "isa", "threads", "openmp", "compiler")}
