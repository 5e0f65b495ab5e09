"""The result of ``model.evaluate``: how often, where and how badly a classifier errs."""

from __future__ import annotations

import json
import math
import operator
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.errors import DataError
from nncore.files.atomic import atomic_write_bytes
from nncore.training.answers.answer_list import Answers
from nncore.training.answers.answered_images import (
    Answered,
    AnsweredImage,
    answer_to,
    typical_images,
    uncertain_images,
)
from nncore.training.answers.assurances import Assurances
from nncore.training.answers.kept_promises import (
    MeasuredSets,
    MeasuredUnknown,
    measured_sets,
    measured_unknown,
)
from nncore.training.answers.reliability import Reliability, reliability

# Beyond this many classes the confusion table is wider than a terminal.
_CONFUSION_IN_TEXT = 20
_CLASSES_IN_TEXT = 50
_PAIRS_IN_TEXT = 5
# Beyond this many classes nearly all of a matrix is zeros, and it outgrows all else in a file.
DENSE_UP_TO = 100
# Two-sided 95 % point of the normal distribution.
_Z95 = 1.959963984540054


class Mistake(Answered):
    """One image that was put into the wrong class."""


@dataclass(frozen=True)
class ClassScore:
    """How one class fared; None where the quantity is undefined (a division by zero images).

    Attributes
    ----------
    name : str
        Class name.
    precision : float or None
        Of the images given this class, the share that belongs to it; None if none was given it.
    recall : float or None
        Of the images of this class, the share that was found; None if there are none.
    f1 : float or None
        Harmonic mean of the two, ``2 TP / (2 TP + FP + FN)``; None if the class occurs neither
        among the labels nor among the answers.
    support : int
        Images of this class.
    """

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, eq=False)
class Report:
    """Evaluation of a classifier on labelled images; ``print(report)`` shows it as a table.

    Attributes
    ----------
    loss : float or None
        Mean over the images, never weighted; None where it is not known.
    loss_name : str
        Such as ``"cross_entropy"``.
    accuracy : float
        Share of the images put into the right class, in [0, 1].
    accuracy_interval : tuple of float
        95 % Wilson interval of `accuracy`: how far the number of images lets one trust it.
    baseline_accuracy : float
        Accuracy of always answering the most frequent class: what a useful model must beat.
    images : int
        Number of images evaluated, N.
    classes : tuple of str
        The K class names in the model's order.
    confusion_triples : int64 (M, 3), read-only
        Rows (t, p, n): n images of class t were given class p. Sorted; pairs without images are
        left out.
    per_class : tuple of ClassScore
        One per class, in the order of `classes`.
    worst : tuple of Mistake
        The most confident mistakes first; of equal ones the lower index.
    uncertain : tuple of AnsweredImage
        Images whose two most probable classes lie closest, the closest first.
    typical : tuple of AnsweredImage
        Some images of each class that are most surely known as such.
    reliability, reliability_before : Reliability
        How often answers of each probability are right; and how often without the model's
        temperature.
    sets : tuple of MeasuredSets
        How often sets of classes for the coverages 0.9 and 0.95 hold the true one, and how large
        they are; empty where the model makes none.
    unknown : MeasuredUnknown or None
        How many images are told to be none of the classes; None where that cannot be told.
    """

    loss: float | None
    loss_name: str
    accuracy: float
    accuracy_interval: tuple[float, float]
    baseline_accuracy: float
    images: int
    classes: tuple[str, ...]
    confusion_triples: NDArray[np.int64]
    per_class: tuple[ClassScore, ...]
    worst: tuple[Mistake, ...]
    uncertain: tuple[AnsweredImage, ...]
    typical: tuple[AnsweredImage, ...]
    reliability: Reliability
    reliability_before: Reliability
    sets: tuple[MeasuredSets, ...] = ()
    unknown: MeasuredUnknown | None = None

    @classmethod
    def from_predictions(
        cls,
        probabilities: ArrayLike,
        labels: ArrayLike,
        classes: Sequence[str],
        loss: float | None,
        loss_name: str,
        paths: Sequence[str | os.PathLike[str]] | None = None,
        worst: int = 20,
    ) -> Report:
        """Score predictions against the labels.

        Parameters
        ----------
        probabilities : float32 (N, K)
            Output of the model. The answer is the class with the highest one; of equal ones the
            first. Values outside [0, 1] are accepted, since a network without softmax gives them.
        labels : integer (N,)
            True classes, 0 to K - 1.
        classes : sequence of K str
            Class names, all different.
        loss : float or None
            Mean loss over the images.
        loss_name : str
            Name of that loss.
        paths : sequence of N paths, optional
            Files of the images, for `worst`.
        worst : int
            How many of the mistakes to list at most.

        Raises
        ------
        TypeError
            `probabilities` are not floating-point, `labels` not integers, a class name not a str.
        ValueError
            Shapes or lengths disagree, a class name occurs twice, `worst` is negative.
        DataError
            There is no image, a label is out of range, or a probability is not finite.
        """
        names = _class_names(classes)
        scores, truth = _arrays(probabilities, labels, names)
        n = len(scores)
        if paths is not None and len(paths) != n:
            raise ValueError(f"paths has {len(paths)} entries for {n} images")
        most = operator.index(worst)
        if most < 0:
            raise ValueError(f"worst must be 0 or more, got {most}")

        return cls.from_answers(Answers.of(scores, truth), names, loss, loss_name, paths, most)

    @classmethod
    def from_answers(
        cls,
        answers: Answers,
        classes: Sequence[str],
        loss: float | None,
        loss_name: str,
        paths: Sequence[str | os.PathLike[str]] | None = None,
        worst: int = 20,
        assurances: Assurances | None = None,
    ) -> Report:
        """`from_predictions`, of predictions that are scored already; `assurances` is what the
        model promises of them."""
        promised = Assurances() if assurances is None else assurances
        n, names = len(answers), tuple(classes)
        confusion = answers.confusion(len(names))
        confusion.setflags(write=False)
        per_class = _class_scores(names, answers)
        right = answers.truth == answers.answer
        correct = int(right.sum())
        return cls(
            loss=None if loss is None else float(loss),
            loss_name=loss_name,
            accuracy=correct / n,
            accuracy_interval=wilson_interval(correct, n),
            baseline_accuracy=max(score.support for score in per_class) / n,
            images=n,
            classes=names,
            confusion_triples=confusion,
            per_class=per_class,
            worst=_worst(answers, names, paths, worst),
            uncertain=uncertain_images(answers, names, paths),
            typical=typical_images(answers, names, paths),
            reliability=reliability(answers.probability, right),
            reliability_before=reliability(answers.uncalibrated, right),
            sets=measured_sets(answers, promised),
            unknown=measured_unknown(answers, promised),
        )

    @property
    def confusion(self) -> NDArray[np.int64]:
        """``confusion[t, p]``: images of class t that were given class p; int64 (K, K), read-only.

        Made anew at each look, of 8 K² bytes: with thousands of classes `confusion_triples` is
        smaller.
        """
        k = len(self.classes)
        dense = np.zeros((k, k), np.int64)
        true, predicted, images = self.confusion_triples.T
        dense[true, predicted] = images
        dense.setflags(write=False)
        return dense

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, as in ``report.json``.

        A loss that is not finite becomes None, since strict JSON has no NaN. ``confusion`` is the
        matrix as rows of K numbers; with more than 100 classes ``{"shape": [K, K], "triples":
        [[t, p, n], ...]}``.
        """
        loss = self.loss if self.loss is not None and math.isfinite(self.loss) else None
        per_class = {}
        for score in self.per_class:
            row = asdict(score)
            per_class[row.pop("name")] = row
        return {
            "loss": loss,
            "loss_name": self.loss_name,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "baseline_accuracy": self.baseline_accuracy,
            "images": self.images,
            "classes": list(self.classes),
            "confusion": self._confusion_for_json(),
            "per_class": per_class,
            "worst": [asdict(mistake) for mistake in self.worst],
            "uncertain": [asdict(image) for image in self.uncertain],
            "typical": [asdict(image) for image in self.typical],
            "reliability": self.reliability.to_dict(),
            "reliability_before": self.reliability_before.to_dict(),
            "sets": [asdict(one) for one in self.sets],
            "unknown": None if self.unknown is None else asdict(self.unknown),
        }

    def _confusion_for_json(self) -> Any:
        k = len(self.classes)
        if k <= DENSE_UP_TO:
            return self.confusion.tolist()
        return {"shape": [k, k], "triples": self.confusion_triples.tolist()}

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write `to_dict` as UTF-8 JSON, atomically."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        # A file name that is not UTF-8 holds lone surrogates; "\udcff" is how JSON writes one too.
        atomic_write_bytes(path, text.encode("utf-8", "backslashreplace"))

    def __str__(self) -> str:
        true, predicted, counts = self.confusion_triples.T
        correct = int(counts[true == predicted].sum())
        low, high = self.accuracy_interval
        frequent = max(self.per_class, key=lambda score: score.support).name
        loss = "unknown" if self.loss is None else f"{self.loss:.4f}"
        total = [
            ["images", f"{self.images:,}", ""],
            [
                "accuracy",
                f"{self.accuracy:.2%}",
                f"{correct:,} right; 95% interval {low:.2%} to {high:.2%}",
            ],
            ["baseline", f"{self.baseline_accuracy:.2%}", f"by always answering {_show(frequent)}"],
            ["loss", loss, self.loss_name],
            *self._promises(),
        ]
        scores = [["class", "images", "precision", "recall", "f1"]]
        for score in self.per_class[:_CLASSES_IN_TEXT]:
            values = (score.precision, score.recall, score.f1)
            numbers = ["-" if value is None else f"{value:.4f}" for value in values]
            scores.append([_show(score.name), f"{score.support:,}", *numbers])
        parts = [_table(total, left=(0, 2)), _table(scores) + self._more_classes()]
        if len(self.classes) <= _CONFUSION_IN_TEXT:
            rows = [["true \\ predicted", *(_show(name, 10) for name in self.classes)]]
            for name, counts in zip(self.classes, self.confusion, strict=True):
                rows.append([_show(name), *(f"{count:,}" for count in counts)])
            parts.append(_table(rows))
        elif correct < self.images:
            parts.append(self._taken_for_another())
        return "\n\n".join(parts)

    def _promises(self) -> list[list[str]]:
        rows = [
            [
                f"sets {one.coverage:g}",
                f"{one.measured:.2%}",
                f"hold the true class; {one.mean_size:.2f} classes on average",
            ]
            for one in self.sets
        ]
        if self.unknown is not None:
            called = f"taken for none of the classes; {self.unknown.false_alarms:.0%} are expected"
            rows.append(["unknown", f"{self.unknown.images / self.images:.2%}", called])
        return rows

    def _more_classes(self) -> str:
        left = len(self.classes) - _CLASSES_IN_TEXT
        if left <= 0:
            return ""
        known = [score for score in self.per_class if score.f1 is not None]
        lowest = sorted(known, key=lambda score: score.f1 or 0.0)[:3]
        named = ", ".join(f"{_show(score.name)} ({score.f1:.4f})" for score in lowest)
        return f"\nand {left:,} more; the lowest f1: {named}"

    def _taken_for_another(self) -> str:
        """The most frequent mistakes, where there are too many classes for a table of all."""
        wrong = self.confusion_triples[self.confusion_triples[:, 0] != self.confusion_triples[:, 1]]
        most = wrong[np.argsort(-wrong[:, 2], kind="stable")][:_PAIRS_IN_TEXT]
        names = [_show(name) for name in self.classes]
        rows = [["most often mistaken", "for", "images"]]
        rows += [[names[true], names[answer], f"{images:,}"] for true, answer, images in most]
        return _table(rows, left=(0, 1))


def _class_names(classes: Sequence[str]) -> tuple[str, ...]:
    if isinstance(classes, str):
        raise TypeError(f"classes must be a sequence of names, got the single str {classes!r}")
    names = tuple(classes)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"class names must be str, got {name!r}")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"class name {twice!r} occurs more than once in classes")
    return names


def _arrays(
    probabilities: ArrayLike, labels: ArrayLike, names: tuple[str, ...]
) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]:
    scores, truth = np.asarray(probabilities), np.asarray(labels)
    if scores.ndim != 2 or scores.shape[1] != len(names):
        raise ValueError(
            f"probabilities must have shape (N, {len(names)}) for {len(names)} classes, "
            f"got {scores.shape}"
        )
    if not np.issubdtype(scores.dtype, np.floating):
        raise TypeError(f"probabilities must be float32, got {scores.dtype}")
    if truth.shape != scores.shape[:1]:
        raise ValueError(
            f"labels must have shape ({scores.shape[0]},) like the rows of probabilities, "
            f"got {truth.shape}"
        )
    if not scores.size:
        raise DataError("nothing to evaluate: there are no labelled images")
    if not np.issubdtype(truth.dtype, np.integer):
        raise TypeError(f"labels must be integers, got {truth.dtype}")
    outside = np.flatnonzero((truth < 0) | (truth >= len(names)))
    if outside.size:
        row = int(outside[0])
        raise DataError(
            f"labels[{row}] is {int(truth[row])}, outside 0 to {len(names) - 1} "
            f"for {len(names)} classes"
        )
    broken = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if broken.size:
        raise DataError(
            f"probabilities[{int(broken[0])}] is not finite ({broken.size} rows of "
            f"{scores.shape[0]} are not); the model's weights have probably diverged"
        )
    return scores, truth.astype(np.int64)


def _class_scores(names: tuple[str, ...], answers: Answers) -> tuple[ClassScore, ...]:
    k = len(names)
    right = answers.truth[answers.truth == answers.answer]
    hits, supports, answered = (
        np.bincount(numbers, minlength=k).tolist()
        for numbers in (right, answers.truth, answers.answer)
    )
    return tuple(
        ClassScore(
            name=name,
            precision=hit / given if given else None,
            recall=hit / support if support else None,
            f1=2 * hit / (support + given) if support + given else None,
            support=support,
        )
        for name, hit, support, given in zip(names, hits, supports, answered, strict=True)
    )


def _worst(
    answers: Answers,
    names: tuple[str, ...],
    paths: Sequence[str | os.PathLike[str]] | None,
    most: int,
) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero(answers.answer != answers.truth)
    # A stable sort keeps equally confident mistakes in the order of their rows.
    order = np.argsort(-answers.probability[wrong], kind="stable")[:most]
    return tuple(Mistake(**answer_to(row, answers, names, paths)) for row in wrong[order].tolist())


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """95 % interval of a share of which `successes` of `n` trials are known; Wilson (1927)."""
    share, z2 = successes / n, _Z95 * _Z95
    centre = share + z2 / (2 * n)
    half = _Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    # The ends 0 and 1 are exact in theory; rounding must not push them outside.
    low = 0.0 if successes == 0 else max(0.0, (centre - half) / scale)
    high = 1.0 if successes == n else min(1.0, (centre + half) / scale)
    return low, high


def _show(name: str, most: int = 30) -> str:
    """A name fit for one table cell: printable, and at most `most` characters."""
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def _width(text: str) -> int:
    """Columns that `text` takes on a terminal: wide characters two, combining ones none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _table(rows: list[list[str]], left: tuple[int, ...] = (0,)) -> str:
    """Columns padded to equal width: those in `left` on the right side, the others on the left."""
    widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for position, (cell, width) in enumerate(zip(row, widths, strict=True)):
            padding = " " * (width - _width(cell))
            cells.append(cell + padding if position in left else padding + cell)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
