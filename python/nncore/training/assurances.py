"""What a calibrated model can say of its predictions, beside their probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.training.prediction_sets import TrueProbabilities

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Assurances:
    """What a model knows of images that it has not learned from.

    Attributes
    ----------
    true_probabilities
        What it gave their true classes: from this follow sets with a stated coverage; None where
        that is not known.
    """

    true_probabilities: TrueProbabilities | None = None

    def threshold(self, coverage: float) -> float:
        """See `TrueProbabilities.threshold`; ValueError where nothing is known, too."""
        if self.true_probabilities is None:
            raise ValueError(
                "coverage is for models that are calibrated, and this one is not: use "
                "model.calibrate with images that it has not learned from, or train it by `nncore "
                "train` with at least 50 validation images"
            )
        return self.true_probabilities.threshold(coverage)

    # -- in the model file

    def tensors(self) -> dict[str, F32]:
        """What is stored beside the weights."""
        return {} if self.true_probabilities is None else self.true_probabilities.tensors()

    @classmethod
    def taken(cls, tensors: dict[str, NDArray[Any]]) -> Assurances:
        """What the tensors of a file hold of it; these are taken out of `tensors`.

        Raises
        ------
        ValueError
            They are not what they should be.
        """
        return cls(TrueProbabilities.taken(tensors))
