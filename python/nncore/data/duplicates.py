"""Images that are in a data set more than once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nncore.data.digests import pixel_digest

if TYPE_CHECKING:
    from nncore.data.dataset import ImageDataset


@dataclass(frozen=True)
class Duplicates:
    """Images of the same pixels: their positions in the data set, the different classes they are
    labelled with, and the different parts of the given split they are in (none without one)."""

    positions: tuple[int, ...]
    classes: tuple[str, ...]
    parts: tuple[str, ...]


def find_duplicates(data: ImageDataset) -> list[Duplicates]:
    """Every set of two and more images with the same pixels, at the data set's size and colour.

    In the order of the first image of each; classes in the order of the class map.
    """
    same: dict[bytes, list[int]] = {}
    digests = data.pixel_digests or map(pixel_digest, data.images)
    for position, digest in enumerate(digests):
        same.setdefault(digest, []).append(position)
    found = []
    for positions in same.values():
        if len(positions) > 1:
            labels = sorted({int(data.labels[position]) for position in positions})
            given = data.given_split
            parts = () if given is None else tuple(sorted({given[i] for i in positions}))
            classes = tuple(data.classes.names[label] for label in labels)
            found.append(Duplicates(tuple(positions), classes, parts))
    return found
