"""Decoded images kept on disk, so that a second run need not decode, nor read, their files again.

A cache is a folder with one folder per data set and way of reading it:

    NAME-HASH/manifest.json     how the files were read, which were no images, and the names of
    NAME-HASH/images-ID.npy     uint8 (files, H, W, C), mapped into memory; a file that is no usable
                                image has an empty row. Blocks of it have checksums in the manifest,
                                and are compared with them before they are used
    NAME-HASH/files-ID.npy      (files,) of `_RECORD`: time stamps and digests, a row per file
    NAME-HASH.lock              held while they are made

The manifest is written last, under a temporary name that is then renamed, and names the two that
belong to it: whoever finds a manifest finds all of it, and what a killed process leaves behind has
none. A file is taken for the one that was read if path, size, both time stamps and inode are what
they were, as Git and build tools do; one that differs in these is read and its digest compared.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import io
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.data.checked_map import (
    CheckedMap,
    block_checksums,
    bytes_checksum,
    map_rows,
    rows_per_block,
)
from nncore.data.digests import DIGEST_SIZE
from nncore.data.mapped import MappedImages
from nncore.data.pictures.formats import HELPERS
from nncore.data.pictures.request import Request
from nncore.data.preprocessing import Preprocessing
from nncore.data.reading.cache_folder import (
    MANIFEST,
    CacheError,
    cannot_write,
    evict,
    forget,
    locked,
    read_manifest,
    write_manifest,
)
from nncore.data.reading.collected import CollectedImages, Shape
from nncore.data.reading.result import ReadResult
from nncore.data.reading.source import Source
from nncore.data.skipped import SkippedFile
from nncore.files.own_folders import MARKER, make_home, mark_own_folder
from nncore.files.regular_files import open_regular, read_regular

_FORMAT = 4  # counts up when the decode path gives other pixels, too
_PIXELS = np.dtype(np.uint8)
_YOUNG_NS = 2_000_000_000  # the coarsest time stamps of a file system in use (FAT)
# Of one file. `status` as `file_status` gives it; a file that gave no image has no pixel digest: 0.
_RECORD = np.dtype(
    [("status", "<i8", 4), ("digest", "V", DIGEST_SIZE), ("pixel_digest", "V", DIGEST_SIZE)]
)


class CacheEntry:
    """The place of one data set, read in one way, within a cache.

    Parameters
    ----------
    folder
        The cache; made when something is written.
    source, request
        What is read, and how.
    """

    def __init__(self, folder: str | os.PathLike[str], source: Source, request: Request) -> None:
        self.cache, self.source, self.request = Path(folder), source, request
        self.folder = self.cache / self._key(request)

    def _key(self, request: Request) -> str:
        where = os.path.realpath(self.source.name)
        text = json.dumps([where, asdict(request)])
        name = re.sub(r"[^A-Za-z0-9_.]+", "_", os.path.basename(where))[:40].lstrip(".")
        return f"{name}-{hashlib.blake2b(text.encode(), digest_size=10).hexdigest()}"

    # -- reading

    def find(self) -> ReadResult | None:
        """The images, if the cache has them and no file has changed; else None."""
        open_request = replace(self.request, size=None, color=None)
        for folder in {self.folder: None, self.cache / self._key(open_request): None}:
            try:
                found = self._find_in(folder)
            except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
                continue  # none there, of another version, damaged, or being removed
            if found is not None:
                return found
        return None

    def _find_in(self, folder: Path) -> ReadResult | None:
        manifest = read_manifest(folder)
        if manifest["made_by"] != _made_by() or manifest["names"] != self.source.names_digest():
            return None
        preprocessing = Preprocessing.from_dict(manifest["preprocessing"])
        if not _admits(self.request, manifest["request"], preprocessing):
            return None
        count = len(self.source.paths)
        files = _read_files(folder / manifest["files"], manifest["files_checksum"], count)
        now = time.time_ns()
        status = file_status(self.source.paths)
        digests = files["digest"].tolist()
        changed = np.flatnonzero((status != files["status"]).any(axis=1)).tolist()
        for position in changed:
            if status[position, 0] != files["status"][position, 0]:
                return None  # of another size: it need not be read
            if digests[position] != _file_digest(self.source.paths[position]):
                return None
        images = self._mapped(folder, manifest, (count, *preprocessing.input_shape))
        if changed:
            known = files.copy()
            known["status"] = _trusted(status, now)
            self._refresh(folder, manifest, known)
        with contextlib.suppress(OSError):
            os.utime(folder / MANIFEST)  # when it was used last
        skipped = {
            position: SkippedFile(self.source.paths[position], reason, kind)
            for position, reason, kind in manifest["skipped"]
        }
        return _result(images, skipped, preprocessing, digests, files["pixel_digest"].tolist())

    def _mapped(self, folder: Path, manifest: dict[str, Any], shape: tuple[int, ...]) -> CheckedMap:
        """The images of an entry, of which nothing is read yet."""
        path = folder / manifest["images"]
        images = map_rows(path, _header(shape), shape, np.uint8)
        checksums = np.frombuffer(bytes.fromhex(manifest["blocks"]), "<u8").astype(np.uint64)
        size = rows_per_block(images[:1].nbytes)
        if len(checksums) != -(-len(images) // size):
            raise ValueError(f"{folder}: another number of blocks")

        def damaged() -> CheckedMap | None:
            forget(folder)
            return None

        return CheckedMap(images, checksums, str(path), damaged)

    def _refresh(self, folder: Path, manifest: dict[str, Any], files: NDArray[np.void]) -> None:
        """Note the new time stamps of files that hold what they held."""
        with contextlib.suppress(OSError, ValueError, CacheError), locked(folder, wait=False):
            if read_manifest(folder) == manifest:  # else another process has made it anew
                old = folder / manifest["files"]
                write_manifest(folder, {**manifest, **_write_files(folder, files)})
                old.unlink()

    # -- writing

    @contextlib.contextmanager
    def being_made(self) -> Iterator[None]:
        """Keep other processes from making the same; waits until one that does is through.

        Raises
        ------
        CacheError
            The folder cannot be made or written.
        """
        try:
            make_home(self.cache, 0o700)
            lock = locked(self.folder, wait=True)
            lock.__enter__()
        except OSError as error:
            raise cannot_write(self.cache, error) from error
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    def new_rows(self, shape: Shape) -> FileRows:
        """Room on disk for the images of all files.

        Raises
        ------
        CacheError
            There is not enough, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(exist_ok=True)
            mark_own_folder(self.folder)
            self._sweep(None)
            needed = len(self.source.paths) * shape[0] * shape[1] * shape[2]
            free = shutil.disk_usage(self.folder).free
            if needed > 0.95 * free:
                raise CacheError(
                    f"{self.cache}: the cache needs {needed >> 20:,} MB, but only {free >> 20:,} "
                    "MB are free"
                )
            return FileRows(self.folder, len(self.source.paths), shape)
        except OSError as error:
            raise cannot_write(self.cache, error) from error

    def publish(
        self,
        collected: CollectedImages,
        skipped: dict[int, SkippedFile],
        preprocessing: Preprocessing,
        digests: Sequence[bytes],
        status: NDArray[np.int64],
        read_from: int,
    ) -> ReadResult:
        """Make what was decoded into `new_rows` the content of this place.

        `status` is that of the files before the first was read, at the time `read_from`
        (`time.time_ns`).

        Raises
        ------
        CacheError
            It cannot be written.
        """
        rows: FileRows = collected.rows
        try:
            rows.finish()
            files = np.zeros(len(digests), _RECORD)
            files["status"] = _trusted(status, read_from)
            files["digest"] = _digest_column(digests)
            files["pixel_digest"] = _digest_column(collected.pixel_digests)
            manifest = {
                "made_by": _made_by(),
                "source": os.path.realpath(self.source.name),
                "request": asdict(self.request),
                "preprocessing": preprocessing.to_dict(),
                "images": rows.path.name,
                "blocks": rows.checksums().astype("<u8").tobytes().hex(),
                **_write_files(self.folder, files),
                "names": self.source.names_digest(),
                "skipped": [[i, file.reason, file.kind] for i, file in skipped.items()],
            }
            write_manifest(self.folder, manifest)
            shape = (len(digests), *preprocessing.input_shape)
            images = self._mapped(self.folder, manifest, shape)
        except OSError as error:
            rows.discard()
            raise cannot_write(self.cache, error) from error
        self._sweep(manifest)
        evict(self.cache, keep=self.folder)
        return _result(images, skipped, preprocessing, digests, collected.pixel_digests)

    def _sweep(self, manifest: dict[str, Any] | None) -> None:
        """Remove what killed processes have left, and what the files of `manifest` replace.

        Only with the lock: nobody else is writing. Who has mapped a file keeps what it maps.
        """
        kept = [MANIFEST, MARKER]
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            manifest = manifest or read_manifest(self.folder)
            kept += [manifest["images"], manifest["files"]]
        for path in self.folder.iterdir():
            if path.name not in kept:
                with contextlib.suppress(OSError):
                    path.unlink()


