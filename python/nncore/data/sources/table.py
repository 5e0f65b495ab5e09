"""Labelled images listed in a CSV or TSV file."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nncore.data.labels.class_map import canonical_name, read_text
from nncore.data.labels.parts import part_of
from nncore.data.sources.split_columns import SplitColumns
from nncore.data.sources.table_paths import TablePaths
from nncore.data.sources.wrong_kind import refuse_wrong_kind
from nncore.errors import DataError
from nncore.files.home import at_home, place

COLUMNS = ("path", "label", "split", "group")  # others are ignored
DELIMITERS = {".tsv": "\t", ".tab": "\t"}  # any other extension: comma


@dataclass(frozen=True)
class TableRow:
    """One data line: where it stands, the image file, and the class as written. `part` is "train",
    "val", "test", or None where the table has no split; `group` is "" where it has none.

    `reason` says why there was no picture when `nncore predict` wrote the table, and no label is
    there then."""

    line: int
    path: str
    label: str
    part: str | None = None
    group: str = ""
    reason: str = ""


def read_table(
    csv_path: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    notes: list[str] | None = None,
) -> list[TableRow]:
    """Rows of a table with the columns ``path`` and ``label``, and perhaps ``split`` and ``group``.

    Other columns are ignored; `notes` gets a line for each that looks like a split. Relative paths
    are joined to `root`, by default the folder of the table. A split is train, val or test (or
    training, valid, validation, testing).

    Raises
    ------
    DataError
        The file is missing, not UTF-8 or has no such header; a row lacks a path, a label or a
        split; one path has two labels, splits or groups. The message names the file and the line.
    """
    file = place(csv_path)
    places = TablePaths(os.fspath(file.parent) if root is None else at_home(root))
    rows: list[TableRow] = []
    first: dict[str, TableRow] = {}
    unused = SplitColumns(COLUMNS)
    for line, cells in table_lines(file, ("path", "label")):
        unused.see(cells)
        if cells.keys() >= {"suggested", "score", "action"}:
            raise DataError(
                f"{file} is a table of suspicious labels that nncore audit has made, not of "
                "images: give the folder or table that was audited, and this one by --audit"
            )
        path = places.find(cell_path(file, line, cells))
        if not is_utf8(cells["path"]) and not os.path.lexists(path):
            raise not_utf8(file, line)
        if not cells["label"].strip() and cells.get("reason", "").strip():
            rows.append(TableRow(line, path, "", reason=cells["reason"].strip()))
            continue
        try:
            label = canonical_name(cells["label"])
        except ValueError as error:
            raise DataError(f"{file}, line {line}: label: {error}") from None
        part = cell_part(file, line, cells) if "split" in cells else None
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
    if notes is not None:
        notes += unused.notes(file)
    return rows


def table_lines(
    file: Path, required: tuple[str, ...], meant: tuple[str, ...] = COLUMNS
) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column name, in lower case, of every data line.

    `meant` are the columns that mean something: they occur once, and all but the first are UTF-8.
    """
    refuse_wrong_kind(file)
    whole = read_text(file, keep_odd_bytes=True)
    delimiter = _delimiter(file, whole, required)
    text = io.StringIO(whole, newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        if not all(map(is_utf8, header)):
            raise not_utf8(file, 1)
        known = [column for column in header if column in meant]
        if len(set(known)) != len(known) or not set(required) <= set(known):
            columns = " and one column ".join(map(repr, required))
            raise DataError(
                f"{file}, line 1: the header needs one column {columns}, "
                f"separated by {'tabs' if delimiter == chr(9) else 'commas'}; found {header}"
            )
        for cells in reader:
            if not any(map(str.strip, cells)):
                continue  # spreadsheets end a table in rows of commas
            while len(cells) > len(header) and not cells[-1].strip():
                cells.pop()
            if len(cells) != len(header):
                raise DataError(
                    f"{file}, line {reader.line_num}: has {len(cells)} cells, the header "
                    f"{len(header)}"
                )
            row = dict(zip(header, cells, strict=True))
            if not all(is_utf8(row[name]) for name in meant[1:] if name in row):
                raise not_utf8(file, reader.line_num)
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: {error}") from None


def _delimiter(file: Path, text: str, required: tuple[str, ...]) -> str:
    """What separates the cells: what the ending says, or semicolons, as spreadsheets write them
    where a comma is for decimals; only if the header has the columns then, and not otherwise."""
    usual = DELIMITERS.get(file.suffix.lower(), ",")
    header = text.partition("\n")[0].lower().replace('"', "")

    def fits(delimiter: str) -> bool:
        return set(required) <= {cell.strip() for cell in header.split(delimiter)}

    return ";" if fits(";") and not fits(usual) else usual


def cell_path(file: Path, line: int, cells: Mapping[str, str]) -> str:
    """The path of a line as it stands there; DataError if it is empty."""
    path = cells["path"]
    if not path.strip():
        raise DataError(f"{file}, line {line}: the path is empty")
    if "\0" in path:
        raise DataError(f"{file}, line {line}: the path holds a NUL, which no file's name can")
    return path


def is_utf8(text: str) -> bool:
    """Whether it holds none of the surrogates that stand for other bytes."""
    return text.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in text)


def not_utf8(file: Path, line: int) -> DataError:
    """The error of a line that another encoding wrote."""
    return DataError(f"{file}, line {line}: not UTF-8 text; save the file as UTF-8")


def cell_part(file: Path, line: int, cells: Mapping[str, str]) -> str:
    """The part of the split of a line; DataError if it is none."""
    part = part_of(cells["split"])
    if part is None:
        raise DataError(
            f"{file}, line {line}: the split is {cells['split']!r}; it must be train, val or test "
            "in every line"
        )
    return part
