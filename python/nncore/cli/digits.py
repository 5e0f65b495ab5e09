"""The demo's pictures: real handwritten digits that come with the package.

A copy of 45 KB is package data, so that the demo needs neither a network nor scikit-learn (with
SciPy more than 100 MB). Where it comes from: demo_data/ATTRIBUTION.txt.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nncore.files.atomic import atomic_write_text
from nncore.files.own_folders import make_own_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIDE = 8
_FOLDER = Path(__file__).parent / "demo_data"
_COLUMNS = 60
_UNLABELLED = 7  # which digit of each class; no multiple of 5


@dataclass(frozen=True)
class DigitFolders:
    """Where the pictures were written; `images` counts those of each folder, and `answers` are the
    classes of the unlabelled ones by file name."""

    train: Path
    test: Path
    unlabelled: Path
    images: dict[str, int]
    answers: dict[str, str]


def load_digits() -> tuple[NDArray[np.uint8], list[int]]:
    """The 1,797 digits: uint8 (N, 8, 8), 0 paper to 255 ink, and what each of them is."""
    from nncore.data import Preprocessing, decode_image

    labels = [
        int(digit)
        for digit in (_FOLDER / "labels.txt").read_text(encoding="ascii").replace("\n", "")
    ]
    rows = -(-len(labels) // _COLUMNS)
    sheet = decode_image(
        _FOLDER / "digits.png", Preprocessing(rows * SIDE, _COLUMNS * SIDE, "gray")
    )
    places = sheet.reshape(rows, SIDE, _COLUMNS, SIDE).transpose(0, 2, 1, 3)
    return places.reshape(-1, SIDE, SIDE)[: len(labels)], labels


def write_digits(folder: Path) -> DigitFolders:
    """Write the digits below `folder`: digits/train and digits/test, with a sub-folder per class,
    and unlabelled.

    Of each class the first of every five is for testing, and one other is unlabelled: always the
    same files, so that the demo gives the same numbers everywhere.
    """
    images, labels = load_digits()
    make_own_folder(folder)
    train, test = folder / "digits" / "train", folder / "digits" / "test"
    unlabelled = folder / "unlabelled"
    for path in (*(place / name for place in (train, test) for name in NAMES), unlabelled):
        path.mkdir(parents=True, exist_ok=True)
    counts = {"train": 0, "test": 0, "unlabelled": 0}
    answers: dict[str, str] = {}
    seen = [0] * len(NAMES)
    for number, (image, digit) in enumerate(zip(images, labels, strict=True)):
        file = f"digit-{number:04d}.png"
        if seen[digit] % 5 == 0:
            part, path = "test", test / NAMES[digit] / file
        elif seen[digit] == _UNLABELLED:
            part, path = "unlabelled", unlabelled / file
            answers[file] = NAMES[digit]
        else:
            part, path = "train", train / NAMES[digit] / file
        seen[digit] += 1
        counts[part] += 1
        # Not synced one by one as results are: a file that is cut off is found when it is read,
        # and the next call writes all of them again.
        path.write_bytes(_png(image))
    rows = [f"{label},{name}\n" for label, name in enumerate(NAMES)]
    atomic_write_text(train / "classes.csv", "".join(["Label,Description\n", *rows]))
    return DigitFolders(train, test, unlabelled, counts, answers)


def _png(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()