class FileRows:
    """Rows of a .npy file. Written by calls, not through a map: a full disk is then an error and
    not a signal that ends the process."""

    def __init__(self, folder: Path, count: int, shape: Shape) -> None:
        self.path = folder / f"images-{secrets.token_hex(8)}.npy"
        self._shape, self._bytes = shape, shape[0] * shape[1] * shape[2]
        self._file = open(self.path, "x+b", buffering=0)  # noqa: SIM115 (closed by finish, discard)
        self._count = count
        self._start = self._file.write(_header((count, *shape)))
        self._file.truncate(self._start + count * self._bytes)  # a hole, filled row by row

    def write(self, start: int, images: NDArray[np.uint8]) -> None:
        view = np.ascontiguousarray(images).data.cast("B")
        try:
            self._file.seek(self._start + start * self._bytes)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def read(self, row: int) -> NDArray[np.uint8]:
        self._file.seek(self._start + row * self._bytes)
        return np.frombuffer(self._file.read(self._bytes), np.uint8).reshape(self._shape)

    def finish(self) -> None:
        """All is written: to the disk itself, before a manifest says so."""
        os.fsync(self._file.fileno())
        self._file.close()

    def checksums(self) -> NDArray[np.uint64]:
        """Of the blocks of all rows, once they are finished."""
        shape = (self._count, *self._shape)
        return block_checksums(map_rows(self.path, _header(shape), shape, np.uint8))

    def discard(self) -> None:
        self._file.close()
        with contextlib.suppress(OSError):
            self.path.unlink()


