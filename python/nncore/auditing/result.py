"""What an audit has found."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncore.auditing.held_out import HeldOut
from nncore.auditing.suspects import Suspect
from nncore.data.quality import Flaw
from nncore.data.sources.audit_csv import AuditRow, write_audit_csv

if TYPE_CHECKING:
    from nncore.data.dataset import ImageDataset


@dataclass(frozen=True)
class DuplicateSet:
    """Images of the same pixels (`kind` "exact"), or nearly the same ones ("near"): their positions
    in the data set, the different classes they are labelled with, and the different parts of the
    given split they are in."""

    kind: str
    positions: tuple[int, ...]
    classes: tuple[str, ...]
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Outlier:
    """An image that is like no others: `score` times as far from its neighbours as is usual."""

    position: int
    score: float


@dataclass(frozen=True, eq=False)
class Audit:
    """What `nncore.audit` has found. Nothing is moved or deleted: `write_csv` writes a table, in
    which a person says what becomes of each image, and `ImageDataset.with_audit` obeys it.

    Attributes
    ----------
    data : ImageDataset
        The images that were looked at.
    suspects : list of Suspect
        Labels that may be wrong, the worst first; at least a twentieth of the images.
    estimated_errors : int
        How many labels are wrong, as confident learning estimates.
    confusions : list of (str, str, int)
        Label, the class that is more likely, and of how many images; the most frequent first.
    duplicates : list of DuplicateSet
        Sets across classes first, then those across parts of a split.
    outliers : list of Outlier
        The most unlike first.
    flaws : list of Flaw
        Images that are too dark, too bright, of one colour, blurred or tiny.
    held_out : HeldOut
        What networks say of each image that have not learned from it.
    settings : Mapping
        How the networks were trained.
    notes : list of str
        What could not be done.
    """

    data: ImageDataset
    suspects: list[Suspect]
    estimated_errors: int
    confusions: list[tuple[str, str, int]]
    duplicates: list[DuplicateSet]
    outliers: list[Outlier]
    flaws: list[Flaw]
    held_out: HeldOut
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return (
            f"Audit({len(self.data)} images: about {self.estimated_errors} wrong labels, "
            f"{len(self.suspects)} suspects, {len(self.duplicates)} sets of duplicates, "
            f"{len(self.outliers)} outliers, {len(self.flaws)} flaws)"
        )

    def label(self, position: int) -> str:
        """The class that an image is labelled with."""
        return self.data.classes.name(int(self.data.labels[position]))

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; what ``nncore audit --json`` prints."""
        data = self.data
        return {
            "images": len(data),
            "classes": list(data.classes.names),
            "estimated_errors": self.estimated_errors,
            "suspects": [
                {
                    "path": one.path,
                    "label": one.label,
                    "suggested": one.suggested,
                    "score": one.score,
                    "reason": one.reason,
                }
                for one in self.suspects
            ],
            "confusions": [
                {"label": label, "suggested": other, "images": images}
                for label, other, images in self.confusions
            ],
            "duplicates": [
                {
                    "kind": one.kind,
                    "paths": [data.paths[i] for i in one.positions],
                    "labels": [self.label(i) for i in one.positions],
                    "classes": list(one.classes),
                    "parts": list(one.parts),
                }
                for one in self.duplicates
            ],
            "outliers": [
                {
                    "path": data.paths[one.position],
                    "label": self.label(one.position),
                    "score": one.score,
                }
                for one in self.outliers
            ],
            "quality": [
                {
                    "path": data.paths[one.position],
                    "label": self.label(one.position),
                    "problem": one.problem,
                    "value": one.value,
                    "limit": one.limit,
                }
                for one in self.flaws
            ],
            "settings": dict(self.settings),
            "notes": list(self.notes),
        }

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write ``path,label,suggested,score,reason,action``, one row per image that something was
        found of, suspects first; see ``docs/audit.md``.

        Paths are relative to the folder of the table. The last column is empty, for a person to
        fill in.

        Raises
        ------
        ValueError
            The images came from arrays and have no names.
        OSError
            The file cannot be written.
        """
        if not all(self.data.paths):
            raise ValueError("the images have no names: give names to ImageDataset.from_arrays")
        write_audit_csv(path, self._rows())

    def _rows(self) -> Iterator[AuditRow]:
        reasons: dict[int, list[str]] = {}
        for position, reason in self._findings():
            reasons.setdefault(position, []).append(reason)
        suggested = {one.position: one.suggested for one in self.suspects}
        for position, own in reasons.items():
            yield AuditRow(
                self.data.paths[position],
                self.label(position),
                suggested.get(position, ""),
                float(self.held_out.own[position]) if self.held_out.judged[position] else None,
                "; ".join(own),
            )

    def _findings(self) -> Iterator[tuple[int, str]]:
        """Positions and reasons, in the order of the table."""
        for one in self.suspects:
            yield one.position, one.reason
        for same in self.duplicates:
            yield from self._of_duplicates(same)
        for outlier in self.outliers:
            yield outlier.position, f"outlier: {outlier.score:.1f} times as far as is usual"
        for flaw in self.flaws:
            yield flaw.position, flaw.reason

    def _of_duplicates(self, same: DuplicateSet) -> Iterator[tuple[int, str]]:
        words = "same pixels as" if same.kind == "exact" else "nearly the same as"
        first, *others = same.positions
        # Within one class the first one may well stay.
        across = len(same.classes) > 1 or len(same.parts) > 1
        for position in same.positions if across else others:
            other = first if position != first else others[0]
            name = Path(self.data.paths[other]).name
            yield position, f"{words} {name} ({self.label(other)})"
