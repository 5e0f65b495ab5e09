"""What a folder or a table lists, before any picture is opened."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nncore.data.labels.class_map import ClassMap
from nncore.data.labels.given_classes import (
    Classes,
    as_class_map,
    check_agreement,
    integers_as_names,
)
from nncore.data.skipped import SkippedFile, in_words
from nncore.data.sources.folder import scan_folder
from nncore.data.sources.table import read_table
from nncore.errors import DataError
from nncore.files.home import at_home


@dataclass(frozen=True)
class Listing:
    """N files and what is known of each without opening it.

    `name` is the folder or the table, as it was given, and `base` what the paths begin with.
    `labels` are int32 (N,). `parts` and `groups` have an entry per file, or are None where there
    are none; `skipped` are files that were found and are not among the N, `notes` what a person
    may want to say otherwise.
    """

    name: str
    base: str
    paths: list[str]
    labels: NDArray[np.int32]
    classes: ClassMap
    parts: list[str] | None = None
    groups: list[str] | None = None
    skipped: list[SkippedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def list_source(
    source: str | os.PathLike[str],
    classes: Classes | None = None,
    allow_missing_classes: bool = False,
    layout: str = "auto",
) -> Listing:
    """`list_folder`, or `list_table` where `source` is no folder."""
    if os.path.isdir(at_home(source)):
        return list_folder(source, classes, allow_missing_classes, layout)
    return list_table(source, None, classes, allow_missing_classes)


def list_folder(
    folder: str | os.PathLike[str],
    classes: Classes | None,
    allow_missing_classes: bool,
    layout: str = "auto",
) -> Listing:
    """A folder with one sub-folder per class; see `ImageDataset.from_folder`."""
    where = at_home(folder)

    def known(own: str | None) -> Collection[str]:
        given = own if classes is None else classes
        return () if given is None else as_class_map(given).names

    scan = scan_folder(where, layout, known)
    skipped = list(scan.skipped)
    if classes is None and scan.class_map is not None:
        classes = scan.class_map
    elif scan.class_map is not None and not _same_file(classes, scan.class_map):
        skipped.append(SkippedFile(scan.class_map, "is not used: classes were given", "foreign"))
    if classes is None:
        class_map = ClassMap.from_folder_names(scan.classes)
    else:
        class_map = as_class_map(classes)
        check_agreement(
            where, "sub-folders", scan.classes, classes, class_map, allow_missing_classes
        )
    if len(class_map) < 2:
        raise DataError(
            f"{where}: has one class only ({class_map.name(0)!r}); "
            "a classifier needs at least two sub-folders, one per class "
            "(if they lie one level deeper, give that folder)"
        )
    labels = class_map.encode(scan.names)
    return Listing(
        where, where, scan.paths, labels, class_map, scan.parts, None, skipped, scan.notes
    )


def list_table(
    csv_path: str | os.PathLike[str],
    root: str | os.PathLike[str] | None,
    classes: Classes | None,
    allow_missing_classes: bool,
) -> Listing:
    """A table with the columns path and label; see `ImageDataset.from_csv`."""
    where = at_home(csv_path)
    rows = []
    skipped = []
    notes: list[str] = []
    for row in read_table(where, root, notes):
        if row.reason:
            skipped.append(SkippedFile(row.path, row.reason, "foreign"))
        else:
            rows.append(row)
    if not rows:
        raise DataError(f"{where}: lists no image that has a label: {in_words(skipped)}")
    names = [row.label for row in rows]
    if classes is None:
        class_map = ClassMap.from_folder_names(set(names))
    else:
        class_map = as_class_map(classes)
        names = integers_as_names(names, class_map)
        check_agreement(where, "labels", set(names), classes, class_map, allow_missing_classes)
    if len(class_map) < 2:
        raise DataError(
            f"{where}: has one class only ({class_map.name(0)!r}); a classifier needs at least two"
        )
    return Listing(
        where,
        os.path.dirname(where) if root is None else at_home(root),
        [row.path for row in rows],
        class_map.encode(names),
        class_map,
        [row.part for row in rows if row.part is not None] or None,
        [row.group for row in rows] if any(row.group for row in rows) else None,
        skipped,
        notes,
    )


def _same_file(classes: Classes | None, path: str) -> bool:
    return isinstance(classes, (str, os.PathLike)) and os.path.realpath(
        classes
    ) == os.path.realpath(path)
