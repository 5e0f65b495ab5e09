"""Labelled images listed in a CSV or TSV file; and the split of a data set written as one."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nncore.atomic import atomic_write_bytes
from nncore.data.class_map import canonical_name, read_text
from nncore.data.skipped import csv_bytes
from nncore.errors import DataError

if TYPE_CHECKING:
    from nncore.data.dataset import ImageDataset

DELIMITERS = {".tsv": "\t", ".tab": "\t"}  # any other extension: comma


@dataclass(frozen=True)
class TableRow:
    """One data line: where it stands, the image file and the class as written."""

    line: int
    path: str
    label: str


def read_table(
    csv_path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> list[TableRow]:
    """Rows of a table with the columns ``path`` and ``label``; other columns are ignored.

    Relative paths are joined to `root`, by default the folder of the table.

    Raises
    ------
    DataError
        The file is missing, not UTF-8 or has no such header; a row lacks a path or a label; one
        path has two labels. The message names the file and the line.
    """
    file = Path(csv_path)
    base = os.fspath(file.parent if root is None else root)
    text = read_text(file)
    delimiter = DELIMITERS.get(file.suffix.lower(), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[TableRow] = []
    first: dict[str, TableRow] = {}
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        if header.count("path") != 1 or header.count("label") != 1:
            raise DataError(
                f"{file}, line 1: the header needs one column 'path' and one column 'label', "
                f"separated by {'tabs' if delimiter == chr(9) else 'commas'}; found {header}"
            )
        path_column, label_column = header.index("path"), header.index("label")
        for cells in reader:
            if not cells:
                continue
            line = reader.line_num
            if len(cells) != len(header):
                raise DataError(
                    f"{file}, line {line}: has {len(cells)} cells, the header {len(header)}"
                )
            if not cells[path_column].strip():
                raise DataError(f"{file}, line {line}: the path is empty")
            try:
                label = canonical_name(cells[label_column])
            except ValueError as error:
                raise DataError(f"{file}, line {line}: label: {error}") from None
            row = TableRow(line, os.path.join(base, cells[path_column].strip()), label)
            before = first.setdefault(row.path, row)
            if before.label != row.label:
                raise DataError(
                    f"{file}, line {line}: {row.path} is labelled {row.label!r}, but "
                    f"{before.label!r} in line {before.line}"
                )
            rows.append(row)
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: {error}") from None
    if not rows:
        raise DataError(f"{file}: lists no images")
    return rows


def write_split_csv(path: str | os.PathLike[str], parts: Mapping[str, ImageDataset]) -> None:
    """Write ``path,label,split``, one row per image, the parts in the given order.

    Paths are relative to the folder of the written file, so that `ImageDataset.from_csv` reads it
    back; images that came from arrays have an empty path.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    base = os.path.realpath(Path(path).parent)
    rows = [("path", "label", "split")]
    for part, dataset in parts.items():
        names = dataset.classes.decode(dataset.labels)
        for image, name in zip(dataset.paths, names, strict=True):
            rows.append((_relative(image, base) if image else "", name, part))
    atomic_write_bytes(path, csv_bytes(rows))


def _relative(image: str, base: str) -> str:
    # The file's own link is kept, links among its folders are resolved: "../" must lead back.
    folder, name = os.path.split(image)
    return os.path.join(os.path.relpath(os.path.realpath(folder), base), name)
