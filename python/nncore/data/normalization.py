"""Mean and deviation of the training pixels, by which the network scales its inputs.

Without them dark ink on white paper trains far worse than the same digits in white on black: where
most inputs are large and alike, one step moves every neuron in the same direction.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from nncore.data.dataset import ImageDataset

_BLOCK = 1 << 20  # values counted at a time; bincount needs eight bytes for each


def with_normalization(training: ImageDataset) -> ImageDataset:
    """The same images, with their own mean and deviation per channel in the preprocessing.

    A model that is fitted on the result computes (x / 255 - mean) / std of each input and keeps the
    two numbers in its file. Take them from the training part alone.
    """
    mean, std = channel_statistics(training.images)
    preprocessing = dataclasses.replace(training.preprocessing, mean=mean, std=std)
    return dataclasses.replace(training, preprocessing=preprocessing)


def channel_statistics(
    images: NDArray[np.uint8],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, where 255 is 1.0.

    Parameters
    ----------
    images
        uint8 (N, H, W, C), at least one value. Sums are exact, so that the order of the images and
        the machine do not matter.

    Returns
    -------
    C means and C deviations; the deviation of a channel that never varies is 1.0.
    """
    means, deviations = [], []
    values = np.arange(256)
    for channel in range(images.shape[3]):
        plane = images[..., channel].reshape(-1)
        counts = np.zeros(256, np.int64)
        for start in range(0, len(plane), _BLOCK):
            counts += np.bincount(plane[start : start + _BLOCK], minlength=256)
        n = len(plane)
        total, squares = int(counts @ values), int(counts @ values**2)
        variance = n * squares - total * total  # of the levels, times n * n
        means.append(total / n / 255)
        deviations.append(math.sqrt(variance) / n / 255 if variance else 1.0)
    return tuple(means), tuple(deviations)
