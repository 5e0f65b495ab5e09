"""Outputs and losses of labelled images, without training on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from nncore.data.dealt import computed_by_team
from nncore.process.team import team_at_work
from nncore.training.answers.answer_list import Answers
from nncore.training.images.labelled import LabelledArrays

if TYPE_CHECKING:
    from nncore import _core

Kept = TypeVar("Kept")
# From the outputs (n, K) of a block and the number of its first image to probabilities (n, K).
ToProbabilities: TypeAlias = Callable[[NDArray[np.float32], int], NDArray[np.float32]]

_EVALUATION_BLOCK = 4096  # Images between two looks at Ctrl-C.
_BLOCK_NUMBERS = 1 << 22  # Outputs that are in memory at the same time.


def block_size(classes: int) -> int:
    """How many images are looked at together, so that their outputs stay small."""
    return max(1, min(_EVALUATION_BLOCK, _BLOCK_NUMBERS // classes))


def evaluate_arrays(
    network: _core.Network,
    data: LabelledArrays,
    loss: _core.LossName,
    keep: Callable[[NDArray[np.float32], slice], Kept],
    between_blocks: Callable[[], None] = lambda: None,
) -> tuple[list[Kept], NDArray[np.float64]]:
    """What `keep` makes of the outputs (n, K) of each block of images, and the loss (N,) of each
    image; `between_blocks` is called after each block. A team at work shares each block."""
    kept, losses = [], []
    size = block_size(network.output_size)
    for start in range(0, len(data), size):
        block = slice(start, start + size)
        outputs, block_losses = _evaluated(network, data, loss, block)
        kept.append(keep(outputs, block))
        losses.append(block_losses)
        between_blocks()
    return kept, np.concatenate(losses)


def _evaluated(
    network: _core.Network, data: LabelledArrays, loss: _core.LossName, block: slice
) -> tuple[NDArray[Any], ...]:
    """Outputs (n, K) and losses (n,) of a block of images."""
    team = team_at_work()
    if team is None:
        return network.evaluate(data.images[block], data.targets[block], loss, data.extracted)
    targets = data.targets

    def compute(images: Any, positions: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
        return network.evaluate(images, targets[positions], loss, data.extracted)

    positions = np.arange(len(data))[block]
    return computed_by_team(team, data.images, positions, compute)


def answers_of(
    network: _core.Network,
    data: LabelledArrays,
    loss: _core.LossName,
    probabilities: ToProbabilities,
    uncalibrated: ToProbabilities | None = None,
) -> tuple[Answers, NDArray[np.float64]]:
    """What is answered for each image, and its loss (N,); `uncalibrated` gives the probabilities
    without a temperature, where that is another one than 1."""

    def scored(outputs: NDArray[np.float32], block: slice) -> Answers:
        return Answers.of(
            probabilities(outputs, block.start),
            data.targets[block],
            None if uncalibrated is None else uncalibrated(outputs, block.start),
        )

    kept, losses = evaluate_arrays(network, data, loss, scored)
    return Answers.joined(kept), losses


def right_answers(
    network: _core.Network,
    data: LabelledArrays,
    loss: _core.LossName,
    between_blocks: Callable[[], None] = lambda: None,
) -> tuple[int, NDArray[np.float64]]:
    """How many images are put into the right class, and the loss (N,) of each."""

    def right(outputs: NDArray[np.float32], block: slice) -> int:
        return int((outputs.argmax(axis=1) == data.targets[block]).sum())

    kept, losses = evaluate_arrays(network, data, loss, right, between_blocks)
    return sum(kept), losses


def loss_of_all(network: _core.Network, losses: NDArray[np.float64], loss: str) -> float:
    """The loss of all images as one batch, per image: their mean `losses` (N,) and the penalty.

    For sse the penalty, which is added to the sum over a batch, is divided by N like the sum.
    """
    penalty = network.penalty() / (len(losses) if loss == "sse" else 1)
    return math.fsum(losses) / len(losses) + penalty
