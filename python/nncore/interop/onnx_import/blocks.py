"""Steps that branch and join, as layers in a row and blocks of branches.

What joins must have parted at one place: the last step that all ways to it pass, its immediate
dominator. Between the two lie the branches of a block, each of which is a row of layers and blocks
again.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from nncore.interop.onnx_import.branches import block
from nncore.interop.onnx_import.fusing import fused
from nncore.interop.onnx_import.steps import Part, Step, Unavailable

# Deeper ones are no networks of this world; a file must not make us recurse without end.
_DEEPEST = 40


def parts_of(steps: Sequence[Step], end: int) -> tuple[Part, ...]:
    """The layers from step 0, the input, to the step `end`.

    Raises
    ------
    Unavailable
        A step has no layers, or the branches are no blocks.
    """
    return _Blocks(steps).row(0, end, _DEEPEST)


class _Blocks:
    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.used: set[int] = set()
        # Immediate dominators, and how many dominators there are up to the input.
        self.parted = [0] * len(steps)
        self.depth = [0] * len(steps)
        for number, step in enumerate(steps):
            if step.sources:
                place = step.sources[0]
                for source in step.sources[1:]:
                    place = self._common(place, source)
                self.parted[number], self.depth[number] = place, self.depth[place] + 1

    def row(self, start: int, end: int, room: int) -> tuple[Part, ...]:
        """What makes the result of step `end` of that of `start`."""
        if not room:
            raise Unavailable(f"{self.steps[end].where}: its branches lie too deep in each other")
        found: list[Part] = []
        while end != start:
            step = self.steps[end]
            if step.missing is not None:
                raise Unavailable(f"{step.where}: {step.missing}")
            if end in self.used:
                raise Unavailable(
                    f"{step.where}: two branches share it, which nncore's blocks cannot do"
                )
            self.used.add(end)
            if step.join is None:
                found[:0] = step.parts
                (end,) = step.sources
                continue
            place = self.parted[end]
            found.insert(0, self.joined(step, place, step.sources, room))
            end = place
        return fused(found)

    def joined(self, step: Step, place: int, sources: Sequence[int], room: int) -> Part:
        """The block of the branches from step `place` to `sources`."""
        assert step.join is not None
        branches = []
        for group in self._groups(step, place, sources):
            if len(group) == 1:
                branches.append(self.row(place, group[0], room - 1))
                continue
            # They part later than the others: a block within the block.
            inner = functools.reduce(self._common, group)
            behind = self.joined(step, inner, group, room - 1)
            branches.append(fused([*self.row(place, inner, room - 1), behind]))
        try:
            return block(step.join, branches)
        except (TypeError, ValueError) as error:
            raise Unavailable(f"{step.where}: {error}") from None

    def _groups(self, step: Step, place: int, sources: Sequence[int]) -> list[list[int]]:
        """Neighbours together that share a way from `place`; sums and products have two anyway."""
        groups: list[list[int]] = []
        for source in sources:
            nested = step.join == "concatenate" and bool(groups)
            if nested and self._common(groups[-1][-1], source) != place:
                groups[-1].append(source)
            else:
                groups.append([source])
        return groups

    def _common(self, a: int, b: int) -> int:
        while a != b:
            if self.depth[a] < self.depth[b]:
                a, b = b, a
            a = self.parted[a]
        return a
