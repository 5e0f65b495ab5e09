"""nncore: a model file, `Sequential.fit` and `predict_proba`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from photo_task import F32, Task

import nncore as nn
from networks.base import Network as Base


class Network(Base):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.model = nn.load(task.model)

    def probabilities(self, start: int) -> F32:
        return self.model.predict_proba(self.task.images[start : start + self.task.batch])

    def gradients(self, batch: NDArray[np.int32]) -> tuple[float, dict[str, F32]]:
        network = self.model._built_network()
        images = np.ascontiguousarray(self.task.images[batch])
        loss = self.model.compute_gradients(images, self.task.labels[batch])
        names = [name for name in network.parameter_names() if "/moving_" not in name]
        return loss, {name: network.get_gradient(name) for name in names}

    def train(self, epochs: int) -> None:
        task = self.task
        self.model.fit(
            task.images,
            task.labels,
            epochs=epochs,
            batch_size=task.batch,
            optimizer=nn.SGD(task.learning_rate),
            seed=0,
            verbose=0,
        )

    def versions(self) -> dict[str, str]:
        return {"version": nn.__version__, "isa": nn.info()["isa"]}
