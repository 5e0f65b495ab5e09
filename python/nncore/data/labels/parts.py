"""The three parts of a split, and the names that people give to them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

TRAIN, VAL, TEST = 0, 1, 2
PARTS = ("train", "val", "test")  # by side
LAYOUTS = ("auto", "classes", "parts")
"""What the sub-folders of a folder can be said to be; auto: seen from their names and content."""

_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
# Of folders only.
_ALSO = {"trainval": "train", "dev": "val", "holdout": "test", "heldout": "test"}

# Words beside a part's name that say nothing about what is in it.
_FILLERS = frozenset(
    (
        *("set", "sets", "data", "dataset", "datasets", "split", "part", "subset", "folder", "dir"),
        *("image", "images", "imgs", "img", "pics", "pictures", "photos", "samples", "files"),
        *("full", "all", "new", "final", "v", "ver", "version", "orig", "original", "raw"),
        *("clean", "cleaned", "resized", "labelled", "labeled"),
    )
)
_PORTIONS = frozenset(
    (
        *("fold", "folds", "cv", "part", "parts", "portion", "batch", "split", "chunk", "shard"),
        *("set", "subset", "dataset"),
    )
)
_UNLABELLED = frozenset(
    ("unlabelled", "unlabeled", "unlabel", "nolabel", "unannotated", "unsorted")
)
_PREDICTED = frozenset(("pred", "preds", "predict", "prediction", "predictions", "inference"))

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_]+")


def part_of(name: str) -> str | None:
    """`PARTS` entry that a folder name or a table cell stands for; None if for none."""
    return _NAMES.get(name.strip().lower())


def parts_of(split: Sequence[str]) -> list[str]:
    """The same of each image; ValueError for a name that stands for none."""
    parts = [part_of(name) for name in split]
    for position, part in enumerate(parts):
        if part is None:
            raise ValueError(f"split[{position}] is {split[position]!r}; known: {', '.join(PARTS)}")
    return [part for part in parts if part is not None]


@dataclass(frozen=True)
class FolderName:
    """What the name of a folder says, word by word.

    Attributes
    ----------
    part
        `PARTS` entry, as for "training_set", "TestData", "val2017" and "seg_train".
    unlabelled, predicted
        Whether it is called after pictures without a label, or after those to predict.
    portion
        Whether it is one of several of a kind, as "fold3" and "batch_1".
    stem
        What is left without words that say nothing, such as ("seg",): "bullet_train" is no part by
        itself, but "seg_train" is beside "seg_test".
    numbers
        The numbers and single letters in it.
    """

    part: str | None
    unlabelled: bool
    predicted: bool
    portion: bool
    stem: tuple[str, ...]
    numbers: tuple[str, ...]

    @classmethod
    def of(cls, name: str) -> FolderName:
        words = [word.lower() for word in _WORD.findall(unicodedata.normalize("NFC", name))]
        words = [piece for word in words for piece in _unglued(word)]
        # "part_b" is numbered, too.
        counted = [
            word for word in words if word.isdecimal() or (len(word) == 1 and len(words) > 1)
        ]
        words = [word for word in words if word not in counted]
        parts = {_part(word) for word in words} - {None}
        stem = tuple(
            word
            for word in words
            if _part(word) is None and word not in _FILLERS | _UNLABELLED | _PREDICTED
        )
        return cls(
            parts.pop() if len(parts) == 1 else None,
            bool(_UNLABELLED.intersection(words)),
            bool(_PREDICTED.intersection(words)),
            bool(counted) and bool(words) and _PORTIONS.issuperset(words),
            stem,
            tuple(counted),
        )


def _part(word: str) -> str | None:
    return _NAMES.get(word) or _ALSO.get(word)


def _unglued(word: str) -> tuple[str, ...]:
    """ "trainset" as ("train", "set")."""
    for length in range(len(word) - 1, 2, -1):
        if _part(word[:length]) and word[length:] in _FILLERS:
            return word[:length], word[length:]
    return (word,)
