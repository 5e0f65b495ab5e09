"""Photo files for those that open them by Pillow: the middle of each, at the network's size."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps


def labelled_files(folder: Path) -> list[tuple[str, int]]:
    """All files of a folder with a sub-folder per class."""
    return [
        (os.path.join(folder, name, file), label)
        for label, name in enumerate(sorted(os.listdir(folder)))
        for file in sorted(os.listdir(folder / name))
    ]


def cropped(path: str, side: int) -> NDArray[np.uint8]:
    """uint8 (side, side, 3)."""
    with open(path, "rb") as file:
        image = Image.open(file).convert("RGB")
    return np.array(ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR))
