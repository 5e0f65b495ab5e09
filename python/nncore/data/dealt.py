"""Work on images that a team does together: each process its part, all have the results.

n images of N.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nncore.data.spread import SpreadImages
from nncore.process.team import Team, each

Positions: TypeAlias = "NDArray[np.intp]"
# From images (n, ...) and their positions to arrays (n, ...).
Compute: TypeAlias = Callable[[Any, Positions], "tuple[NDArray[Any], ...]"]


def dealt_out(team: Team, images: Any, positions: Positions) -> list[Positions]:
    """Which of these images each rank takes: of spread ones those that it holds, of others a range,
    in both cases in the order in which they are given."""
    if isinstance(images, SpreadImages):
        owner = images.holdings.owner[images.rows[positions]]
        return [positions[owner == rank] for rank in range(team.size)]
    return np.array_split(positions, team.size)


def at_hand(images: Any, positions: Positions) -> Any:
    """Images that this process was dealt."""
    if isinstance(images, SpreadImages):
        return images.pixels_at_hand(positions)
    return np.ascontiguousarray(images[positions])


def computed_by_team(
    team: Team, images: Any, positions: Positions, compute: Compute
) -> tuple[NDArray[Any], ...]:
    """What `compute` gives for the images at `positions`, at least one, in their order.

    Parameters
    ----------
    team
        All of its processes call this with the same arguments.
    images
        (N, ...), in memory, mapped or spread.
    compute
        Its result for an image must not depend on the others that it is given. It is called once
        or, in a process that is dealt nothing, not at all.

    Raises
    ------
    Exception
        What `compute` raises in any process, in each of them.
    """
    dealt = dealt_out(team, images, positions)
    mine = dealt[team.rank]
    parts = each(team, lambda: compute(at_hand(images, mine), mine) if len(mine) else None)
    return joined_in_order(positions, dealt, parts)


def joined_in_order(
    positions: Positions, dealt: Sequence[Positions], parts: Sequence[Any]
) -> tuple[NDArray[Any], ...]:
    """Of what was computed for each rank's part, arrays in the order of `positions`."""
    found = [part for part in parts if part is not None]
    place = np.empty(len(positions), np.intp)
    place[np.argsort(positions, kind="stable")] = np.argsort(np.concatenate(dealt), kind="stable")
    return tuple(np.concatenate(arrays)[place] for arrays in zip(*found, strict=True))
