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

from nncore.training.answers.prediction_sets import set_sizes


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
    set_sizes : int64 (N, S) or None
        How many classes the image's set has, for each coverage that sets were made for.
    unknown : bool (N,) or None
        Whether the image is told to be none of the classes.
    """

    truth: NDArray[np.int64]
    answer: NDArray[np.int64]
    probability: NDArray[np.floating[Any]]
    true_probability: NDArray[np.floating[Any]]
    runner_up: NDArray[np.int64]
    runner_up_probability: NDArray[np.floating[Any]]
    uncalibrated: NDArray[np.floating[Any]]
    set_sizes: NDArray[np.int64] | None = None
    unknown: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls,
        scores: NDArray[np.floating[Any]],
        truth: NDArray[Any],
        uncalibrated: NDArray[np.floating[Any]] | None = None,
        thresholds: Sequence[float] = (),
        unknown: NDArray[np.bool_] | None = None,
    ) -> Answers:
        """The answer is the class with the highest score (N, K); of equal ones the first.

        `uncalibrated` (N, K) are the scores without a temperature, where that is another one than
        1; `thresholds` those of sets, one for each coverage.
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
            np.column_stack([set_sizes(scores, t) for t in thresholds]) if thresholds else None,
            unknown,
        )

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """Those of all blocks, in their order."""
        columns = [[getattr(part, field.name) for part in parts] for field in fields(cls)]
        joined: list[Any] = [None if c[0] is None else np.concatenate(c) for c in columns]
        return cls(*joined)

    def __len__(self) -> int:
        return len(self.truth)

    def confusion(self, classes: int) -> NDArray[np.int64]:
        """Rows (true class, answered class, images), int64 (M, 3), sorted, without zeros."""
        pairs, images = np.unique(self.truth * classes + self.answer, return_counts=True)
        return np.column_stack([pairs // classes, pairs % classes, images]).astype(np.int64)
