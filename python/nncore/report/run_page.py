"""`report.html`: one training, or one evaluation, as a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncore.errors import DataError
from nncore.files.atomic import atomic_write_text
from nncore.report import measured, page, pictures, trained
from nncore.report.heat import heat_maps
from nncore.report.kept import Kept, read_kept

if TYPE_CHECKING:
    from nncore.data.mapped import Pixels
    from nncore.data.preprocessing import Preprocessing
    from nncore.training.model import Sequential

FILE = "report.html"


def write_page(
    folder: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    model: Sequential | None = None,
    images: Pixels | None = None,
) -> Path:
    """Write the page of a folder that holds a report: a run directory, or one of an evaluation.

    Parameters
    ----------
    folder
        With `report.json` and whatever else of a run there is.
    path
        Of the page; by default ``report.html`` in the folder.
    model, images
        The measured model and all images that it was measured on, where they are in memory already.
        Else they are read from their files; what has gone is told on the page.

    Raises
    ------
    DataError
        The folder holds no report, or a damaged one.
    OSError
        The page cannot be written.
    """
    kept = read_kept(folder)
    target = Path(folder) / FILE if path is None else Path(path)
    atomic_write_text(target, run_page(kept, model, images))
    return target


def run_page(kept: Kept, model: Sequential | None = None, images: Pixels | None = None) -> str:
    """The text of the page."""
    values: dict[str, Any] = {
        "kept": kept,
        "report": kept.report,
        "history": kept.history,
        "title": kept.name,
        **measured.sections(kept.report),
        **trained.sections(kept),
        **_pictures(kept, model, images),
    }
    values["anchors"] = _anchors(values)
    return page.render("run.html", values, title=f"{kept.name}: report of nncore")


def _anchors(values: dict[str, Any]) -> list[tuple[str, str]]:
    """The sections that there are, for the line of contents."""
    there = {
        ("result", "Result"): True,
        ("curves", "Curves"): values["curves"],
        ("confusion", "Confusion"): True,
        ("classes", "Classes"): True,
        ("pictures", "Pictures"): values["has_pictures"],
        ("reliability", "Probabilities"): values["has_reliability"],
        ("images", "Images"): True,
        ("recipe", "Recipe"): values["settings"],
        ("network", "Network"): True,
        ("made", "How it was made"): True,
    }
    return [anchor for anchor, shown in there.items() if shown]


def _pictures(kept: Kept, model: Sequential | None, images: Pixels | None) -> dict[str, Any]:
    report = kept.report
    named: list[pictures.Named] = [*report.worst, *report.uncertain, *report.typical]
    if images is not None:
        found = pictures.from_memory(named, images)
    else:
        found = pictures.from_files(named, _preprocessing(kept), kept.provenance.folder)
    heated = heat_maps(kept, model, found.pixels, {one.index: one.predicted for one in named})

    def shown(images: Sequence[pictures.Named]) -> list[pictures.ShownImage]:
        return pictures.shown_images(images, found, heated.overlays)

    by_class: dict[str, list[pictures.ShownImage]] = {}
    for one in shown(report.typical):
        by_class.setdefault(one.image.true, []).append(one)
    return {
        "worst": shown(report.worst),
        "uncertain": shown(report.uncertain),
        "typical": by_class,
        "has_pictures": bool(named),
        "pictures_missing": found.missing,
        "heat_note": heated.note,
        "missing_reason": found.reason,
    }


def _preprocessing(kept: Kept) -> Preprocessing | None:
    """How the model sees pictures; None where nothing says so."""
    from nncore.data.preprocessing import Preprocessing

    known = kept.provenance.preprocessing
    if known is None and kept.outline is not None:
        known = kept.outline.preprocessing
    if known is None:
        return None
    try:
        return Preprocessing.from_dict(dict(known))
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{kept.folder}: cannot be understood: preprocessing: {error}") from None
