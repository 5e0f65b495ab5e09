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
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncore.data.digests import pixel_digest
from nncore.data.mapped import MappedImages
from nncore.data.reading.feature_store import FeatureStore
from nncore.training.labelled import LabelledArrays
from nncore.training.prepared import Prepared

if TYPE_CHECKING:
    from nncore import _core
    from nncore.training.arrays import ImagesOrMapped

F32 = NDArray[np.float32]

# Images between two looks at Ctrl-C.
_BLOCK = 32
# More than that is not held in memory; then every epoch makes the whole forward pass. It depends on
# the data alone, and not on the machine.
_MOST_BYTES = 1 << 30


class FixedLayers:
    """The fixed lowest layers of a model, with what they gave so far.

    Parameters
    ----------
    cache
        Folder of all caches, or None: in memory alone.
    """

    def __init__(self, cache: str | os.PathLike[str] | None = None) -> None:
        self.cache = cache
        self._key = ""
        self._store: FeatureStore | None = None

    def apply(
        self,
        network: _core.Network,
        data: Prepared,
        described: Callable[[], Sequence[object]],
        between_blocks: Callable[[], None] = lambda: None,
    ) -> Prepared:
        """`data` as the layers above take them; as they are where that cannot be or is no gain.

        Parameters
        ----------
        described
            Gives a JSON-ready description of all that the result depends on besides the weights;
            asked only where there is something to compute.
        """
        shape = network.extracted_shape
        sets = [data.train] if data.validation is None else [data.train, data.validation]
        if shape is None or data.augmentation is not None:
            return data
        if 4 * math.prod(shape) * sum(map(len, sets)) > _MOST_BYTES:
            return data
        store = self._store_of(network, described(), math.prod(shape))
        done = [_extracted(network, one, shape, store, between_blocks) for one in sets]
        return dataclasses.replace(data, train=done[0], validation=done[1] if done[1:] else None)

    def _store_of(
        self, network: _core.Network, described: Sequence[object], count: int
    ) -> FeatureStore:
        digest = hashlib.sha256(json.dumps(list(described), sort_keys=True).encode())
        for name in network.parameter_names():
            # All weights: which of them are fixed is a matter of the layers, described above.
            if not network.is_trained(name):
                digest.update(network.get_parameter(name).tobytes())
        key = digest.hexdigest()
        if self._store is None or key != self._key:
            way = {"layers": key}
            self._store, self._key = FeatureStore(way, count, self.cache), key
        return self._store


def _extracted(
    network: _core.Network,
    data: LabelledArrays,
    shape: tuple[int, ...],
    store: FeatureStore,
    between_blocks: Callable[[], None],
) -> LabelledArrays:
    images = data.images
    digests = [_digest(images, i) for i in range(len(images))]
    features, known = store.find(digests)
    missing = np.flatnonzero(~known)
    for start in range(0, len(missing), _BLOCK):
        places = missing[start : start + _BLOCK]
        block: _core.Images
        if isinstance(images, MappedImages):
            block = np.ascontiguousarray(images.take(places)[:])
        else:
            block = np.ascontiguousarray(images[places])  # type: ignore[assignment]
        rows = network.extract(block).reshape(len(places), -1)
        features[places] = rows
        store.add([digests[place] for place in places], rows)
        between_blocks()
    return dataclasses.replace(data, images=features.reshape(len(images), *shape), extracted=True)


def _digest(images: ImagesOrMapped, index: int) -> bytes:
    return pixel_digest(np.ascontiguousarray(images[index : index + 1][0]))
