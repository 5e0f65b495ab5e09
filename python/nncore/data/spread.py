"""Images of which each process of a team holds a part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nncore.data.mapped import MappedImages, Pixels
from nncore.process.team import Team, alone, by_first, team_at_work

T = TypeVar("T")

_MESSAGE_BYTES = 1 << 26


@dataclass(eq=False)
class Holdings:
    """Who holds which of M images.

    Attributes
    ----------
    team
        The processes.
    own
        The images uint8 (n, H, W, C) that this one holds.
    owner
        int32 (M,), the rank that holds each image.
    place
        int64 (M,), where it lies among those of its owner.
    digests
        BLAKE2b-128 of the pixels of each image, which are thus known without asking for them.
    asked_by_first
        Whether the others learn from the first process which images to deliver (`first_alone`).
    """

    team: Team
    own: Pixels
    owner: NDArray[np.int32]
    place: NDArray[np.int64]
    digests: Sequence[bytes]
    asked_by_first: bool = False

    def delivered(self, wanted: Sequence[NDArray[np.integer[Any]]]) -> NDArray[np.uint8]:
        """The pixels of the images that this process wants; all call it with the same argument.

        The k-th of `wanted` has the numbers of those that rank k wants.
        """
        me = self.team.rank
        parcels = [self._held(rows) for rows in wanted]
        rows = wanted[me]
        found = np.empty((len(rows), *self.own.shape[1:]), np.uint8)
        owners = self.owner[rows]
        for rank, parcel in enumerate(self.team.exchange(parcels)):
            found[owners == rank] = parcel.reshape(-1, *found.shape[1:])
        return found

    def delivered_to_all(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """The pixels of these images to each process; all call it with the same argument."""
        if self.asked_by_first:
            self.team.from_first(rows)
        found = np.empty((len(rows), *self.own.shape[1:]), np.uint8)
        step = max(1, _MESSAGE_BYTES // max(1, found[:1].nbytes))
        for start in range(0, len(rows), step):
            some, place = rows[start : start + step], found[start : start + step]
            owners = self.owner[some]
            for rank, pixels in enumerate(self.team.all_of(self._held(some))):
                place[owners == rank] = pixels
        return found

    def _held(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        mine = rows[self.owner[rows] == self.team.rank]
        return np.ascontiguousarray(self.own[self.place[mine]])


class SpreadImages(MappedImages):
    """The images `rows` of those that a team holds, each of its processes some.

    Like `MappedImages`, but what an index, a slice or `numpy.asarray` reads comes from the
    processes that hold it. So all of them must ask for the same, in the same order, as they do by
    running the same program. `owned` says what this process has at hand.
    """

    def __init__(self, holdings: Holdings, rows: NDArray[np.int32]) -> None:
        self.holdings, self.rows = holdings, rows

    @property
    def source(self) -> NDArray[np.uint8]:
        raise TypeError("images that several processes hold are not one array")

    def checked_source(self) -> NDArray[np.uint8]:
        """All of them from all processes, in memory: what `rows` has no say about."""
        return self.holdings.delivered_to_all(np.arange(len(self.holdings.owner)))

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.holdings.own.shape[1:])

    @property
    def ndim(self) -> int:
        return 4

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        return np.dtype(np.uint8)

    @property
    def nbytes(self) -> int:
        height, width, channels = self.shape[1:]
        return len(self.rows) * height * width * channels

    def take(self, positions: NDArray[np.integer[Any]]) -> SpreadImages:
        return SpreadImages(self.holdings, self.rows[positions])

    def owned(self, rank: int) -> NDArray[np.intp]:
        """Positions of the images that this rank holds, in ascending order."""
        return np.flatnonzero(self.holdings.owner[self.rows] == rank)

    def pixels_at_hand(self, positions: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Of images that this process holds; nobody else is asked."""
        return np.ascontiguousarray(self.holdings.own[self.holdings.place[self.rows[positions]]])

    def at_hand(self) -> ImagesAtHand:
        """Those that this process holds, by the positions that they have here."""
        return ImagesAtHand(self)

    def digest(self, position: int) -> bytes:
        """BLAKE2b-128 of the pixels of one image."""
        return self.holdings.digests[int(self.rows[position])]

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            whole: NDArray[np.uint8] = self[:][key]
            return whole
        rows = np.asarray(self.rows[first])
        pixels = self.holdings.delivered_to_all(rows.reshape(-1))
        chosen: NDArray[np.uint8] = pixels.reshape(*rows.shape, *self.shape[1:])
        if not rest:
            return chosen
        inner: NDArray[np.uint8] = chosen[tuple(rest) if chosen.ndim == 3 else (slice(None), *rest)]
        return inner

    def __repr__(self) -> str:
        return f"SpreadImages({self.shape}, held by {self.holdings.team.size} processes)"


def first_alone(images: Pixels, work: Callable[[], T]) -> T:
    """What `work()` gives in the first process of the team at work, which alone does it and may
    read `images`; the others deliver what they hold of them meanwhile. Without a team, `work()`.

    Raises
    ------
    Exception
        What `work` raises, in each process.
    """
    team = team_at_work()
    if team is None or not isinstance(images, SpreadImages):
        return by_first(work)
    holdings = images.holdings

    def asking() -> T:
        holdings.asked_by_first = True
        try:
            return work()
        finally:
            holdings.asked_by_first = False
            team.from_first(None)

    if team.rank > 0:
        with alone():
            while (rows := team.from_first(None)) is not None:
                holdings.delivered_to_all(rows)
    return by_first(asking)


class ImagesAtHand:
    """Of spread images those that this process holds; may be read by any thread."""

    def __init__(self, images: SpreadImages) -> None:
        self._own = images.holdings.own
        self._places = images.holdings.place[images.rows]

    def __getitem__(self, position: int) -> NDArray[np.uint8]:
        image: NDArray[np.uint8] = self._own[int(self._places[position])]
        return image
