"""What a calibrated model can say of its predictions, beside their probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from nncore.training.answers.novelty import Novelty
from nncore.training.answers.prediction_sets import TrueProbabilities

MEASURED = (0.9, 0.95)
"""Coverages that an evaluation measures."""
UNKNOWN = "unknown"  # its name in the description


@dataclass(frozen=True)
class Assurances:
    """What a model knows of images that it has not learned from.

    Attributes
    ----------
    true_probabilities
        What it gave their true classes: from this follow sets with a stated coverage; None where
        that is not known.
    novelty
        What tells images that are none of its classes; None where that cannot be told.
    """

    true_probabilities: TrueProbabilities | None = None
    novelty: Novelty | None = None

    def threshold(self, coverage: float) -> float:
        """See `TrueProbabilities.threshold`; ValueError where nothing is known, too."""
        if self.true_probabilities is None:
            raise ValueError(
                "coverage is for models that are calibrated, and this one is not: it takes at "
                "least 50 validation images, so train it on more pictures or with a larger --val "
                "(in Python: model.calibrate, with images that it has not learned from)"
            )
        return self.true_probabilities.threshold(coverage)

    def measured_thresholds(self) -> dict[float, float]:
        """Those of the coverages that evaluations measure, as far as they can be promised."""
        known = self.true_probabilities
        if known is None:
            return {}
        promised = (one for one in MEASURED if one <= known.largest_coverage)
        return {coverage: known.threshold(coverage) for coverage in promised}

    # -- in the model file

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What is stored beside the weights."""
        parts = (self.true_probabilities, self.novelty)
        return {name: t for part in parts if part is not None for name, t in part.tensors().items()}

    def to_dict(self) -> dict[str, Any]:
        """What the file's description says of it."""
        return {} if self.novelty is None else {UNKNOWN: self.novelty.to_dict()}

    @classmethod
    def taken(
        cls,
        described: Mapping[str, Any],
        tensors: dict[str, NDArray[Any]],
        features: int,
        classes: int,
    ) -> Assurances:
        """What a file holds of it; its tensors are taken out of `tensors`. `features` and
        `classes` are as of `Novelty.taken`.

        Raises
        ------
        ValueError, TypeError, KeyError
            They are not what they should be.
        """
        novelty = Novelty.taken(described.get(UNKNOWN), tensors, features, classes)
        return cls(TrueProbabilities.taken(tensors), novelty)
