"""PyTorch: all files through Pillow in two threads into one tensor, channels-last, eager."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from races import BATCH, DROPOUT, LEARNING_RATE


def _read(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    classes = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    files = [
        (entry.path, label)
        for label, name in enumerate(classes)
        for entry in os.scandir(folder / name)
    ]

    def decode(file: tuple[str, int]) -> np.ndarray:
        with Image.open(file[0]) as image:
            return np.asarray(image)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        pixels = np.stack(list(pool.map(decode, files, chunksize=256)))
    images = torch.from_numpy(pixels).float().div_(255).unsqueeze(1)
    return (
        images.contiguous(memory_format=torch.channels_last),
        torch.tensor([label for _, label in files]),
    )


def race(
    train: Path, test: Path, epochs: int, seed: int, after_epoch: Callable[[int, float], bool]
) -> None:
    torch.manual_seed(seed)
    images, labels = _read(train)
    test_images, test_labels = _read(test)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(DROPOUT),
        nn.Linear(7 * 7 * 64, 10),
    ).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    loss = nn.CrossEntropyLoss()
    for epoch in range(1, epochs + 1):
        model.train()
        for batch in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            loss(model(images[batch]), labels[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            right = sum(
                int((model(x).argmax(1) == y).sum())
                for x, y in zip(test_images.split(1000), test_labels.split(1000), strict=True)
            )
        if after_epoch(epoch, right / len(test_labels)):
            return
