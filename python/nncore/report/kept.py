"""What a run directory, or the folder of an evaluation, keeps that a page can be made of."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nncore.errors import DataError, ModelFileError
from nncore.files.near_paths import path_meant
from nncore.report.provenance import Provenance, read_provenance

if TYPE_CHECKING:
    from nncore.training.answers.report import Report
    from nncore.training.history import History
    from nncore.training.model_outline import ModelOutline

_BEST = "best.safetensors"


@dataclass(frozen=True)
class Kept:
    """All that is known of a measured model.

    Attributes
    ----------
    folder
        Where it was found.
    report
        The evaluation.
    provenance, told
        Where it comes from; and whether the folder says so, which those of older versions do not.
    history
        Of the training; None for an evaluation, and where it cannot be read.
    outline, model_file, model_missing
        The model's file and what it says of the model; or why there is none.
    """

    folder: Path
    report: Report
    provenance: Provenance
    told: bool
    history: History | None
    outline: ModelOutline | None
    model_file: Path | None
    model_missing: str

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.folder.resolve().name or str(self.folder)


def read_kept(folder: str | os.PathLike[str]) -> Kept:
    """What the folder keeps.

    Raises
    ------
    DataError
        It holds no report, or a damaged one.
    """
    from nncore.training.answers.report_reading import read_report

    path = Path(folder)
    if path.is_file() and (path.parent / "report.json").exists():
        raise DataError(f"{path}: is a file of the run {path.parent}; give that folder")
    try:
        if not path.is_dir():
            raise FileNotFoundError
        report = read_report(path / "report.json")
    except FileNotFoundError:
        what = "holds no report.json" if path.is_dir() else "is no folder"
        advice = (
            "; give the folder of a run that has finished an epoch, or one that "
            "`nncore evaluate --output` has written"
        )
        raise DataError(f"{path}: {what}{path_meant(path) or advice}") from None
    found = read_provenance(path / "provenance.json")
    provenance = Provenance() if found is None else found
    file, outline, missing = _model(path, provenance)
    history = _history(path)
    return Kept(path, report, provenance, found is not None, history, outline, file, missing)


def _history(folder: Path) -> History | None:
    from nncore.training.history import History

    if not (folder / "history.csv").exists():
        return None
    history = History.from_csv(folder / "history.csv")
    return history if len(history) else None


def _model(folder: Path, provenance: Provenance) -> tuple[Path | None, ModelOutline | None, str]:
    from nncore.training.model_outline import read_outline

    file = folder / _BEST if provenance.model is None else Path(provenance.model)
    try:
        return file, read_outline(file), ""
    except ModelFileError as error:
        return None, None, str(error)
