"""Where in one buffer each value of a program lies: values that do not live at once share places.

A value lives from the operation that computes it to the last one that takes it. Values that an
operation may write over its input are given the same place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nncore.interop.export.operations import (
    Activate,
    Add,
    Flatten,
    Logarithm,
    Multiply,
    NearestDistribution,
    NormalizeChannels,
    Operation,
    Pool,
    Scale,
    Value,
)
from nncore.interop.export.program import Program

_SAME_PLACE = (Activate, Flatten, Logarithm, NearestDistribution, NormalizeChannels, Scale)


@dataclass(frozen=True)
class BufferPlan:
    """The place of each value, in floats from the beginning, and how many floats there are."""

    offsets: dict[Value, int]
    size: int


@dataclass(frozen=True)
class _Life:
    """A value, the operations that compute and last take it, counted from 0."""

    value: Value
    first: int
    last: int

    def meets(self, other: _Life) -> bool:
        return self.first <= other.last and other.first <= self.last


def plan_buffer(program: Program) -> BufferPlan:
    """Places for all values but the program's start, which its caller keeps.

    The largest first, each as low as it can lie (Pisarchyk and Lee, "Efficient Memory Management
    for Deep Neural Net Inference", 2020: greedy by size).
    """
    lives = _lives(program)
    placed: list[tuple[_Life, int]] = []
    groups = list(_groups(program.operations, lives))
    for group in sorted(groups, key=lambda group: -max(life.value.size for life in group)):
        offset = _lowest(group, placed)
        placed += [(life, offset) for life in group]
    offsets = {life.value: offset for life, offset in placed}
    return BufferPlan(offsets, max(at + life.value.size for life, at in placed))


def overwritten(operation: Operation, dying: Sequence[Value]) -> Value | None:
    """The input that may have the place of the output, if one of those that nobody takes later."""
    if isinstance(operation, Pool) and operation.is_padded:
        return None
    if isinstance(operation, (Pool, *_SAME_PLACE)):
        return operation.input if operation.input in dying else None
    if isinstance(operation, Add | Multiply):
        for value in operation.inputs:
            if value in dying and value.size == operation.output.size:
                return value
    return None


def _lives(program: Program) -> dict[Value, _Life]:
    first, last = {}, {}
    for time, operation in enumerate(program.operations):
        for value in operation.inputs:
            last[value] = time
        for value in (operation.output, *operation.scratch):
            first[value] = time
    return {value: _Life(value, at, last.get(value, at)) for value, at in first.items()}


def _groups(operations: Sequence[Operation], lives: dict[Value, _Life]) -> Iterator[list[_Life]]:
    """Values that are to have one place."""
    group_of: dict[Value, list[_Life]] = {}
    for time, operation in enumerate(operations):
        dying = [v for v in operation.inputs if v in lives and lives[v].last == time]
        shared = overwritten(operation, dying)
        if shared is None:
            group_of[operation.output] = [lives[operation.output]]
        else:
            group_of[shared].append(lives[operation.output])
            group_of[operation.output] = group_of[shared]
        group_of |= {value: [lives[value]] for value in operation.scratch}
    seen: set[int] = set()
    for group in group_of.values():
        if id(group) not in seen:
            seen.add(id(group))
            yield group


def _lowest(group: Sequence[_Life], placed: Sequence[tuple[_Life, int]]) -> int:
    """The lowest offset at which no value of the group meets one that is placed."""

    def free(offset: int) -> bool:
        return not any(
            life.meets(other) and offset < at + other.value.size and at < offset + life.value.size
            for other, at in placed
            for life in group
        )

    candidates = sorted({0, *(at + other.value.size for other, at in placed)})
    return next(offset for offset in candidates if free(offset))
