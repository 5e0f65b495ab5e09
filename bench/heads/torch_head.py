"""PyTorch: a `Dataset` that opens files by Pillow, a `DataLoader` with a process per thread,
features in the channels_last format under `inference_mode`, then Adam on a linear layer."""

from __future__ import annotations

from pathlib import Path

import torch
from photo_task import Task
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torch_layers import network

from heads import BATCH, EPOCHS, RATE
from heads.files import cropped, labelled_files


class Photos(Dataset):  # type: ignore[type-arg]
    """Photos uint8 (side, side, 3) and labels."""

    def __init__(self, files: list[tuple[str, int]], side: int) -> None:
        self.files, self.side = files, side

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path, label = self.files[index]
        return torch.from_numpy(cropped(path, self.side)), label


def run(folder: Path, task_folder: Path, threads: int) -> tuple[int, float]:
    torch.set_num_threads(threads)
    task, files = Task.load(task_folder), labelled_files(folder)
    body = network(task.layers[:-1], task.weights).to(memory_format=torch.channels_last).eval()
    side = task.images.shape[1]
    loader = DataLoader(Photos(files, side), batch_size=BATCH, num_workers=threads)
    features, labels = [], []
    with torch.inference_mode():
        for pixels, own in loader:
            # uint8 (N, H, W, C) seen as (N, C, H, W) is channels_last as it lies.
            images = (pixels.permute(0, 3, 1, 2).float() - 127) / 128
            features.append(body(images))
            labels.append(own)
    return len(files), _trained(torch.cat(features).clone(), torch.cat(labels))


def _trained(features: torch.Tensor, labels: torch.Tensor) -> float:
    torch.manual_seed(0)
    head = nn.Linear(features.shape[1], int(labels.max()) + 1)
    optimizer = torch.optim.Adam(head.parameters(), lr=RATE)
    right = 0
    for _ in range(EPOCHS):
        right = 0
        for batch in torch.randperm(len(labels)).split(BATCH):
            logits, own = head(features[batch]), labels[batch]
            optimizer.zero_grad()
            functional.cross_entropy(logits, own).backward()
            optimizer.step()
            right += int((logits.argmax(1) == own).sum())
    return right / len(labels)
