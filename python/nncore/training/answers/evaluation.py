"""Outputs and losses of labelled images, without training on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from nncore.data.dealt import computed_by_team
from nncore.process.team import team_at_work
from nncore.training.answers.answer_list import Answers
from nncore.training.answers.assurances import Assurances
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


class Evaluated(NamedTuple):
    """Of n images: outputs (n, K), losses (n,), and what a layer reads (n, F), where that is
    asked for."""

    outputs: NDArray[np.float32]
    losses: NDArray[np.float64]
    features: NDArray[np.float32] | None = None


def evaluate_arrays(
    network: _core.Network,
    data: LabelledArrays,
    loss: _core.LossName,
    keep: Callable[[Evaluated, slice], Kept],
    between_blocks: Callable[[], None] = lambda: None,
    head: tuple[str, int] | None = None,
) -> tuple[list[Kept], NDArray[np.float64]]:
    """What `keep` makes of each block of images, and the loss (N,) of each image.

    `between_blocks` is called after each block; `head` is the layer whose input is looked at, and
    how many numbers that has. A team at work shares each block.
    """
    kept, losses = [], []
    size = block_size(network.output_size if head is None else max(network.output_size, head[1]))
    for start in range(0, len(data), size):
        rows = slice(start, start + size)
        block = _evaluated(network, data, loss, rows, None if head is None else head[0])
        kept.append(keep(block, rows))
        losses.append(block.losses)
        between_blocks()
    return kept, np.concatenate(losses)


def _evaluated(
    network: _core.Network,
    data: LabelledArrays,
    loss: _core.LossName,
    rows: slice,
    layer: str | None,
) -> Evaluated:
    targets = data.targets

    def compute(images: Any, positions: Any) -> tuple[NDArray[Any], ...]:
        if layer is None:
            return network.evaluate(images, targets[positions], loss, data.extracted)
        return network.evaluate(images, targets[positions], loss, data.extracted, layer)

    team = team_at_work()
    if team is None:
        return Evaluated(*compute(data.images[rows], rows))
    return Evaluated(*computed_by_team(team, data.images, np.arange(len(data))[rows], compute))


def answers_of(
    network: _core.Network,
    data: LabelledArrays,
    loss: _core.LossName,
    probabilities: ToProbabilities,
    uncalibrated: ToProbabilities | None = None,
    assurances: Assurances | None = None,
    head: tuple[str, int] | None = None,
) -> tuple[Answers, NDArray[np.float64]]:
    """What is answered for each image, and its loss (N,).

    Parameters
    ----------
    uncalibrated
        Gives the probabilities without a temperature, where that is another one than 1.
    assurances
        What the model tells beside probabilities: that is looked at, too.
    head
        As of `evaluate_arrays`; None: nothing tells unknown images.
    """
    known = Assurances() if assurances is None else assurances
    novelty = None if head is None else known.novelty
    thresholds = tuple(known.measured_thresholds().values())

    def scored(block: Evaluated, rows: slice) -> Answers:
        unknown = None
        if novelty is not None and block.features is not None:
            unknown = novelty.scores(block.features) > 1
        return Answers.of(
            probabilities(block.outputs, rows.start),
            data.targets[rows],
            None if uncalibrated is None else uncalibrated(block.outputs, rows.start),
            thresholds,
            unknown,
        )

    seen = None if novelty is None else head
    kept, losses = evaluate_arrays(network, data, loss, scored, head=seen)
    return Answers.joined(kept), losses


def right_answers(
    network: _core.Network,
    data: LabelledArrays,
    loss: _core.LossName,
    between_blocks: Callable[[], None] = lambda: None,
) -> tuple[int, NDArray[np.float64]]:
    """How many images are put into the right class, and the loss (N,) of each."""

    def right(block: Evaluated, rows: slice) -> int:
        return int((block.outputs.argmax(axis=1) == data.targets[rows]).sum())

    kept, losses = evaluate_arrays(network, data, loss, right, between_blocks)
    return sum(kept), losses


def loss_of_all(network: _core.Network, losses: NDArray[np.float64], loss: str) -> float:
    """The loss of all images as one batch, per image: their mean `losses` (N,) and the penalty.

    For sse the penalty, which is added to the sum over a batch, is divided by N like the sum.
    """
    penalty = network.penalty() / (len(losses) if loss == "sse" else 1)
    return math.fsum(losses) / len(losses) + penalty
