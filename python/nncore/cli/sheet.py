"""The contact sheet of `nncore check --sheet`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nncore.cli.destinations import check_picture
from nncore.cli.output import count

if TYPE_CHECKING:
    from nncore.data import ImageDataset
    from nncore.data.duplicates import Duplicates

_PER_CLASS = 8
_MOST_DUPLICATES = 24


def check_path(path: str) -> None:
    """ValueError or OSError if no picture can be written there; before minutes are spent."""
    from nncore.plots._figure import checked_format

    checked_format(path)
    check_picture(path, "--sheet")


def draw_sheet(data: ImageDataset, duplicates: Sequence[Duplicates], path: str) -> None:
    """Some images of every class, evenly over its files, and duplicates, harmful ones first."""
    from nncore import plots

    rows, notes = {}, {}
    for label, (name, images) in enumerate(data.counts.items()):
        own = np.flatnonzero(data.labels == label)
        chosen = own[np.linspace(0, max(images - 1, 0), min(images, _PER_CLASS)).astype(int)]
        rows[name] = [data.images[position] for position in chosen]
        notes[name] = count(images, "image")
    harm = sorted(duplicates, key=lambda same: (-len(same.classes), -len(same.parts)))
    shown = [(data.images[same.positions[0]], _where(same)) for same in harm[:_MOST_DUPLICATES]]
    plots.contact_sheet(rows, path, notes=notes, duplicates=shown)


def _where(same: Duplicates) -> str:
    from nncore.plots._sheet import short

    lines = [f"{len(same.positions)} times", short(" = ".join(same.classes))]
    return "\n".join(lines + ([short(" = ".join(same.parts))] if len(same.parts) > 1 else []))
