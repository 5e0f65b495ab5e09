"""Many images through a network, some at a time; a team at work shares them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.data.dealt import Compute, computed_by_team
from nncore.process.team import team_at_work


def in_blocks(images: Any, size: int, compute: Compute) -> tuple[NDArray[Any], ...]:
    """What `compute` gives for images (N, ...), one behind the other.

    Parameters
    ----------
    images
        In memory, mapped or spread; at least one.
    size
        As many images as one process computes at once.
    compute
        From images (n, ...) and their positions to arrays (n, ...); see `computed_by_team`.
    """
    team = team_at_work()
    step = size if team is None else size * team.size
    parts = []
    for start in range(0, len(images), step):
        positions = np.arange(start, min(start + step, len(images)))
        if team is None:
            parts.append(compute(images[start : start + step], positions))
        else:
            parts.append(computed_by_team(team, images, positions, compute))
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
