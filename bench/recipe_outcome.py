"""What `recipes.py` measures of one training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """One training: who, on what, test accuracy and seconds from the start of the process."""

    contender: str
    data: str
    seed: int
    accuracy: float
    seconds: float
    epochs: int | None = None
    # Accuracy on the training and the validation images, by epoch.
    curves: tuple[tuple[float, ...], ...] = ()
