"""How picture files are read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """As the arguments of `ImageDataset.from_folder`; None for what the images decide."""

    size: int | tuple[int, int] | None = None
    color: str | None = None
    max_pixels: int = 1 << 26
    max_broken: float = 0.01
    cache: str | bool = False
