"""Frozen features kept by the pixels they were computed from, so that no image is run twice.

In a cache (see `cache_folder.py`) there is one folder per way of computing them:

    features-HASH/manifest.json      the way, and the digests of the pixels, one per row
    features-HASH/features-ID.npy    float32 (rows, F), mapped into memory; blocks of it have
                                     checksums in the manifest, and are compared with them
                                     before they are used

The key of a row is the digest of the image's pixels as the backbone gets them: a changed picture is
a new row, and a copy, another split or another folder with the same pictures costs nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.data.checked_map import CheckedMap, block_checksums, map_rows, rows_per_block
from nncore.data.digests import DIGEST_SIZE
from nncore.data.reading.cache_folder import (
    MANIFEST,
    cannot_write,
    evict,
    forget,
    locked,
    read_manifest,
    write_manifest,
)
from nncore.files.home import place
from nncore.files.own_folders import MARKER, make_home, mark_own_folder

F32 = NDArray[np.float32]

_FORMAT = 3
_MEMORY_BYTES = 1 << 30  # of features that no cache folder takes


class FeatureStore:
    """Rows of features in memory, and in a cache folder where one is given.

    Parameters
    ----------
    way
        JSON-ready description of everything that the features depend on besides the pixels.
    count
        F, numbers per image.
    cache
        Folder of all caches, made when something is written; None: in memory alone.
    """

    def __init__(
        self, way: Mapping[str, Any], count: int, cache: str | os.PathLike[str] | None
    ) -> None:
        self._way = json.loads(json.dumps({**way, "format": _FORMAT}))
        text = json.dumps(self._way, sort_keys=True)
        name = hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
        self.folder = None if cache is None else place(cache) / f"features-{name}"
        self._rows: dict[bytes, int] = {}
        self._features: F32 = np.empty((0, count), np.float32)
        self._map: CheckedMap | None = None  # of the features, where they lie in a file
        if self.folder is not None:
            self._read()

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, digests: Sequence[bytes]) -> tuple[F32, NDArray[np.bool_]]:
        """Features float32 (N, F), a copy, and which images (N,) they are known of.

        Both at once, and rows of zeros for the others: where a row lies in the store is nobody's to
        keep, since whatever is added later may move or drop it.
        """
        self._drop_if_damaged([self._rows[digest] for digest in digests if digest in self._rows])
        known = np.array([digest in self._rows for digest in digests], np.bool_)
        features = np.zeros((len(digests), self._features.shape[1]), np.float32)
        rows = [self._rows[digest] for digest in digests if digest in self._rows]
        features[known] = self._features[rows]
        return features, known

    def add(self, digests: Sequence[bytes], features: F32) -> None:
        """Keep the features (M, F) of images that are not known yet.

        Raises
        ------
        CacheError
            The folder cannot be written; the features are kept in memory all the same.
        """
        if self.folder is None:
            self._keep(digests, features)
            return
        try:
            make_home(self.folder.parent, 0o700)
            with locked(self.folder, wait=True):
                self._read()  # what another process has added since
                self._drop_if_damaged(range(len(self._features)))  # it is written with the new ones
                self._keep(digests, features)
                self._write()
        except OSError as error:
            self._keep(digests, features)
            raise cannot_write(self.folder, error) from error
        evict(self.folder.parent, keep=self.folder)

    def _keep(self, digests: Sequence[bytes], features: F32) -> None:
        new = {digest: i for i, digest in enumerate(digests) if digest not in self._rows}
        kept = self._features
        if self.folder is None and (len(self) + len(new)) * kept.itemsize * kept.shape[1] > (
            _MEMORY_BYTES
        ):
            self._rows, kept = {}, kept[:0]
        first = len(kept)
        self._features = np.concatenate([kept, features[list(new.values())]])
        self._map = None
        self._rows |= {digest: first + i for i, digest in enumerate(new)}

    def _drop_if_damaged(self, rows: Sequence[int]) -> None:
        """Forget all where some of these rows are damaged: they are computed again."""
        if self._map is None or self._map.sound(np.array(rows, np.int64)):
            return
        self._rows, self._features, self._map = {}, self._features[:0].copy(), None
        if self.folder is not None:
            forget(self.folder)

    def _read(self) -> None:
        """Take over what the folder has, if it has anything sound."""
        assert self.folder is not None
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            manifest = read_manifest(self.folder)
            digests = bytes.fromhex(manifest["digests"])
            shape = (len(digests) // DIGEST_SIZE, self._features.shape[1])
            if manifest["way"] != self._way or len(digests) % DIGEST_SIZE:
                return
            path = self.folder / manifest["features"]
            features = map_rows(path, _header(shape), shape, np.float32)
            checksums = np.frombuffer(bytes.fromhex(manifest["blocks"]), "<u8").astype(np.uint64)
            if len(checksums) != -(-len(features) // rows_per_block(features[:1].nbytes)):
                return
            self._rows = {
                digests[i * DIGEST_SIZE : (i + 1) * DIGEST_SIZE]: i for i in range(len(features))
            }
            self._features, self._map = features, CheckedMap(features, checksums, str(path))
            os.utime(self.folder / MANIFEST)  # when it was used last

    def _write(self) -> None:
        """All rows into a new file, then the manifest that names it; the old file goes."""
        assert self.folder is not None
        self.folder.mkdir(exist_ok=True)
        mark_own_folder(self.folder)
        path = self.folder / f"features-{secrets.token_hex(8)}.npy"
        try:
            features = np.ascontiguousarray(self._features, "<f4")
            with open(path, "xb") as file:
                file.write(_header(features.shape))
                file.write(features.data)
                file.flush()
                os.fsync(file.fileno())
            manifest = {
                "way": self._way,
                "features": path.name,
                "digests": b"".join(self._rows).hex(),
                "blocks": block_checksums(features).astype("<u8").tobytes().hex(),
            }
            write_manifest(self.folder, manifest)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        self._read()
        for other in self.folder.iterdir():
            if other.name not in (MANIFEST, MARKER, path.name):
                with contextlib.suppress(OSError):
                    other.unlink()


def _header(shape: tuple[int, ...]) -> bytes:
    """What a .npy file with float32 features of this shape begins with."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return header.getvalue()
