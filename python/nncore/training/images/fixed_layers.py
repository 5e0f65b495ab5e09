"""What the layers that are not trained make of images, computed once and not in every epoch.

N images. Where the lowest layers of a model are fixed, an epoch over the pictures would repeat the
same forward pass each time. `fit` takes what it gives for the images instead: the same numbers, and
so the same weights, in a fraction of the time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncore.data.dealt import computed_by_team
from nncore.data.digests import pixel_digest
from nncore.data.mapped import MappedImages
from nncore.data.reading.cache_folder import CacheError
from nncore.data.reading.feature_store import FeatureStore
from nncore.data.reading.settings import CacheChoice, Reading
from nncore.data.reading.workers import Progress
from nncore.data.spread import SpreadImages
from nncore.process.team import by_first, team_at_work

if TYPE_CHECKING:
    from nncore import _core
    from nncore.training.images.arrays import ImagesOrMapped
    from nncore.training.images.labelled import LabelledArrays

F32 = NDArray[np.float32]

# Images between two looks at Ctrl-C.
_BLOCK = 32
MOST_KEPT = 1 << 28
"""More values than that, of all images, are not held in memory; then every epoch makes the whole
forward pass. It depends on the data alone, and not on the machine."""


class FixedLayers:
    """The fixed lowest layers of a model, with what they gave so far.

    Parameters
    ----------
    cache
        Folder of all caches; True: the user's cache folder; False: in memory alone.

    Attributes
    ----------
    notes : list of str
        What people should know, such as that the cache folder cannot be written.
    """

    def __init__(self, cache: CacheChoice = False) -> None:
        self.cache = cache
        self.notes: list[str] = []
        self._key: tuple[str, CacheChoice] = ("", False)
        self._store: FeatureStore | None = None

    @property
    def in_use(self) -> bool:
        """Whether something was computed already."""
        return self._store is not None

    def apply(
        self,
        network: _core.Network,
        sets: Sequence[LabelledArrays],
        described: Callable[[], Sequence[object]],
        progress: Progress | None = None,
    ) -> list[LabelledArrays]:
        """Sets of images as the layers above take them; as they are where that cannot be or is no
        gain.

        Parameters
        ----------
        described
            Gives a JSON-ready description of all that the result depends on besides the weights;
            asked only where there is something to compute.
        progress
            Called as ``progress(done, total)``, in images that have to be computed.
        """
        shape = network.extracted_shape
        if shape is None or math.prod(shape) * sum(map(len, sets)) > MOST_KEPT:
            return list(sets)
        store = self._store_of(network, described(), math.prod(shape))
        rows = self._rows(network, [one.images for one in sets], store, progress)
        return [
            dataclasses.replace(one, images=found.reshape(len(one), *shape), extracted=True)
            for one, found in zip(sets, rows, strict=True)
        ]

    def _store_of(
        self, network: _core.Network, described: Sequence[object], count: int
    ) -> FeatureStore:
        digest = hashlib.sha256(json.dumps(list(described), sort_keys=True).encode())
        for name in network.parameter_names():
            # All weights: which of them are fixed is a matter of the layers, described above.
            if not network.is_trained(name):
                digest.update(network.get_parameter(name).tobytes())
        key = (digest.hexdigest(), self.cache)
        if self._store is None or key != self._key:
            try:
                place = Reading(cache=self.cache).cache_folder
            except CacheError as error:
                place = None
                self.notes.append(str(error))
            self._store, self._key = FeatureStore({"layers": key[0]}, count, place), key
        return self._store

    def _rows(
        self,
        network: _core.Network,
        sets: Sequence[ImagesOrMapped],
        store: FeatureStore,
        progress: Progress | None,
    ) -> list[F32]:
        """What the layers make of each set of images, (N, F) each."""
        digests = [[_digest(images, i) for i in range(len(images))] for images in sets]
        found = [_known(store, some) for some in digests]
        total, done = sum(int((~known).sum()) for _, known in found), 0
        team = team_at_work()
        block = _BLOCK * (1 if team is None else team.size)
        for images, some, (features, known) in zip(sets, digests, found, strict=True):
            missing = np.flatnonzero(~known)
            computed = 0
            try:
                for start in range(0, len(missing), block):
                    places = missing[start : start + block]
                    features[places] = _extracted(network, images, places)
                    computed, done = computed + len(places), done + len(places)
                    if progress is not None:
                        progress(done, total)
            finally:
                # After Ctrl-C, too: what was computed need not be computed again.
                self._keep(
                    store, [some[i] for i in missing[:computed]], features[missing[:computed]]
                )
        return [features for features, _ in found]

    def _keep(self, store: FeatureStore, digests: Sequence[bytes], rows: F32) -> None:
        team = team_at_work()
        if not digests or (team is not None and team.rank > 0):
            return  # one process keeps them, where all look for them
        try:
            store.add(digests, rows)
        except CacheError as error:
            if str(error) not in self.notes:
                self.notes.append(str(error))


def _known(store: FeatureStore, digests: Sequence[bytes]) -> tuple[F32, NDArray[np.bool_]]:
    """`store.find`; in a team what the first process knows counts, for caches may differ."""
    return by_first(lambda: store.find(digests))


def _extracted(network: _core.Network, images: ImagesOrMapped, places: NDArray[np.intp]) -> F32:
    """What the layers make of the images at `places`, (n, F); a team at work shares them."""
    team = team_at_work()
    if team is None:
        return network.extract(_pixels(images, places)).reshape(len(places), -1)

    def compute(pixels: _core.Images, positions: NDArray[np.intp]) -> tuple[F32]:
        return (network.extract(pixels).reshape(len(positions), -1),)

    (rows,) = computed_by_team(team, images, places, compute)
    return rows


def _pixels(images: ImagesOrMapped, places: NDArray[np.int64]) -> _core.Images:
    if isinstance(images, MappedImages):
        return np.ascontiguousarray(images.take(places)[:])
    return np.ascontiguousarray(images[places])  # type: ignore[return-value]


def _digest(images: ImagesOrMapped, index: int) -> bytes:
    if isinstance(images, SpreadImages):
        return images.digest(index)
    return pixel_digest(np.ascontiguousarray(images[index : index + 1][0]))
