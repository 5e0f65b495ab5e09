"""Labelled pictures that `transfer.py` learns: folders and tables with a split, made once and kept.

Photo cut-outs come from Debian's package tuxpaint-stamps-default, solar cells from the package
elpv-dataset of PyPI (Buerhop-Lutz et al., CC BY-NC-SA 4.0), which is fetched into a folder and
stays there; the rest is in `folders.py`.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import folders
import numpy as np
from folders import NotInstalled
from numpy.typing import NDArray
from PIL import Image

STAMPS = Path("/usr/share/tuxpaint/stamps")
STAMP_CLASSES = {
    "mammals": "animals/mammals",
    "birds": "animals/birds",
    "flowers": "plants/flowers",
    "fruit": "food/fruit",
    "vegetables": "food/vegetables",
}
_NOT_PHOTOS = {"cartoon", "toys", "plastic"}
FOLDS, REPEATS = 5, 3
_ALIKE = 6.0  # levels of 255, on average: two pictures are one, or its mirror image

ELPV = "elpv-dataset==1.0.0.post1"
ELPV_TRAIN = 1600
Row = tuple[Path, str]


def sources(name: str, root: Path, limit: int | None = None) -> list[Path]:
    """What `nncore train` is given for a data set, a folder or a table for each split of it.

    `limit` is the number of pictures that are used of a larger data set.

    Raises
    ------
    NotInstalled
        What it is made from is missing; the message says how to get it.
    """
    if name == "stamps":
        return _folds(stamps(), root / "stamps")
    if name == "elpv":
        return [_elpv(root / "elpv")]
    folder = folders.written(name, root)
    if limit is None:
        return [folder]
    return [_limited(folder, root / f"{folder.name}-{limit}.csv", limit)]


def stamps(place: Path = STAMPS) -> list[Row]:
    """Photo cut-outs and their classes, without drawings and without mirrored twins."""
    if not place.is_dir():
        raise NotInstalled(f"{place} is missing: apt-get install tuxpaint-stamps-default")
    rows = []
    for label, folder in STAMP_CLASSES.items():
        found: list[NDArray[np.int16]] = []
        for path in sorted((place / folder).rglob("*.png")):
            if _NOT_PHOTOS & set(path.relative_to(place).parts):
                continue
            small = _small(path)
            if not any(_alike(small, other) for other in found):
                found.append(small)
                rows.append((path, label))
    return rows


def _small(path: Path) -> NDArray[np.int16]:
    with Image.open(path) as image:
        cut = image.convert("RGBA")
        flat = Image.new("RGB", cut.size, (255, 255, 255))
        flat.paste(cut, mask=cut)
    return np.asarray(flat.resize((16, 16), Image.Resampling.BILINEAR)).astype(np.int16)


def _alike(one: NDArray[np.int16], other: NDArray[np.int16]) -> bool:
    return any(np.abs(one - turned).mean() < _ALIKE for turned in (other, other[:, ::-1]))


def _folds(rows: list[Row], place: Path) -> list[Path]:
    """A table for each of `REPEATS` times `FOLDS` splits, stratified."""
    labels = np.array([label for _, label in rows])
    tables = []
    for repeat in range(REPEATS):
        fold = np.empty(len(rows), np.int64)
        rng = np.random.default_rng(repeat)
        for label in STAMP_CLASSES:
            own = rng.permutation(np.flatnonzero(labels == label))
            fold[own] = (np.arange(len(own)) + rng.integers(FOLDS)) % FOLDS
        for number in range(FOLDS):
            parts = np.where(fold == number, "test", "train")
            tables.append(written_table(place / f"{repeat}-{number}.csv", rows, parts))
    return tables


def written_table(path: Path, rows: list[Row], parts: Iterable[str]) -> Path:
    """A table as `nncore train` takes it: of each picture its path, class and part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "split"))
        table.writerows((*row, part) for row, part in zip(rows, parts, strict=True))
    return path


def _elpv(place: Path) -> Path:
    """1,600 cells to learn from, 623 for the test."""
    rows = elpv(place)
    parts = np.full(len(rows), "test", dtype="<U5")
    parts[np.random.default_rng(0).permutation(len(rows))[:ELPV_TRAIN]] = "train"
    return written_table(place / "sure.csv", rows, parts)


def elpv(place: Path) -> list[Row]:
    """Solar cells of which the experts were sure, and what they said.

    Raises
    ------
    NotInstalled
        The package cannot be fetched.
    """
    archive = _fetched(place)
    with zipfile.ZipFile(archive) as wheel:
        lines = wheel.read("elpv_dataset/data/labels.csv").decode().split("\n")
        rows = elpv_rows(lines, place)
        for path, _ in rows:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(wheel.read(f"elpv_dataset/data/images/{path.name}"))
    return rows


def elpv_rows(lines: Iterable[str], place: Path) -> list[Row]:
    """Of lines such as "images/cell0001.png  1.0  mono": file, probability of a defect, kind."""
    words = [line.split() for line in lines if line.strip()]
    names = {0.0: "functional", 1.0: "defective"}
    return [
        (place / "images" / Path(file).name, names[float(probability)])
        for file, probability, _ in words
        if float(probability) in names
    ]


def _fetched(place: Path) -> Path:
    """The wheel, by pip where it is not there yet."""
    found = sorted(place.glob("elpv_dataset-*.whl"))
    if not found:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(place)]
        done = subprocess.run([*command, ELPV], capture_output=True, text=True, check=False)
        found = sorted(place.glob("elpv_dataset-*.whl"))
        if done.returncode or not found:
            raise NotInstalled(f"{ELPV} cannot be fetched by pip: {done.stderr.strip()[-300:]}")
    return found[0]


def _limited(folder: Path, table: Path, limit: int) -> Path:
    """A table of `limit` pictures of a folder with the parts train and test, as they come."""
    rows, parts = [], []
    for path in sorted(folder.glob("*/*/*.png")):
        rows.append((path.absolute(), path.parent.name))
        parts.append(path.parent.parent.name)
    order = np.random.default_rng(0).permutation(len(rows))[:limit]
    return written_table(table, [rows[i] for i in order], [parts[i] for i in order])
