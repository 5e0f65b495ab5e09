"""The parts into which images are split: for training, validation and test."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nncore.data import ImageDataset

# What is set apart for validation by itself: a part, but no more than tells epochs apart.
VAL, _ENOUGH_VAL = 0.15, 3000
NEW = "new"
"""The word for a split that is made although one came with the data."""


def val_fraction(images: int) -> float:
    """The part of so many images that `nncore train` validates on by itself."""
    return min(VAL, _ENOUGH_VAL / max(images, 1))


@dataclass(frozen=True)
class SplitSettings:
    """Fractions for validation (None: `val_fraction`) and test; a table with a split, or `NEW`."""

    val: float | None = None
    test: float = 0.0
    table: str | None = None


@dataclass(frozen=True)
class Parts:
    """All images, and the parts of them; `val_fraction` is what was asked for, `source` where the
    split comes from, in words."""

    whole: ImageDataset
    train: ImageDataset
    val: ImageDataset
    test: ImageDataset
    val_fraction: float
    source: str

    @property
    def by_name(self) -> dict[str, ImageDataset]:
        return {"train": self.train, "val": self.val, "test": self.test}

    @property
    def measured(self) -> tuple[str, ImageDataset]:
        """The part on which the trained model is measured, with its name."""
        if len(self.test):
            return "test", self.test
        return ("validation", self.val) if len(self.val) else ("training", self.train)


def split(data: ImageDataset, settings: SplitSettings, seed: int) -> Parts:
    """The parts that the settings ask for."""
    if settings.table == NEW:
        data = dataclasses.replace(data, given_split=None)
    elif settings.table is not None:
        data = data.with_split(settings.table)
    val = val_fraction(len(data)) if settings.val is None else settings.val
    train, validation, test = data.split(val, settings.test, seed)
    source = _source(data, settings, val, seed)
    return Parts(data, train, validation, test, val, source)


def _source(data: ImageDataset, settings: SplitSettings, val: float, seed: int) -> str:
    made = f"made with seed {seed}"
    if data.given_split is None:
        return made
    given = "came with the data" if settings.table is None else f"from {settings.table}"
    wanted = {"val": val, "test": settings.test}
    missing = [name for name, part in wanted.items() if part and name not in data.given_split]
    return f"{given}; {' and '.join(missing)} {made} from train" if missing else given
