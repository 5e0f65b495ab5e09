"""Files read by a team of processes, each its share.

Which process reads which file depends on the files alone: in turn, 32 at a time, so that each has
its part of every class. Where a process does not see a file, such as on another machine's disk, one
that does reads it. What comes of it is what one process would have read: the same pixels, the same
files skipped for the same reasons, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nncore.data.pictures.decode import AUTO_SIDE
from nncore.data.preprocessing import Preprocessing
from nncore.data.reading.image_cache import file_status
from nncore.data.reading.result import ReadResult
from nncore.data.reading.settings import Reading
from nncore.data.reading.source import Source
from nncore.data.reading.workers import Progress
from nncore.data.skipped import SkippedFile
from nncore.data.spread import Holdings, SpreadImages
from nncore.process.team import Team, each

Read: TypeAlias = Callable[[Source, Reading, "Progress | None"], ReadResult]

MOST_IN_EACH = 1 << 28
"""Bytes of images that each process of a team has a copy of; of more, each holds its share. It
depends on the data alone, and not on the machine."""
_IN_TURN = 32  # files


@dataclass(frozen=True)
class _Part:
    """What one process has read, by positions among all files; without the pixels."""

    kept: list[int]
    skipped: dict[int, SkippedFile]
    preprocessing: Preprocessing
    digests: list[bytes]
    pixel_digests: list[bytes]
    notes: list[str]


def read_by_team(
    team: Team, source: Source, reading: Reading, progress: Progress | None, read: Read
) -> ReadResult:
    """What one process would have read by `read(source, reading, progress)`.

    All processes of the team call this with the same files. Of few images each has all then, of
    many its share (`SpreadImages`).

    Raises
    ------
    Exception
        What `read` raises in any of them, in each of them.
    """
    paths = source.paths
    owner = owners(team, paths)
    mine = np.flatnonzero(owner == team.rank)
    share = Source(
        f"{source.name} ({team.rank + 1} of {team.size})",
        source.base,
        [paths[i] for i in mine.tolist()],
    )
    seen = None if progress is None else _of_all(progress, len(mine), len(paths))
    found: list[ReadResult] = []

    def part_of(how: Reading) -> _Part:
        found[:] = [read(share, how, seen)]
        return _part(found[0], share, mine)

    parts = each(team, lambda: part_of(reading))
    fixed = _settled(reading, parts)
    if fixed is not None:  # size or colour differs between the shares
        parts = each(team, lambda: part_of(fixed))
    return _joined(team, parts, found[0])


def owners(team: Team, paths: Sequence[str]) -> NDArray[np.int32]:
    """The rank that reads each file, int32 (N,): in turn, of those that see it."""
    seen = np.packbits(file_status(paths)[:, 0] >= 0)
    by_rank = np.stack([np.unpackbits(bits, count=len(paths)) for bits in team.all_of(seen)])
    turn = np.arange(len(paths)) // _IN_TURN
    owner = turn % team.size
    # One that nobody sees is read, in vain, by whoever's turn it is.
    for position in np.flatnonzero((by_rank.min(axis=0) == 0) & (by_rank.max(axis=0) == 1)):
        seeing = np.flatnonzero(by_rank[:, position])
        owner[position] = seeing[turn[position] % len(seeing)]
    return owner.astype(np.int32)


def _part(found: ReadResult, share: Source, mine: NDArray[np.intp]) -> _Part:
    positions, skipped_of = mine.tolist(), {file.path: file for file in found.skipped}
    return _Part(
        [positions[i] for i in found.kept],
        {
            position: skipped_of[path]
            for position, path in zip(positions, share.paths, strict=True)
            if path in skipped_of
        },
        found.preprocessing,
        found.digests,
        found.pixel_digests,
        found.notes,
    )


def _settled(reading: Reading, parts: Sequence[_Part]) -> Reading | None:
    """The same with size and colour settled, where the shares disagree about what was left open."""
    shapes = {part.preprocessing.input_shape for part in parts if part.kept}
    if reading.preprocessing is not None or len(shapes) < 2:
        return None
    sizes = {shape[:2] for shape in shapes}
    size = sizes.pop() if len(sizes) == 1 else (AUTO_SIDE, AUTO_SIDE)
    channels = max(shape[2] for shape in shapes)
    return replace(reading, size=size, color="gray" if channels == 1 else "rgb")


def _joined(team: Team, parts: Sequence[_Part], own: ReadResult) -> ReadResult:
    """All shares as one, in the order of the files."""
    kept = np.concatenate([np.array(part.kept, np.int64) for part in parts])
    order = np.argsort(kept, kind="stable")
    counts = [len(part.kept) for part in parts]
    owner = np.repeat(np.arange(len(parts), dtype=np.int32), counts)[order]
    place = np.concatenate([np.arange(count) for count in counts])[order]

    def in_order(lists: Sequence[Sequence[bytes]]) -> list[bytes]:
        together = [value for values in lists for value in values]
        return [together[i] for i in order.tolist()]

    skipped = {position: file for part in parts for position, file in part.skipped.items()}
    pixel_digests = in_order([part.pixel_digests for part in parts])
    preprocessing = next((part.preprocessing for part in parts if part.kept), own.preprocessing)
    pixels = own.images
    if not len(pixels):  # of a shape that nobody asked for
        pixels = np.empty((0, *preprocessing.input_shape), np.uint8)
    spread = SpreadImages(
        Holdings(team, pixels, owner, place, pixel_digests), np.arange(len(kept), dtype=np.int32)
    )
    return ReadResult(
        spread[:] if spread.nbytes <= MOST_IN_EACH else spread,
        kept[order].tolist(),
        [skipped[position] for position in sorted(skipped)],
        preprocessing,
        in_order([part.digests for part in parts]),
        pixel_digests,
        list(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _of_all(progress: Progress, mine: int, total: int) -> Progress:
    """As if the others were as far as this process."""

    def seen(done: int, of: int) -> None:
        progress(done * total // max(mine, 1), total)

    return seen
