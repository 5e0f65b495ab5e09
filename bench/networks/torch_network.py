"""PyTorch, eager, with photos and weights in the channels_last memory format."""

from __future__ import annotations

import numpy as np
import torch
from photo_task import F32, Task
from torch.nn import functional
from torch_layers import network

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

    def train(self, epochs: int) -> float:
        self.model.train()
        parameters = list(self.model.parameters())
        losses: list[torch.Tensor] = []
        for _ in range(epochs):
            order = self.task.orders[self.epoch % len(self.task.orders)]
            losses = []
            for batch in torch.from_numpy(order).reshape(-1, self.task.batch):
                logits = self.model(self.images.index_select(0, batch))
                loss = functional.cross_entropy(logits, self.labels.index_select(0, batch))
                gradients = torch.autograd.grad(loss, parameters)
                with torch.no_grad():
                    torch._foreach_add_(parameters, gradients, alpha=-self.task.learning_rate)
                losses.append(loss.detach())
            self.epoch += 1
        return float(torch.stack(losses).mean())

    def versions(self) -> dict[str, str]:
        return {"version": torch.__version__}
