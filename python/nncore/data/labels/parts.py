"""The three parts of a split, and the names that people give to them."""

from __future__ import annotations

TRAIN, VAL, TEST = 0, 1, 2
PARTS = ("train", "val", "test")  # by side

_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def part_of(name: str) -> str | None:
    """`PARTS` entry that a folder name or a table cell stands for; None if for none."""
    return _NAMES.get(name.strip().lower())
