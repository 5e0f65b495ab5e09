"""PyTorch's DistributedDataParallel over gloo, eager, channels_last, with gradients in its buckets.

Batch normalization is that of each process's part of a batch: for CPUs PyTorch has no other.
"""

from __future__ import annotations

import atexit
import os
import sys

import numpy as np
import torch
from photo_task import Task
from torch import distributed
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch_layers import network


def end() -> None:
    """Leave without what C++ would still tidy up: gloo's threads abort that now and then."""
    distributed.barrier()
    distributed.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)


class Ranks:
    def __init__(self, task: Task) -> None:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
        self.size = int(os.environ["OMPI_COMM_WORLD_SIZE"])
        store = f"file://{task.model.with_suffix('.store')}-{os.getppid()}"
        distributed.init_process_group(
            "gloo", init_method=store, rank=self.rank, world_size=self.size
        )
        atexit.register(end)
        self.first, self.task, self.epoch = self.rank == 0, task, 0
        model = network(task.layers, task.weights).to(memory_format=torch.channels_last)
        model.train()
        self.model = DistributedDataParallel(
            model, broadcast_buffers=False, gradient_as_bucket_view=True
        )
        self.optimizer = torch.optim.SGD(model.parameters(), task.learning_rate, foreach=True)
        images = torch.from_numpy(np.ascontiguousarray(task.images.transpose(0, 3, 1, 2)))
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.from_numpy(task.labels.astype(np.int64))

    def train(self, epochs: int) -> list[float]:
        losses, share = [], self.task.batch // self.size
        for _ in range(epochs):
            order = self.task.orders[self.epoch % len(self.task.orders)]
            for batch in torch.from_numpy(order).reshape(-1, self.task.batch):
                own = batch[self.rank * share : (self.rank + 1) * share]
                logits = self.model(self.images.index_select(0, own))
                loss = functional.cross_entropy(logits, self.labels.index_select(0, own))
                self.optimizer.zero_grad(set_to_none=False)
                loss.backward()
                self.optimizer.step()
                losses.append(loss.detach())
            self.epoch += 1
        # Once for all steps: fit tells the loss of each.
        total = torch.stack(losses)
        distributed.all_reduce(total)
        return (total / self.size).tolist()

    def versions(self) -> dict[str, str]:
        return {"version": torch.__version__}
