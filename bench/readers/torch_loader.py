"""PyTorch: a `Dataset` that opens files by Pillow, and a `DataLoader` with a process per thread.

Written out instead of taken from torchvision, whose `ImageFolder` does the same with a few more
calls per image; batches are uint8, so that the fewest bytes pass between the processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from readers.base import BATCH, Task
from readers.base import Reader as Base


class Folder(Dataset):  # type: ignore[type-arg]
    """Images (H, W, C) uint8 and labels of a folder with a sub-folder per class."""

    def __init__(self, task: Task) -> None:
        self.size = (task.side, task.side)
        self.mode = "L" if task.color == "gray" else "RGB"
        self.files: list[tuple[str, int]] = []
        for label, name in enumerate(sorted(os.listdir(task.folder))):
            folder = os.path.join(task.folder, name)
            self.files += [(os.path.join(folder, f), label) for f in sorted(os.listdir(folder))]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path, label = self.files[index]
        with open(path, "rb") as file:
            image = Image.open(file).convert(self.mode)
        if image.size != self.size:
            image = image.resize(self.size, Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image)), label


class Reader(Base):
    def batches(self) -> Iterator[NDArray[np.generic]]:
        loader = DataLoader(
            Folder(self.task), batch_size=BATCH, num_workers=self.task.threads, shuffle=False
        )
        for images, _ in loader:
            yield images.numpy()

    def versions(self) -> dict[str, str]:
        return {"version": torch.__version__, "pillow": PIL.__version__}
