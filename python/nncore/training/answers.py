"""What a classifier answered, image by image: all that an evaluation needs of its outputs.

N images, K classes. Outputs (N, K) of thousands of classes would fill the memory: they are scored
block by block, and only four numbers of each image are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Answers:
    """True classes int64 (N,), answered classes (N,), and what these two were given (N,)."""

    truth: NDArray[np.int64]
    answer: NDArray[np.int64]
    probability: NDArray[np.floating[Any]]
    true_probability: NDArray[np.floating[Any]]

    @classmethod
    def of(cls, scores: NDArray[np.floating[Any]], truth: NDArray[Any]) -> Answers:
        """The answer is the class with the highest score (N, K); of equal ones the first."""
        rows, answer = np.arange(len(scores)), scores.argmax(axis=1)
        return cls(truth.astype(np.int64), answer, scores[rows, answer], scores[rows, truth])

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """Those of all blocks, in their order."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def __len__(self) -> int:
        return len(self.truth)

    def confusion(self, classes: int) -> NDArray[np.int64]:
        """Rows (true class, answered class, images), int64 (M, 3), sorted, without zeros."""
        pairs, images = np.unique(self.truth * classes + self.answer, return_counts=True)
        return np.column_stack([pairs // classes, pairs % classes, images]).astype(np.int64)
