"""What a classifier answered, image by image: all that an evaluation needs of its outputs.

N images, K classes. Outputs (N, K) of thousands of classes would fill the memory: they are scored
block by block, and only some numbers of each image are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Answers:
    """What was answered to N images.

    Attributes
    ----------
    truth, answer, runner_up : int64 (N,)
        The true class, the answered one, and the most probable of the others.
    probability, true_probability, runner_up_probability : floating (N,)
        What the answer, the true class and the runner-up were given.
    uncalibrated : floating (N,)
        What the answer would have been given without the model's temperature.
    """

    truth: NDArray[np.int64]
    answer: NDArray[np.int64]
    probability: NDArray[np.floating[Any]]
    true_probability: NDArray[np.floating[Any]]
    runner_up: NDArray[np.int64]
    runner_up_probability: NDArray[np.floating[Any]]
    uncalibrated: NDArray[np.floating[Any]]

    @classmethod
    def of(
        cls,
        scores: NDArray[np.floating[Any]],
        truth: NDArray[Any],
        uncalibrated: NDArray[np.floating[Any]] | None = None,
    ) -> Answers:
        """The answer is the class with the highest score (N, K); of equal ones the first.

        `uncalibrated` (N, K) are the scores without a temperature, where that is another one than
        1.
        """
        rows, answer = np.arange(len(scores)), scores.argmax(axis=1)
        sure = scores[rows, answer]
        others = scores.copy()
        others[rows, answer] = -np.inf
        runner_up = others.argmax(axis=1)
        return cls(
            truth.astype(np.int64),
            answer,
            sure,
            scores[rows, truth],
            runner_up,
            scores[rows, runner_up],
            sure if uncalibrated is None else uncalibrated[rows, answer],
        )

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