def file_status(paths: Sequence[str]) -> NDArray[np.int64]:
    """Size, time of the last change of content and of status, and inode: int64 (N, 4), times in
    nanoseconds; a row of -1 for a file that is not there."""
    from nncore import _core

    return _core.file_status(list(paths))


def _admits(request: Request, made: dict[str, Any], preprocessing: Preprocessing) -> bool:
    """Whether what another request (`made`) gave is what this one would give."""
    asked = json.loads(json.dumps(asdict(request)))
    size, color = made["size"], made["color"]
    # What was left open and came out as asked for now has the same pixels.
    if request.size is not None and size is None:
        size = [preprocessing.height, preprocessing.width]
    if request.color is not None and color is None:
        color = preprocessing.color
    return bool({**made, "size": size, "color": color} == asked)


def _trusted(status: NDArray[np.int64], read_from: int) -> NDArray[np.int64]:
    """`status` without that of files changed so shortly before they were read that another change
    might have left the same time stamps ("racily clean", as Git calls it)."""
    young = status[:, 1:3].max(axis=1, initial=0) > read_from - _YOUNG_NS
    trusted = np.where(young[:, np.newaxis], np.int64(-2), status)
    trusted[:, 0] = status[:, 0]  # another size is another file in any case
    return trusted


def _result(
    images: CheckedMap,
    skipped: dict[int, SkippedFile],
    preprocessing: Preprocessing,
    digests: Sequence[bytes],
    pixel_digests: Sequence[bytes],
) -> ReadResult:
    count = len(images.array)
    if not skipped:
        kept = list(range(count))
        all_of_them = MappedImages(images, np.arange(count, dtype=np.int32))
        return ReadResult(all_of_them, kept, [], preprocessing, list(digests), list(pixel_digests))
    kept = [position for position in range(count) if position not in skipped]
    return ReadResult(
        MappedImages(images, np.array(kept, np.int32)),
        kept,
        list(skipped.values()),
        preprocessing,
        [digests[position] for position in kept],
        [pixel_digests[position] for position in kept],
    )


def _made_by() -> dict[str, Any]:
    """What the pixels depend on besides the files."""
    import PIL

    # A package that is installed later reads what was skipped before.
    packages = _helpers_installed()
    helped = {"helped_by": list(packages)} if packages else {}
    return {"format": _FORMAT, "pillow": PIL.__version__, **helped}


@functools.cache  # all folders of sys.path are searched: as long as 100 files take to be looked at
def _helpers_installed() -> tuple[str, ...]:
    return tuple(name for name in HELPERS if importlib.util.find_spec(name) is not None)


def _digest_column(digests: Sequence[bytes]) -> NDArray[np.void]:
    joined = b"".join(digest or bytes(DIGEST_SIZE) for digest in digests)  # no image, no digest
    return np.frombuffer(joined, _RECORD["digest"])


def _header(shape: tuple[int, ...], dtype: np.dtype[Any] = _PIXELS) -> bytes:
    """What a .npy file with an array of this shape begins with."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header,
        {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape},
    )
    return header.getvalue()


def _write_files(folder: Path, files: NDArray[np.void]) -> dict[str, str]:
    """Write (files,) of `_RECORD` to the disk itself; what the manifest says of them."""
    name = f"files-{secrets.token_hex(8)}.npy"
    content = _header(files.shape, _RECORD) + files.tobytes()
    with open(folder / name, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return {"files": name, "files_checksum": bytes_checksum(content)}


def _read_files(path: Path, checksum: str, count: int) -> NDArray[np.void]:
    """What `_write_files` wrote for `count` files; ValueError if it is anything else."""
    data = read_regular(path, count * _RECORD.itemsize + 4096)
    if bytes_checksum(data) != checksum:
        raise ValueError(f"{path}: damaged")
    header = _header((count,), _RECORD)
    if not data.startswith(header) or len(data) != len(header) + count * _RECORD.itemsize:
        raise ValueError(f"{path}: of other files")
    return np.frombuffer(data, _RECORD, offset=len(header))


def _file_digest(path: str) -> bytes:
    digest = hashlib.blake2b(digest_size=DIGEST_SIZE)
    with open(open_regular(path)[0], "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()
