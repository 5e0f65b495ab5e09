"""Labels that a person has corrected, and images that are to be left out. N images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncore.data.labels.class_map import ClassMap
from nncore.data.skipped import SkippedFile
from nncore.errors import DataError

_LEFT_OUT = "left out, as the table of the audit says"


@dataclass(frozen=True)
class Corrections:
    """What becomes of images, by their paths: the class that one is moved to, or None for one that
    is left out. All others are kept."""

    by_path: Mapping[str, str | None]

    @property
    def moved(self) -> int:
        """How many images get another label."""
        return sum(name is not None for name in self.by_path.values())

    @property
    def left_out(self) -> int:
        """How many images are left out."""
        return len(self.by_path) - self.moved


def corrected(
    corrections: Corrections, paths: Sequence[str], labels: NDArray[np.int32], classes: ClassMap
) -> tuple[NDArray[np.int32], NDArray[np.bool_], list[SkippedFile]]:
    """Labels (N,) of images with these paths, which of them are kept (N,), and those that are not.

    Raises
    ------
    DataError
        A class that had images has none any more.
    """
    found = labels.copy()
    kept = np.ones(len(labels), np.bool_)
    for position, path in enumerate(paths):
        name = corrections.by_path.get(path, classes.name(int(labels[position])))
        if name is None:
            kept[position] = False
        else:
            found[position] = classes.encode([name])[0]
    lost = sorted(set(labels.tolist()) - set(found[kept].tolist()))
    if lost:
        names = ", ".join(repr(classes.name(label)) for label in lost[:20])
        raise DataError(f"the audit leaves no image in class {names}; keep at least one")
    left_out = [SkippedFile(paths[i], _LEFT_OUT, "audited") for i in np.flatnonzero(~kept).tolist()]
    return found, kept, left_out
