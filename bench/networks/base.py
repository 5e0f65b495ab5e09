"""What a contender implements, and the conversation that its process has with the parent.

The process reads one command per line and answers with one line of JSON each:

    outputs        {"outputs": [[...], ...]}     class probabilities of the first 16 photos,
                                                 or fewer, in blocks of `batch`
    gradients FILE {"loss": mean}                of the first batch, before any training; FILE is
                                                 written: all gradients by nncore's names
    exact FILE     {"loss": mean}                the same in float64, by those that can
    train K        {"seconds": s}                K epochs from wherever the weights are
    look K         {"seconds": s}                K times class probabilities of all photos, in
                                                 blocks of `batch`
    quit           ends

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
from photo_task import F32, Task

F64 = NDArray[np.float64]

_OUTPUTS = 16


class Network(ABC):
    """A network with the task's weights, in one framework's own way."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @abstractmethod
    def probabilities(self, start: int) -> F32:
        """Of `task.batch` photos from `start` on."""

    def gradients(self, batch: NDArray[np.int32]) -> tuple[float, dict[str, F32]]:
        """Loss of the photos with these numbers, and gradients by nncore's names and layouts.

        The weights stay.
        """
        raise NotImplementedError(f"{type(self).__module__} does not train")

    def exact_gradients(self, batch: NDArray[np.int32]) -> tuple[float, dict[str, F64]]:
        """The same in float64: what both miss only by rounding."""
        raise NotImplementedError(f"{type(self).__module__} does not compute in float64")

    def train(self, epochs: int) -> None:
        """Train by plain SGD on batches in the task's order."""
        raise NotImplementedError(f"{type(self).__module__} does not train")

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Name and version of what computes."""


def _first_outputs(network: Network) -> list[list[float]]:
    batch = network.task.batch
    blocks = min(max(_OUTPUTS // batch, 1), len(network.task.images) // batch)
    return [
        row
        for block in range(blocks)
        for row in network.probabilities(block * batch).astype(float).tolist()
    ]


def serve(network: Network, replies: IO[str]) -> None:
    """Answer the parent's commands until it quits or closes the pipe."""
    task = network.task
    reply(replies, versions=network.versions() | blas_kernels())
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "outputs":
            reply(replies, outputs=_first_outputs(network))
        elif command in ("gradients", "exact"):
            compute = network.gradients if command == "gradients" else network.exact_gradients
            loss, found = compute(task.orders[0][: task.batch])
            np.savez(arguments[0], **found)
            reply(replies, loss=loss)
        elif command == "train":
            started = time.perf_counter()
            network.train(int(arguments[0]))
            reply(replies, seconds=time.perf_counter() - started)
        elif command == "look":
            started = time.perf_counter()
            for _ in range(int(arguments[0])):
                for start in range(0, len(task.images), task.batch):
                    network.probabilities(start)
            reply(replies, seconds=time.perf_counter() - started)
        elif command == "quit":
            return
        else:
            raise ValueError(f"unknown command {line!r}")
