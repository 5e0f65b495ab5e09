"""What the pixels of a picture are to be."""

from __future__ import annotations

from dataclasses import dataclass

from nncore.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class Request:
    """How pictures are to become pixels; None for what they decide themselves.

    `size` (height, width): None keeps pictures up to 64 x 64 as they are and resizes others to
    64 x 64. `color` None gives one channel for gray pictures and three for others. Pictures of more
    than `max_pixels` are refused before they are decoded. `fit` is that of `Preprocessing`.
    """

    size: tuple[int, int] | None
    color: str | None
    alpha_background: tuple[int, int, int]
    max_pixels: int
    fit: str = "stretch"

    @classmethod
    def of(cls, preprocessing: Preprocessing, max_pixels: int) -> Request:
        """What a model asks for: nothing is left open."""
        return cls(
            (preprocessing.height, preprocessing.width),
            preprocessing.color,
            preprocessing.alpha_background,
            max_pixels,
            preprocessing.fit,
        )
