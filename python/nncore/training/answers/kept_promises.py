"""Whether a model keeps what it promises of images, measured on images whose classes are known."""

from __future__ import annotations

from dataclasses import dataclass

from nncore.training.answers.answer_list import Answers
from nncore.training.answers.assurances import Assurances


@dataclass(frozen=True)
class MeasuredSets:
    """Sets of classes for one coverage.

    Attributes
    ----------
    coverage : float
        What was asked: the share of the sets that shall hold the true class, at least.
    measured : float
        The share that did.
    mean_size : float
        Classes in a set, on average.
    single : float
        The share of the sets that are one class.
    """

    coverage: float
    measured: float
    mean_size: float
    single: float


@dataclass(frozen=True)
class MeasuredUnknown:
    """How many images were told to be none of the classes, though all have one.

    Attributes
    ----------
    images : int
        So many.
    false_alarms : float
        The share of images of the known kind that it should be.
    """

    images: int
    false_alarms: float


def measured_sets(answers: Answers, assurances: Assurances) -> tuple[MeasuredSets, ...]:
    """Of answers with sets for all coverages that are measured."""
    if answers.set_sizes is None:
        return ()
    found, right = [], answers.answer == answers.truth
    columns = zip(assurances.measured_thresholds().items(), answers.set_sizes.T, strict=True)
    for (coverage, threshold), sizes in columns:
        # The answer is in its set whatever the threshold, see `set_sizes`.
        held = right | (answers.true_probability >= threshold)
        shares = (float(values.mean()) for values in (held, sizes, sizes == 1))
        found.append(MeasuredSets(coverage, *shares))
    return tuple(found)


def measured_unknown(answers: Answers, assurances: Assurances) -> MeasuredUnknown | None:
    """None where it was not told."""
    if answers.unknown is None or assurances.novelty is None:
        return None
    return MeasuredUnknown(int(answers.unknown.sum()), assurances.novelty.false_alarms)
