"""The folders of pictures that the loading benchmarks read, made once and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fashion_mnist
import folders
import numpy as np
from PIL import Image

_DONE = ".complete"


@dataclass(frozen=True)
class Pictures:
    """A folder of pictures: its name, what models take of it, and what writes it."""

    name: str
    side: int
    color: str
    note: str
    write: Callable[[Path, int | None], None]


def folder(pictures: Pictures, root: Path, limit: int | None) -> Path:
    """The folder, written if it is not there yet.

    Raises
    ------
    FileNotFoundError
        What it is made from is not installed; the message says how to get it.
    """
    place = root / (pictures.name if limit is None else f"{pictures.name}-{limit}")
    done = root / f"{place.name}{_DONE}"
    if not done.exists():
        pictures.write(place, limit)
        done.touch()
    return place


def _fashion(place: Path, limit: int | None) -> None:
    for part in ("train", "test"):
        try:
            images, labels = fashion_mnist.read(part)
        except fashion_mnist.NotInstalled as error:
            raise FileNotFoundError(str(error)) from None
        for number, (image, label) in enumerate(zip(images[:limit], labels, strict=False)):
            _save(Image.fromarray(image), place / str(label) / f"{part}{number:05}.png")


def _crops(place: Path, limit: int | None) -> None:
    rng = np.random.default_rng(0)
    photos = _photos()
    for number in range(limit or 3000):
        label = number % len(photos)
        _save(_cut(photos[label], 48, 48, rng), place / f"{label:02}" / f"{number:05}.jpg")


def _large_photos(place: Path, limit: int | None) -> None:
    rng = np.random.default_rng(1)
    photos = _photos()
    for number in range(limit or 500):
        label = number % len(photos)
        cut = _cut(photos[label], 320, 240, rng).resize((2048, 1536), Image.Resampling.BICUBIC)
        # The grain that a camera adds: without it the files would be far too small.
        grain = rng.normal(0, 4, (1536, 2048, 1)) + np.asarray(cut)
        pixels = np.clip(grain, 0, 255).astype(np.uint8)
        _save(Image.fromarray(pixels), place / f"{label:02}" / f"{number:04}.jpg")


def _cut(photo: Image.Image, width: int, height: int, rng: np.random.Generator) -> Image.Image:
    left = int(rng.integers(0, photo.width - width + 1))
    top = int(rng.integers(0, photo.height - height + 1))
    return photo.crop((left, top, left + width, top + height))


def _photos() -> list[Image.Image]:
    try:
        return [Image.fromarray(pixels) for pixels in folders.photos().values()]
    except folders.NotInstalled as error:
        raise FileNotFoundError(str(error)) from None


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=88) if path.suffix == ".jpg" else image.save(path)


PICTURES = {
    pictures.name: pictures
    for pictures in (
        Pictures("fashion", 28, "gray", "70,000 PNGs, 28 x 28 gray", _fashion),
        Pictures("crops", 48, "rgb", "3,000 JPEGs, 48 x 48 colour", _crops),
        Pictures("photos", 64, "rgb", "500 JPEGs, 2048 x 1536 colour", _large_photos),
    )
}
