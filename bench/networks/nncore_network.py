"""nncore: a model file, `Sequential.fit` and `predict_proba`."""

from __future__ import annotations

from photo_task import F32, Task

import nncore as nn
from networks.base import Network as Base


class Network(Base):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.model = nn.load(task.model)

    def probabilities(self, start: int) -> F32:
        return self.model.predict_proba(self.task.images[start : start + self.task.batch])

    def train(self, epochs: int) -> float:
        task = self.task
        history = self.model.fit(
            task.images,
            task.labels,
            epochs=epochs,
            batch_size=task.batch,
            optimizer=nn.SGD(task.learning_rate),
            seed=0,
            verbose=0,
        )
        return float(history.history["loss"][-1])

    def versions(self) -> dict[str, str]:
        return {"version": nn.__version__, "isa": nn.info()["isa"]}
