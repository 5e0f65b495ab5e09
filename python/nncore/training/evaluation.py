"""Outputs and losses of labelled images, without training on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncore.training.labelled import LabelledArrays

if TYPE_CHECKING:
    from nncore import _core

_EVALUATION_BLOCK = 4096  # Images between two looks at Ctrl-C.


def evaluate_arrays(
    network: _core.Network,
    data: LabelledArrays,
    loss: _core.LossName,
    between_blocks: Callable[[], None] = lambda: None,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Outputs (N, K) and loss (N,) of each image, in blocks with `between_blocks` after each."""
    outputs, losses = [], []
    for start in range(0, len(data), _EVALUATION_BLOCK):
        block = slice(start, start + _EVALUATION_BLOCK)
        block_outputs, block_losses = network.evaluate(
            data.images[block], data.targets[block], loss, data.extracted
        )
        outputs.append(block_outputs)
        losses.append(block_losses)
        between_blocks()
    return np.concatenate(outputs), np.concatenate(losses)


def loss_of_all(network: _core.Network, losses: NDArray[np.float64], loss: str) -> float:
    """The loss of all images as one batch, per image: their mean `losses` (N,) and the penalty.

    For sse the penalty, which is added to the sum over a batch, is divided by N like the sum.
    """
    penalty = network.penalty() / (len(losses) if loss == "sse" else 1)
    return math.fsum(losses) / len(losses) + penalty
