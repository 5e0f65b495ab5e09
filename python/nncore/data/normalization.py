"""Mean and deviation of the training pixels, by which the network scales its inputs.

Without them dark ink on white paper trains far worse than the same digits in white on black: where
most inputs are large and alike, one step moves every neuron in the same direction.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from nncore.data.dataset import ImageDataset
from nncore.data.mapped import Pixels

# Lines of pixels added up at a time. No more than 66,051 squares of 255 fit into 32 bits.
_BLOCK = 1 << 11


def with_normalization(training: ImageDataset) -> ImageDataset:
    """The same images, with their own mean and deviation per channel in the preprocessing.

    A model that is fitted on the result computes (x / 255 - mean) / std of each input and keeps the
    two numbers in its file. Take them from the training part alone.
    """
    mean, std = channel_statistics(training.images)
    preprocessing = dataclasses.replace(training.preprocessing, mean=mean, std=std)
    return dataclasses.replace(training, preprocessing=preprocessing)


def channel_statistics(
    images: Pixels,
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
    height, width, channels = images.shape[1:]
    totals = np.zeros((2, channels), object)  # Python's whole numbers have no limit
    step = max(_BLOCK // height, 1)
    for start in range(0, len(images), step):
        lines = images[start : start + step].reshape(-1, width * channels)
        squares = np.square(lines, dtype=np.uint16)
        for row, values in enumerate((lines, squares)):
            columns = values.sum(axis=0, dtype=np.uint32).astype(np.uint64)
            totals[row] += columns.reshape(width, channels).sum(axis=0).astype(object)
    n = len(images) * height * width
    means, deviations = [], []
    for total, square in totals.T.tolist():
        variance = n * square - total * total  # of the levels, times n * n
        means.append(total / n / 255)
        deviations.append(math.sqrt(variance) / n / 255 if variance else 1.0)
    return tuple(means), tuple(deviations)
