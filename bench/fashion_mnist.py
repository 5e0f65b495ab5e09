"""Fashion-MNIST as folders of PNG files: ``python bench/fashion_mnist.py FOLDER``.

The images come from Debian's package ``dataset-fashion-mnist`` (70,000 images, MIT licence).
"""

from __future__ import annotations

import gzip
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SOURCE = Path("/usr/share/datasets/fashion-mnist")
CLASSES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_FILES = {"train": "train", "test": "t10k"}


class NotInstalled(RuntimeError):
    """The package with the images is missing."""


def read(part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (N, 28, 28) and labels (N,) of "train" (60,000) or "test" (10,000).

    Raises
    ------
    NotInstalled
        The message names the package.
    """
    prefix = _FILES[part]
    try:
        pixels = gzip.decompress((SOURCE / f"{prefix}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((SOURCE / f"{prefix}-labels-idx1-ubyte.gz").read_bytes())
    except FileNotFoundError:
        raise NotInstalled(f"{SOURCE} is missing: apt-get install dataset-fashion-mnist") from None
    images = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 28, 28)
    return images, np.frombuffer(labels, np.uint8, offset=8)


def write_folders(root: Path) -> Path:
    """Write root/train/CLASS/00000.png and root/test/..., unless that was done before.

    Returns
    -------
    Path
        `root`.
    """
    done = root / ".complete"
    if done.exists():
        return root
    for part in _FILES:
        images, labels = read(part)
        for name in CLASSES:
            (root / part / name).mkdir(parents=True, exist_ok=True)

        def save(number: int, part: str = part, images=images, labels=labels) -> None:  # type: ignore[no-untyped-def]
            path = root / part / CLASSES[labels[number]] / f"{number:05}.png"
            Image.fromarray(images[number]).save(path)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(save, range(len(images))))
    done.touch()
    return root


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        print(write_folders(Path(sys.argv[1])))
    except NotInstalled as error:
        sys.exit(str(error))
