"""Probabilities to rely on: temperature scaling.

A network that was trained until it knows its training images is too sure of new ones. Divided by
one number, the temperature, that is chosen on images it has not learned from, its outputs say how
often it is right; the order of the classes, and so the accuracy, stays. Guo, Pleiss, Sun and
Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017).

N images, K classes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nncore import kernels
from nncore.training.answers.reliability import reliability

F32 = NDArray[np.float32]
Labels = NDArray[np.integer]

FEWEST_IMAGES = 50  # Fewer say too little.
_STEP, _STEPS = 1.01, 300  # Temperatures looked at: 1.01 to the power of -300 to 300.
_MOST_NUMBERS = 1 << 23  # Outputs that are looked at.


@dataclass(frozen=True)
class Calibration:
    """What calibrating has found.

    Attributes
    ----------
    temperature : float
        What outputs are divided by; above 1 for a network that was too sure.
    images : int
        How many it was chosen on.
    error_before, error_after : float
        Expected calibration error on these images, see `calibration_error`.
    folds : int
        0: they were images for validation; else all, each answered by one of so many heads, which
        had not learned from it (see `out_of_fold.py`).
    """

    temperature: float
    images: int
    error_before: float
    error_after: float
    folds: int = 0


def calibration_of(logits: F32, labels: Labels) -> Calibration:
    """The temperature for outputs (N, K) before softmax and the numbers (N,) of the true classes.

    Raises
    ------
    ValueError
        There are fewer than `FEWEST_IMAGES` images.
    """
    if len(labels) < FEWEST_IMAGES:
        raise ValueError(
            f"{len(labels)} images are too few to calibrate on: at least {FEWEST_IMAGES} are needed"
        )
    step = -(-logits.size // _MOST_NUMBERS)
    some, true = np.ascontiguousarray(logits[::step]), np.asarray(labels[::step])
    temperature = _best_temperature(some, true)
    return Calibration(
        temperature,
        len(true),
        calibration_error(kernels.softmax(some), true),
        calibration_error(kernels.softmax(some * np.float32(1 / temperature)), true),
    )


def calibration_error(probabilities: F32, labels: Labels) -> float:
    """Expected calibration error: by how much the probability of the answer differs from how often
    it is right, see `Reliability`.

    Parameters
    ----------
    probabilities
        (N, K).
    labels
        (N,), the numbers of the true classes.
    """
    right = probabilities.argmax(axis=1) == labels
    return reliability(probabilities.max(axis=1), right).error


def _best_temperature(logits: F32, labels: Labels) -> float:
    """The temperature with the lowest cross-entropy, as if one image more had been taken wrongly.

    Without that image, images that are all right would ask for the certainty that nothing has.
    """
    without_best = logits.copy()
    np.put_along_axis(without_best, logits.argmax(axis=1)[:, np.newaxis], -np.inf, axis=1)
    second = without_best.argmax(axis=1)

    @functools.cache
    def loss(power: int) -> float:
        scaled = logits * np.float32(_STEP**-power)
        wrong = kernels.softmax_cross_entropy(scaled, second)
        return kernels.softmax_cross_entropy(scaled, labels) * len(labels) + wrong

    # Cross-entropy is convex in the inverse temperature: it falls, and then rises.
    low, high = -_STEPS, _STEPS
    while low < high:
        middle = (low + high) // 2
        if loss(middle) <= loss(middle + 1):
            high = middle
        else:
            low = middle + 1
    return round(_STEP**low, 4)
