"""`audit.html`: what an audit has found, as pictures to be looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore.files.atomic import atomic_write_text
from nncore.report import page
from nncore.report.thumbnails import Thumbnail, thumbnail

if TYPE_CHECKING:
    from nncore.auditing import Audit
    from nncore.auditing.result import DuplicateSet
    from nncore.auditing.suspects import Suspect
    from nncore.data.quality import Flaw

# So many are shown; the table has all.
_MOST_SUSPECTS, _MOST_OTHERS = 200, 48
_MOST_SETS, _MOST_OF_A_SET = 40, 6
_MOST_PAIRS = 20


@dataclass(frozen=True)
class Shown:
    """An image on the page: its picture, its file below the data, its label, and what was found: a
    `Suspect`, a `Flaw`, the number of an outlier, or nothing."""

    picture: Thumbnail
    file: str
    label: str
    found: Suspect | Flaw | float | None = None


@dataclass(frozen=True)
class ShownSet:
    """Some images of a set of duplicates, and how many there are besides."""

    same: DuplicateSet
    images: Sequence[Shown]
    left_out: int


def write_audit_page(
    found: Audit, path: str | os.PathLike[str], source: str = "", command: str = ""
) -> None:
    """Write the page of an audit.

    Parameters
    ----------
    path
        Of the page.
    source
        Where the images came from; files are told by what leads to them from there.
    command
        That obeys the table.

    Raises
    ------
    OSError
        The page cannot be written.
    """
    atomic_write_text(path, audit_page(found, source, command))


def audit_page(found: Audit, source: str = "", command: str = "") -> str:
    """The text of the page."""
    show = _shower(found, source)
    values: dict[str, Any] = {
        "found": found,
        "source": source,
        "command": command,
        "suspects": [show(one.position, one) for one in found.suspects[:_MOST_SUSPECTS]],
        "confusions": found.confusions[:_MOST_PAIRS],
        "sets": [_shown_set(same, show) for same in found.duplicates[:_MOST_SETS]],
        "outliers": [show(one.position, one.score) for one in found.outliers[:_MOST_OTHERS]],
        "flaws": [show(one.position, one) for one in found.flaws[:_MOST_OTHERS]],
    }
    return page.render("audit.html", values, title=f"Audit of {source or 'images'}")


def _shower(found: Audit, source: str) -> Callable[..., Shown]:
    """What makes a `Shown` of a position, and of what was found there."""
    data, base = found.data, os.path.join(source, "")

    def show(position: int, what: Suspect | Flaw | float | None = None) -> Shown:
        path = data.paths[position] or f"image {position}"
        file = path[len(base) :] if source and path.startswith(base) else path
        pixels = np.asarray(data.images[position])
        return Shown(thumbnail(pixels), file, found.label(position), what)

    return show


def _shown_set(same: DuplicateSet, show: Callable[..., Shown]) -> ShownSet:
    images = [show(position) for position in same.positions[:_MOST_OF_A_SET]]
    return ShownSet(same, images, len(same.positions) - len(images))
