"""What the headers of many picture files say together, before any is decoded."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from nncore.data.pictures.decode import UnusableImageError
from nncore.data.pictures.facts import ImageFacts, image_facts

_LOOKED_AT = 200
_WITH_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")


@dataclass(frozen=True)
class Headers:
    """Of the pictures that were looked at: the median of their shorter sides in pixels, and which
    part of them has a channel for transparency."""

    side: int
    transparent: float


def look_at_headers(paths: Sequence[str]) -> Headers | None:
    """Of many files some are looked at that are spread evenly; None where none is a picture.

    Files that are no pictures do not count: whoever reads them says so.
    """
    step = max(1, len(paths) // _LOOKED_AT)
    found = [facts for path in paths[::step] if (facts := _facts(path)) is not None]
    if not found:
        return None
    return Headers(
        statistics.median_low(min(facts.height, facts.width) for facts in found),
        sum(facts.mode in _WITH_ALPHA for facts in found) / len(found),
    )


def _facts(path: str) -> ImageFacts | None:
    try:
        return image_facts(path)
    except UnusableImageError:
        return None
