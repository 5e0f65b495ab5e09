"""nncore under mpiexec: `fit`, as in one process."""

from __future__ import annotations

from photo_task import Task

import nncore as nn
from nncore.distributed import world


class Ranks:
    def __init__(self, task: Task) -> None:
        self.task, self.model = task, nn.load(task.model)
        self.first = world().first

    def train(self, epochs: int) -> list[float]:
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
        return list(history.iteration_loss)

    def versions(self) -> dict[str, str]:
        return {"version": nn.__version__, "isa": nn.info()["isa"]}
