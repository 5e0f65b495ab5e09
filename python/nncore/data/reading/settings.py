"""How picture files are read: settled and checked once, then handed on as a whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nncore.arguments import check_int
from nncore.data.labels.parts import LAYOUTS
from nncore.data.pictures.decode import MAX_PIXELS
from nncore.data.pictures.request import Request
from nncore.data.preprocessing import COLORS, FITS, MAX_SIDE, Preprocessing, check_background
from nncore.data.reading.cache_folder import default_cache_folder
from nncore.files.home import place
from nncore.layers.stack import MAX_VALUES_PER_IMAGE

WHITE = (255, 255, 255)
CacheChoice = str | os.PathLike[str] | bool


@dataclass(frozen=True)
class Reading:
    """How picture files become images, and how they are found in a folder.

    Parameters
    ----------
    size
        Side or (height, width) in pixels. None: the images' own size if all have the same and it is
        at most 64 x 64, else (64, 64).
    color
        ``"rgb"``, ``"gray"`` or None: gray if every picture is stored as gray.
    background
        What transparent pictures are laid on, and padded ones: (red, green, blue), 0 to 255.
    max_pixels
        Larger pictures are refused (as broken) before they are decoded.
    max_broken
        Largest fraction of broken image files that is put up with.
    cache
        A folder where the decoded images are kept; True: the user's cache folder; False: none.
    preprocessing
        A model's; takes the place of `size`, `color`, `background` and `fit`.
    fit
        ``"stretch"``, ``"crop"`` or ``"pad"``, see `Preprocessing`; None: what the model on top
        does best with, and else stretch.
    layout
        What the sub-folders of a folder are: ``"classes"``, ``"parts"`` that hold a folder per
        class, or ``"auto"``.

    Attributes
    ----------
    request
        What follows for each picture.

    Raises
    ------
    TypeError, ValueError
        A wrong argument.
    """

    size: int | tuple[int, int] | None = None
    color: str | None = None
    background: tuple[int, int, int] = WHITE
    max_pixels: int = MAX_PIXELS
    max_broken: float = 0.01
    cache: CacheChoice = False
    preprocessing: Preprocessing | None = None
    fit: str | None = None
    layout: str = "auto"
    request: Request = field(init=False, compare=False)

    def __post_init__(self) -> None:
        size, color = check_size(self.size), _check_choice("color", self.color, COLORS)
        background = check_background("background", self.background)
        object.__setattr__(self, "max_broken", _check_max_broken(self.max_broken))
        cache = self.cache
        if not isinstance(cache, (bool, str, os.PathLike)):
            raise TypeError(f"cache must be a folder, True or False, not {cache!r}")
        max_pixels = check_int("max_pixels", self.max_pixels, 1)
        fit = _check_choice("fit", self.fit, FITS) or "stretch"
        if fit == "pad" and len(set(background)) > 1:
            color = color or "rgb"  # gray pictures, too, have colour at their sides then
        _check_choice("layout", self.layout, LAYOUTS)
        request = Request(size, color, background, max_pixels, fit)
        if self.preprocessing is not None:
            request = Request.of(self.preprocessing, max_pixels)
        object.__setattr__(self, "request", request)

    @property
    def cache_folder(self) -> Path | None:
        """The folder of the cache; None without one."""
        if self.cache is False:
            return None
        return default_cache_folder() if self.cache is True else place(self.cache)


def check_size(size: Any) -> tuple[int, int] | None:
    """`size` argument as (height, width); None stays None (automatic)."""
    if size is None:
        return None
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2:
        raise ValueError(f"size must be an integer or (height, width), not {size!r}")
    height, width = (check_int("size", side, 1, MAX_SIDE) for side in sides)
    if 3 * height * width > MAX_VALUES_PER_IMAGE:
        raise ValueError(
            f"size {height}x{width} has {3 * height * width:,} values per image, more than the "
            f"{MAX_VALUES_PER_IMAGE:,} that a network may have for one image with all its layers"
        )
    return height, width


def _check_choice(name: str, value: Any, known: Sequence[str]) -> str | None:
    """An argument that is one of some words; None stays None (automatic)."""
    if value is not None and value not in known:
        raise ValueError(f"{name} is {value!r}; known: {', '.join(known)}, or None for automatic")
    return None if value is None else str(value)


def _check_max_broken(max_broken: Any) -> float:
    """`max_broken` argument, a fraction."""
    if isinstance(max_broken, bool) or not isinstance(max_broken, (int, float)):
        raise TypeError(f"max_broken must be a number, not {max_broken!r}")
    if not 0 <= max_broken <= 1:
        raise ValueError(f"max_broken must be within 0..1, not {max_broken}")
    return float(max_broken)
