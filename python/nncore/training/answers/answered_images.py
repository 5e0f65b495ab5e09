"""Single images that say much about a classifier: those it cannot decide on, and typical ones."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nncore.training.answers.answer_list import Answers

Paths = Sequence[str | os.PathLike[str]] | None

# So many, if they are truly undecided: the two most probable classes closer than this.
_MOST_UNCERTAIN, _UNDECIDED = 20, 0.5
_FEWEST_UNCERTAIN = 5
# Of each class, where there are so many of them; together they fill a page.
_TYPICAL = ((10, 4), (20, 2), (40, 1))


@dataclass(frozen=True)
class Answered:
    """One image and the model's answer.

    Attributes
    ----------
    path : str or None
        File of the image, where known.
    index : int
        Row of the image in the evaluated arrays, from 0.
    true, predicted : str
        Names of the right class and of the class that the model answered.
    probability, true_probability : float
        What the model gave to the predicted and to the right class.
    """

    path: str | None
    index: int
    true: str
    predicted: str
    probability: float
    true_probability: float


@dataclass(frozen=True)
class AnsweredImage(Answered):
    """One image, the model's answer and its second choice.

    Attributes
    ----------
    runner_up, runner_up_probability : str, float
        Name of the class that came next, and what the model gave to it.
    """

    runner_up: str
    runner_up_probability: float


def answer_to(row: int, answers: Answers, names: Sequence[str], paths: Paths) -> dict[str, Any]:
    """The fields of `Answered` of one row."""
    return {
        "path": None if paths is None else os.fspath(paths[row]),
        "index": row,
        "true": names[answers.truth[row]],
        "predicted": names[answers.answer[row]],
        "probability": float(answers.probability[row]),
        "true_probability": float(answers.true_probability[row]),
    }


def uncertain_images(
    answers: Answers, names: Sequence[str], paths: Paths
) -> tuple[AnsweredImage, ...]:
    """Those with the smallest distance between the two most probable classes, the smallest first;
    of equal ones the lower index. 5, and up to 20 where the distance is below 0.5."""
    distance = answers.probability - answers.runner_up_probability
    order = np.argsort(distance, kind="stable")[:_MOST_UNCERTAIN]
    undecided = int((distance[order] < _UNDECIDED).sum())
    return _described(order[: max(undecided, _FEWEST_UNCERTAIN)].tolist(), answers, names, paths)


def typical_images(
    answers: Answers, names: Sequence[str], paths: Paths
) -> tuple[AnsweredImage, ...]:
    """Of each class the images that are most surely known as such; with many classes fewer of each,
    and beyond 40 those of the 40 classes with the most mistakes."""
    k = len(names)
    each = next((images for classes, images in _TYPICAL if k <= classes), 1)
    shown: Sequence[int] = range(k)
    if k > _TYPICAL[-1][0]:
        wrong = answers.answer != answers.truth
        mistakes = np.bincount(answers.truth[wrong], minlength=k)
        shown = sorted(np.argsort(-mistakes, kind="stable")[: _TYPICAL[-1][0]].tolist())
    right = np.flatnonzero(answers.answer == answers.truth)
    by_class = np.lexsort((right, -answers.probability[right], answers.truth[right]))
    order, labels = right[by_class], answers.truth[right][by_class]
    starts = np.searchsorted(labels, shown)
    ends = np.searchsorted(labels, shown, side="right")
    rows = [
        row
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        for row in order[start : min(end, start + each)].tolist()
    ]
    return _described(rows, answers, names, paths)


def _described(
    rows: Iterable[int], answers: Answers, names: Sequence[str], paths: Paths
) -> tuple[AnsweredImage, ...]:
    return tuple(
        AnsweredImage(
            **answer_to(row, answers, names, paths),
            runner_up=names[answers.runner_up[row]],
            runner_up_probability=float(answers.runner_up_probability[row]),
        )
        for row in rows
    )
