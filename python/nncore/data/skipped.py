"""The record of files that were left out, and why."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from nncore.data.csv_text import csv_bytes
from nncore.files.atomic import atomic_write_bytes
from nncore.files.file_names import as_cell

SkipKind = Literal["broken", "foreign", "own", "hidden", "audited"]


@dataclass(frozen=True)
class SkippedFile:
    """One file that is not in the data set.

    `kind` is ``"broken"`` (meant to be an image, cannot be used), ``"foreign"`` (no image),
    ``"own"`` (written by nncore: a file, or a folder with all that is in it), ``"hidden"``
    (dot-files, ``__MACOSX``) or ``"audited"`` (a person left it out, see ``with_audit``).
    """

    path: str
    reason: str
    kind: SkipKind = "broken"

    def to_dict(self) -> dict[str, str]:
        """JSON-ready form."""
        return {"path": self.path, "reason": self.reason, "kind": self.kind}


def in_words(skipped: Sequence[SkippedFile], most: int = 5) -> str:
    """The first files with their reasons, and how many there are besides."""
    shown = "; ".join(f"{file.path}: {file.reason}" for file in skipped[:most])
    return shown + (f"; and {len(skipped) - most:,} more" if len(skipped) > most else "")


def write_skipped_csv(path: str | os.PathLike[str], skipped: Iterable[SkippedFile]) -> None:
    """Write ``path,kind,reason``, one row per skipped file; OSError if it cannot be written."""
    rows = [(as_cell(file.path), file.kind, file.reason) for file in skipped]
    atomic_write_bytes(path, csv_bytes([("path", "kind", "reason"), *rows]))
