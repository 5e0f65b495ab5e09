"""PyTorch, eager, with photos and weights in the channels_last memory format."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from photo_task import F32, Task
from torch.nn import functional
from torch_layers import named_parameters, network

from networks.base import F64
from networks.base import Network as Base


class Network(Base):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        torch.set_num_threads(task.threads)
        model = network(task.layers, task.weights)
        self.model = model.to(memory_format=torch.channels_last)
        images = torch.from_numpy(np.ascontiguousarray(task.images.transpose(0, 3, 1, 2)))
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.from_numpy(task.labels.astype(np.int64))
        self.epoch = 0

    def probabilities(self, start: int) -> F32:
        self.model.eval()
        with torch.inference_mode():
            logits = self.model(self.images[start : start + self.task.batch])
            return functional.softmax(logits, 1).numpy()

    def gradients(self, batch: NDArray[np.int32]) -> tuple[float, dict[str, F32]]:
        # Moving averages, which this changes, play no part in training.
        return self._gradients(self.model, self.images, batch)

    def exact_gradients(self, batch: NDArray[np.int32]) -> tuple[float, dict[str, F64]]:
        return self._gradients(copy.deepcopy(self.model).double(), self.images.double(), batch)

    def _gradients(
        self, model: torch.nn.Module, images: torch.Tensor, batch: NDArray[np.int32]
    ) -> tuple[float, dict[str, NDArray[Any]]]:
        names, parameters, axes = zip(*named_parameters(model), strict=True)
        loss = self._loss(model, images, torch.from_numpy(batch.astype(np.int64)))
        found = torch.autograd.grad(loss, parameters)
        ours = [one.permute(order).numpy() for one, order in zip(found, axes, strict=True)]
        return float(loss.detach()), dict(zip(names, ours, strict=True))

    def _loss(
        self, model: torch.nn.Module, images: torch.Tensor, batch: torch.Tensor
    ) -> torch.Tensor:
        model.train()
        logits = model(images.index_select(0, batch))
        return functional.cross_entropy(logits, self.labels.index_select(0, batch))

    def train(self, epochs: int) -> None:
        parameters = list(self.model.parameters())
        for _ in range(epochs):
            order = self.task.orders[self.epoch % len(self.task.orders)]
            for batch in torch.from_numpy(order).reshape(-1, self.task.batch):
                gradients = torch.autograd.grad(
                    self._loss(self.model, self.images, batch), parameters
                )
                with torch.no_grad():
                    torch._foreach_add_(parameters, gradients, alpha=-self.task.learning_rate)
            self.epoch += 1

    def versions(self) -> dict[str, str]:
        return {"version": torch.__version__}
