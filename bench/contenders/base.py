"""What a contender implements, and the conversation that its process has with the parent.

The process reads one command per line and answers with one line of JSON each:

    check    {"before": loss, "after": loss}  mean loss over the data set before and after
                                              `work.check_epochs` epochs from the given weights
    run K    {"seconds": s, "cpu_seconds": c} K epochs from the given weights: time, and CPU time
                                              of all threads
    quit     ends

Its first line is {"versions": {...}} once it is ready. Errors end it with {"error": "..."}.
"""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from typing import IO

import numpy as np
from contender import blas_kernels, reply
from numpy.typing import NDArray
from task import Task
from works import F32


class Trainer(ABC):
    """Trains the network of a task with plain SGD; each subclass in its framework's own way."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @abstractmethod
    def reset(self) -> None:
        """Return to the task's weights and to epoch 0."""

    @abstractmethod
    def train(self, epochs: int) -> None:
        """Train; return when all is computed."""

    @abstractmethod
    def log_probabilities(self, images: F32) -> NDArray[np.floating]:
        """Logarithms (N, classes) of the class probabilities; logits will do."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Name and version of what computes."""


def mean_loss(trainer: Trainer) -> float:
    """Cross-entropy over the data set, from the framework's logits, in float64."""
    task, total = trainer.task, 0.0
    for start in range(0, len(task.images), 512):
        part = slice(start, start + 512)
        z = np.asarray(trainer.log_probabilities(task.images[part]), np.float64)
        z -= z.max(axis=1, keepdims=True)
        labels = task.labels[part]
        total += float(np.sum(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]))
    return total / len(task.images)


def serve(make_trainer: type[Trainer], task: Task, replies: IO[str]) -> None:
    """Answer the parent's commands until it quits or closes the pipe."""
    trainer = make_trainer(task)
    reply(replies, versions=trainer.versions() | blas_kernels())
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "check":
            trainer.reset()
            before = mean_loss(trainer)
            trainer.train(task.work.check_epochs)
            reply(replies, before=before, after=mean_loss(trainer))
        elif command == "run":
            trainer.reset()
            started, cpu_started = time.perf_counter(), time.process_time()
            trainer.train(int(arguments[0]))
            reply(
                replies,
                seconds=time.perf_counter() - started,
                cpu_seconds=time.process_time() - cpu_started,
            )
        elif command == "quit":
            return
        else:
            raise ValueError(f"unknown command {line!r}")
