"""The labels that a person should look at, the worst first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nncore.auditing.confident_learning import ConfidentLabels
from nncore.auditing.held_out import HeldOut

if TYPE_CHECKING:
    from nncore.data.dataset import ImageDataset

FEWEST = 0.05
"""At least so many of the images are listed."""


@dataclass(frozen=True)
class Suspect:
    """An image whose label may be wrong.

    Attributes
    ----------
    position : int
        Of the image in the data set.
    path : str
        Its file; "" if it came from an array.
    label : str
        The class that it is labelled with.
    suggested : str
        The most probable other class.
    score : float
        Probability of the label, by a network that has not learned from the image: the lower, the
        worse.
    probability : float
        Probability of the suggested class.
    probable : bool
        Whether confident learning takes the label for wrong.
    """

    position: int
    path: str
    label: str
    suggested: str
    score: float
    probability: float
    probable: bool

    @property
    def reason(self) -> str:
        """In words."""
        own, other = (
            f"{self.label} ({self.score:.3f})",
            f"{self.suggested} ({self.probability:.3f})",
        )
        if self.probability <= self.score:
            return f"not sure: {own}, or {other}"
        return f"{'probably' if self.probable else 'perhaps'} {other}, not {own}"


def suspects_of(data: ImageDataset, held_out: HeldOut, confident: ConfidentLabels) -> list[Suspect]:
    """Every image whose label is taken for wrong, and a twentieth of all images in any case, by the
    probability of the label."""
    judged = np.flatnonzero(held_out.judged)
    order = judged[np.argsort(held_out.own[judged], kind="stable")]
    few = math.ceil(FEWEST * len(data))
    listed = [i for rank, i in enumerate(order.tolist()) if rank < few or confident.wrong[i]]
    others, probabilities = held_out.best_other
    names = data.classes.names
    found = []
    for i in listed:
        label, other = names[held_out.labels[i]], names[others[i]]
        own, probability = float(held_out.own[i]), float(probabilities[i])
        probable = bool(confident.wrong[i])
        found.append(Suspect(i, data.paths[i], label, other, own, probability, probable))
    return found
