"""The split of a data set as a table, such as the ``split.csv`` of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nncore.data.csv_text import csv_bytes
from nncore.data.labels.class_map import ClassMap
from nncore.data.labels.parts import PARTS
from nncore.data.sources.table import cell_part, cell_path, table_lines
from nncore.data.sources.table_paths import TablePaths
from nncore.errors import DataError
from nncore.files.atomic import atomic_write_bytes
from nncore.files.file_names import as_cell, relative
from nncore.files.home import place


class LabelledFiles(Protocol):
    """What a table lists of a data set: its files, their classes and their groups."""

    paths: list[str]
    labels: NDArray[np.int32]
    classes: ClassMap
    groups: list[str] | None


def read_split_csv(path: str | os.PathLike[str]) -> dict[str, str]:
    """The part of every image in a table with the columns ``path`` and ``split``.

    Such as `write_split_csv` writes, and the ``split.csv`` of a run. Keys are those of
    `split_keys`.

    Raises
    ------
    DataError
        As `read_table`.
    """
    file = place(path)
    lines = list(table_lines(file, ("path", "split")))
    places = TablePaths(os.fspath(file.parent))
    paths = [places.find(cell_path(file, line, cells)) for line, cells in lines]
    parts: dict[str, str] = {}
    for (line, cells), key in zip(lines, split_keys(paths), strict=True):
        part = cell_part(file, line, cells)
        if parts.setdefault(key, part) != part:
            raise DataError(
                f"{file}, line {line}: {cells['path']} is in the part {part!r}, but in "
                f"{parts[key]!r} in an earlier line"
            )
    return parts


def split_keys(paths: Iterable[str]) -> list[str]:
    """One spelling of the path of each file, however it is reached."""
    real: dict[str, str] = {}  # of folders: asking the system for every file would take long
    keys = []
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in real:
            real[folder] = os.path.realpath(folder)
        keys.append(os.path.join(real[folder], name))
    return keys


def listed_parts(
    path: str | os.PathLike[str], files: Sequence[str], kept_together: Callable[[], list[bytes]]
) -> tuple[list[str], list[str]]:
    """The part of each file by the table at `path`, and notes on what the two do not share.

    A file that the table lacks goes where one of the same key in `kept_together` is, and else to
    training.

    Raises
    ------
    DataError
        The table is missing or wrong, or lists none of the files.
    """
    listed = read_split_csv(path)
    keys = split_keys(files)
    missing = [i for i, key in enumerate(keys) if key not in listed]
    if len(missing) == len(keys):
        example = keys[0] if keys else "no image"
        raise DataError(
            f"{os.fspath(path)}: lists none of these {len(keys)} images (the first is "
            f"{example}); its paths are relative to its own folder"
        )
    parts = [listed.get(key, "") for key in keys]
    notes = []
    if missing:
        together = kept_together()
        known = {together[i]: part for i, part in enumerate(parts) if part}
        for position in missing:
            parts[position] = known.get(together[position], "train")
        counts = ", ".join(
            f"{count} to {part}"
            for part in PARTS
            if (count := sum(1 for position in missing if parts[position] == part))
        )
        notes.append(
            f"{len(missing)} image(s) are not in {os.fspath(path)}, the first is "
            f"{files[missing[0]]}; they went where their copies are, or else to training "
            f"({counts})"
        )
    gone = listed.keys() - set(keys)
    if gone:
        notes.append(
            f"{len(gone)} image(s) of {os.fspath(path)} are not in the data, the first is "
            f"{min(gone)}"
        )
    return parts, notes


def write_split_csv(path: str | os.PathLike[str], parts: Mapping[str, LabelledFiles]) -> None:
    """Write ``path,label,split``, one row per image, the parts in the given order.

    Paths are relative to the folder of the written file, so that `ImageDataset.from_csv` and
    `ImageDataset.with_split` read it back; images that came from arrays have an empty path. Images
    with groups get a fourth column, ``group``.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    base = os.path.realpath(place(path).parent)
    grouped = any(dataset.groups is not None for dataset in parts.values())
    rows: list[tuple[str, ...]] = [("path", "label", "split", *(("group",) if grouped else ()))]
    for part, dataset in parts.items():
        names = dataset.classes.decode(dataset.labels)
        groups = dataset.groups or [""] * len(dataset.paths)
        for image, name, group in zip(dataset.paths, names, groups, strict=True):
            row = (as_cell(relative_path(image, base)) if image else "", name, part)
            rows.append((*row, group) if grouped else row)
    atomic_write_bytes(path, csv_bytes(rows))


def relative_path(image: str, base: str) -> str:
    """How a table in the folder `base` names an image."""
    # The file's own link is kept, links among its folders are resolved: "../" must lead back.
    folder, name = os.path.split(image)
    return os.path.join(relative(os.path.realpath(folder), base), name)
