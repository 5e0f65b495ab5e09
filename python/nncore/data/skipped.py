"""The record of files that were left out, and why."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from nncore.atomic import atomic_write_bytes

SkipKind = Literal["broken", "foreign", "hidden"]


@dataclass(frozen=True)
class SkippedFile:
    """One file that is not in the data set.

    `kind` is ``"broken"`` (meant to be an image, cannot be used), ``"foreign"`` (no image) or
    ``"hidden"`` (dot-files, ``__MACOSX``).
    """

    path: str
    reason: str
    kind: SkipKind = "broken"


def in_words(skipped: Sequence[SkippedFile], most: int = 5) -> str:
    """The first files with their reasons, and how many there are besides."""
    shown = "; ".join(f"{file.path}: {file.reason}" for file in skipped[:most])
    return shown + (f"; and {len(skipped) - most:,} more" if len(skipped) > most else "")


def csv_bytes(rows: Iterable[Sequence[str]]) -> bytes:
    """CSV text in UTF-8; file names that are not UTF-8 keep their own bytes."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode("utf-8", "surrogateescape")


def write_skipped_csv(path: str | os.PathLike[str], skipped: Iterable[SkippedFile]) -> None:
    """Write ``path,kind,reason``, one row per skipped file; OSError if it cannot be written."""
    rows = [(file.path, file.kind, file.reason) for file in skipped]
    atomic_write_bytes(path, csv_bytes([("path", "kind", "reason"), *rows]))
