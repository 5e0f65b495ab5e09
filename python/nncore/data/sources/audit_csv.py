"""The table of an audit, such as ``nncore audit`` writes: what becomes of single images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nncore.data.csv_text import csv_bytes
from nncore.data.labels.class_map import ClassMap, canonical_name, list_names
from nncore.data.labels.corrections import Corrections
from nncore.data.sources.split_csv import relative_path, split_keys
from nncore.data.sources.table import cell_path, table_lines
from nncore.data.sources.table_paths import TablePaths
from nncore.errors import DataError
from nncore.files.atomic import atomic_write_bytes
from nncore.files.file_names import as_cell, as_text
from nncore.files.home import place

COLUMNS = ("path", "label", "suggested", "score", "reason", "action")
_ACTIONS = "keep, move (to the class in the column suggested), leave out, or nothing, which keeps"


@dataclass(frozen=True)
class AuditRow:
    """One image: its file, its label, the class that is more likely ("" for none), the probability
    of the label (None where nobody can judge), and what is wrong with it."""

    path: str
    label: str
    suggested: str
    score: float | None
    reason: str


def write_audit_csv(path: str | os.PathLike[str], rows: Iterable[AuditRow]) -> None:
    """Write the table, its paths relative to its folder, and the column action empty.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    base = os.path.realpath(place(path).parent)
    lines = [
        (
            as_cell(relative_path(row.path, base)),
            row.label,
            row.suggested,
            "" if row.score is None else f"{row.score:.6f}",
            as_text(row.reason),
            "",
        )
        for row in rows
    ]
    atomic_write_bytes(path, csv_bytes([COLUMNS, *lines]))


def read_audit_csv(
    path: str | os.PathLike[str], files: Sequence[str], classes: ClassMap
) -> Corrections:
    """What the table at `path` says of the images `files`.

    Only the columns ``path`` and ``action``, and of images that are moved ``suggested``, are looked
    at.

    Raises
    ------
    DataError
        The table is missing or wrong; an image is not among `files`, an action or a class is
        unknown, or one image has two actions. File and line are named.
    """
    file, lines = place(path), audit_lines(path)
    places = TablePaths(os.fspath(file.parent))
    paths = [places.find(cell_path(file, line, cells)) for line, cells in lines]
    known = dict(zip(split_keys(files), files, strict=True))
    said: dict[str, tuple[int, str | None, bool]] = {}
    for (line, cells), key in zip(lines, split_keys(paths), strict=True):
        where = f"{file}, line {line}"
        if key not in known:
            raise DataError(
                f"{where}: {cells['path']} is none of the {len(files)} images; paths are relative "
                "to the folder of the table"
            )
        target, kept = _action(where, cells, classes)
        before = said.setdefault(key, (line, target, kept))
        if before[1:] != (target, kept):
            raise DataError(f"{where}: {cells['path']} has another action than in line {before[0]}")
    return Corrections({known[key]: target for key, (_, target, kept) in said.items() if not kept})


def audit_lines(path: str | os.PathLike[str]) -> list[tuple[int, dict[str, str]]]:
    """Line numbers and cells of a table; DataError if it is missing or lacks columns."""
    return list(table_lines(place(path), ("path", "suggested", "action"), COLUMNS))


def has_actions(path: str | os.PathLike[str]) -> bool:
    """Whether somebody has filled in a table: then it must not be written over."""
    file = place(path)
    if not file.is_file():
        return False
    try:
        return any(cells["action"].strip() for _, cells in audit_lines(file))
    except DataError:
        return True  # whatever it is, it is not what nncore wrote


def _action(where: str, cells: Mapping[str, str], classes: ClassMap) -> tuple[str | None, bool]:
    """The class to move to, if any, and whether the image stays as it is."""
    action = " ".join(cells["action"].casefold().replace("_", " ").replace("-", " ").split())
    if action in ("", "keep"):
        return None, True
    if action == "leave out":
        return None, False
    if action not in ("move", "move to"):
        raise DataError(f"{where}: the action is {cells['action']!r}; it must be {_ACTIONS}")
    try:
        name = canonical_name(cells["suggested"])
    except ValueError as error:
        raise DataError(f"{where}: suggested: {error}; name the class to move to") from None
    if name not in classes:
        raise DataError(
            f"{where}: there is no class {name!r} to move to; there are: {list_names(classes)}"
        )
    return name, False
