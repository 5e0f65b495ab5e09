"""Labelled images listed in a CSV or TSV file; and the split of a data set as one."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nncore.atomic import atomic_write_bytes
from nncore.data.class_map import canonical_name, read_text
from nncore.data.parts import part_of
from nncore.data.skipped import csv_bytes
from nncore.errors import DataError

if TYPE_CHECKING:
    from nncore.data.dataset import ImageDataset

COLUMNS = ("path", "label", "split", "group")  # others are ignored
DELIMITERS = {".tsv": "\t", ".tab": "\t"}  # any other extension: comma


@dataclass(frozen=True)
class TableRow:
    """One data line: where it stands, the image file, and the class as written. `part` is "train",
    "val", "test", or None where the table has no split; `group` is "" where it has none."""

    line: int
    path: str
    label: str
    part: str | None = None
    group: str = ""


def read_table(
    csv_path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> list[TableRow]:
    """Rows of a table with the columns ``path`` and ``label``, and perhaps ``split`` and ``group``.

    Other columns are ignored. Relative paths are joined to `root`, by default the folder of the
    table. A split is train, val or test (or training, valid, validation, testing).

    Raises
    ------
    DataError
        The file is missing, not UTF-8 or has no such header; a row lacks a path, a label or a
        split; one path has two labels, splits or groups. The message names the file and the line.
    """
    file = Path(csv_path)
    base = os.fspath(file.parent if root is None else root)
    rows: list[TableRow] = []
    first: dict[str, TableRow] = {}
    for line, cells in _lines(file, ("path", "label")):
        try:
            label = canonical_name(cells["label"])
        except ValueError as error:
            raise DataError(f"{file}, line {line}: label: {error}") from None
        path = os.path.join(base, _path(file, line, cells))
        part = _part(file, line, cells) if "split" in cells else None
        row = TableRow(line, path, label, part, cells.get("group", "").strip())
        before = first.setdefault(row.path, row)
        for what, now, then in (
            ("labelled", row.label, before.label),
            ("in the part", row.part, before.part),
            ("in the group", row.group, before.group),
        ):
            if now != then:
                raise DataError(
                    f"{file}, line {line}: {row.path} is {what} {now!r}, but {then!r} in line "
                    f"{before.line}"
                )
        rows.append(row)
    if not rows:
        raise DataError(f"{file}: lists no images")
    return rows


def read_split_csv(path: str | os.PathLike[str]) -> dict[str, str]:
    """The part of every image in a table with the columns ``path`` and ``split``.

    Such as `write_split_csv` writes, and the ``split.csv`` of a run. Keys are those of
    `split_keys`.

    Raises
    ------
    DataError
        As `read_table`.
    """
    file = Path(path)
    lines = list(_lines(file, ("path", "split")))
    paths = [os.path.join(file.parent, _path(file, line, cells)) for line, cells in lines]
    parts: dict[str, str] = {}
    for (line, cells), key in zip(lines, split_keys(paths), strict=True):
        part = _part(file, line, cells)
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


def _lines(file: Path, required: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column name, in lower case, of every data line."""
    delimiter = DELIMITERS.get(file.suffix.lower(), ",")
    reader = csv.reader(io.StringIO(read_text(file), newline=""), delimiter=delimiter, strict=True)
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        known = [column for column in header if column in COLUMNS]
        if len(set(known)) != len(known) or not set(required) <= set(known):
            columns = " and one column ".join(map(repr, required))
            raise DataError(
                f"{file}, line 1: the header needs one column {columns}, "
                f"separated by {'tabs' if delimiter == chr(9) else 'commas'}; found {header}"
            )
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{file}, line {reader.line_num}: has {len(cells)} cells, the header "
                    f"{len(header)}"
                )
            yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: {error}") from None


def _path(file: Path, line: int, cells: Mapping[str, str]) -> str:
    path = cells["path"].strip()
    if not path:
        raise DataError(f"{file}, line {line}: the path is empty")
    return path


def _part(file: Path, line: int, cells: Mapping[str, str]) -> str:
    part = part_of(cells["split"])
    if part is None:
        raise DataError(
            f"{file}, line {line}: the split is {cells['split']!r}; it must be train, val or test "
            "in every line"
        )
    return part


def write_split_csv(path: str | os.PathLike[str], parts: Mapping[str, ImageDataset]) -> None:
    """Write ``path,label,split``, one row per image, the parts in the given order.

    Paths are relative to the folder of the written file, so that `ImageDataset.from_csv` and
    `ImageDataset.with_split` read it back; images that came from arrays have an empty path. Images
    with groups get a fourth column, ``group``.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    base = os.path.realpath(Path(path).parent)
    grouped = any(dataset.groups is not None for dataset in parts.values())
    rows: list[tuple[str, ...]] = [("path", "label", "split", *(("group",) if grouped else ()))]
    for part, dataset in parts.items():
        names = dataset.classes.decode(dataset.labels)
        groups = dataset.groups or [""] * len(dataset)
        for image, name, group in zip(dataset.paths, names, groups, strict=True):
            row = (_relative(image, base) if image else "", name, part)
            rows.append((*row, group) if grouped else row)
    atomic_write_bytes(path, csv_bytes(rows))


def _relative(image: str, base: str) -> str:
    # The file's own link is kept, links among its folders are resolved: "../" must lead back.
    folder, name = os.path.split(image)
    return os.path.join(os.path.relpath(os.path.realpath(folder), base), name)
