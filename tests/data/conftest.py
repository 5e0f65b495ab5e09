"""Small image folders for the tests of the data room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def random_image(rng: np.random.Generator, height: int, width: int, channels: int) -> np.ndarray:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return rng.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder of PNGs, ``{class: count}``, and returns it."""

    def make(
        counts: Mapping[str, int],
        height: int = 8,
        width: int = 6,
        channels: int = 1,
        seed: int = 0,
        name: str = "photos",
    ) -> Path:
        rng = np.random.default_rng(seed)
        root = tmp_path / name
        for class_name, count in counts.items():
            (root / class_name).mkdir(parents=True)
            for number in range(count):
                pixels = random_image(rng, height, width, channels)
                Image.fromarray(pixels).save(root / class_name / f"{number:03}.png")
        return root

    return make
