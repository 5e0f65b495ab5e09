"""Mean and deviation of the training pixels, by which the network scales its inputs.

Without them dark ink on white paper trains far worse than the same digits in white on black: where
most inputs are large and alike, one step moves every neuron in the same direction.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nncore.data.dataset import ImageDataset
from nncore.data.dealt import at_hand, dealt_out
from nncore.data.mapped import Pixels
from nncore.process.team import each, team_at_work

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
    step, count = max(_BLOCK // height, 1), len(images)
    team = team_at_work()
    if team is None:
        blocks = (images[start : start + step] for start in range(0, count, step))
        totals = _totals(blocks, width, channels)
    else:
        mine = dealt_out(team, images, np.arange(count))[team.rank]
        dealt = (at_hand(images, mine[at : at + step]) for at in range(0, len(mine), step))
        totals = np.sum(each(team, lambda: _totals(dealt, width, channels)), axis=0)
    n = len(images) * height * width
    means, deviations = [], []
    for total, square in totals.T.tolist():
        variance = n * square - total * total  # of the levels, times n * n
        means.append(total / n / 255)
        deviations.append(math.sqrt(variance) / n / 255 if variance else 1.0)
    return tuple(means), tuple(deviations)


def _totals(blocks: Iterable[NDArray[np.uint8]], width: int, channels: int) -> NDArray[np.object_]:
    """Sums of the levels and of their squares per channel, (2, C)."""
    totals = np.zeros((2, channels), object)  # Python's whole numbers have no limit
    for block in blocks:
        lines = block.reshape(-1, width * channels)
        squares = np.square(lines, dtype=np.uint16)
        for row, values in enumerate((lines, squares)):
            columns = values.sum(axis=0, dtype=np.uint32).astype(np.uint64)
            totals[row] += columns.reshape(width, channels).sum(axis=0).astype(object)
    return totals
