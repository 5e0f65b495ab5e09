"""Many files to one uint8 array: threads, progress, automatic size and colour."""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int
from nncore.data.batch import Decoded, decode_files
from nncore.data.built_with import built_with
from nncore.data.cache import CacheEntry, CacheError, Request, Source, file_status
from nncore.data.decode import (
    AUTO_SIDE,
    MAX_PIXELS,
    NotAnImageError,
    UnusableImageError,
)
from nncore.data.formats import IMAGE_EXTENSIONS
from nncore.data.loaded import Loaded
from nncore.data.preprocessing import COLORS, MAX_SIDE, Preprocessing
from nncore.data.skipped import SkippedFile
from nncore.data.store import ImageStore, MemoryRows, Rows, Shape
from nncore.errors import DataError

Progress = Callable[[int, int], object]

_Result = TypeVar("_Result")

_FILES_PER_TASK = 32
_TASKS_AHEAD = 4  # per thread
# What the core decodes needs no interpreter lock. Of other files of less than about this size,
# opening costs more than decoding, and a second thread makes the whole slower.
_NAMES = {"zlib": (".png",), "libjpeg": (".jpg", ".jpeg")}
_BYTES_WORTH_A_THREAD = 4096


def load_images(
    paths: Sequence[str | os.PathLike[str]],
    preprocessing: Preprocessing,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    max_pixels: int = MAX_PIXELS,
) -> tuple[NDArray[np.uint8], list[str], list[SkippedFile]]:
    """Decode files for prediction.

    Parameters
    ----------
    paths
        Image files, for example from `list_images`.
    preprocessing
        The model's.
    workers
        Threads; by default as many as this process may use, or one for tiny files.
    progress
        Called as ``progress(done, total)`` from the calling thread.
    max_pixels
        Larger pictures are refused before they are decoded.

    Returns
    -------
    uint8 (M, height, width, channels), the M paths that gave an image, in the given order, and
    the files that did not.
    """
    files = [os.fspath(path) for path in paths]
    loaded = load_files(
        files,
        preprocessing=preprocessing,
        workers=workers,
        progress=progress,
        max_pixels=max_pixels,
    )
    images: NDArray[np.uint8] = np.asarray(loaded.images)
    return images, [files[position] for position in loaded.kept], loaded.skipped


def load_files(
    paths: Sequence[str],
    *,
    size: tuple[int, int] | None = None,
    color: str | None = None,
    preprocessing: Preprocessing | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    max_pixels: int = MAX_PIXELS,
    cache: CachePlace | None = None,
) -> Loaded:
    """Decode files once each, whatever is still open about size and colour.

    The result equals `decode_image` of each file with the returned preprocessing, bit for bit.
    With a `cache` the files are only looked at if it has their images, and else put there; the
    images are then in a memory map. Where it cannot be written, a note says so.
    """
    if preprocessing is not None:
        size, color = (preprocessing.height, preprocessing.width), preprocessing.color
        background = preprocessing.alpha_background
    else:
        background = (255, 255, 255)
    request = Request(size, color, background, check_int("max_pixels", max_pixels, 1))

    def decode_all(new_rows: Callable[[Shape], Rows]) -> _Decoded:
        return _decode_all(paths, request, new_rows, preprocessing, workers, progress)

    notes: list[str] = []
    if cache is not None and paths:
        entry = CacheEntry(cache.folder, Source(cache.source, cache.base, paths), request)
        try:
            loaded = entry.find() or _made(entry, decode_all)
        except CacheError as error:
            notes.append(f"{error}; the images are read without it")
        else:
            if progress is not None:
                progress(len(paths), len(paths))
            # A model's own object, with its mean and deviation, is given back as it is.
            return loaded if preprocessing is None else replace(loaded, preprocessing=preprocessing)
    decoded = decode_all(lambda shape: MemoryRows(len(paths), shape))
    kept = np.flatnonzero(decoded.store.there).tolist()
    return Loaded(
        decoded.store.rows.keep(kept),
        kept,
        list(decoded.skipped.values()),
        decoded.preprocessing,
        [decoded.digests[i] for i in kept],
        [decoded.store.pixel_digests[i] for i in kept],
        notes,
    )


@dataclass(frozen=True)
class CachePlace:
    """The folder of a cache; the folder or table that is read; and what its paths begin with."""

    folder: str | os.PathLike[str]
    source: str
    base: str


@dataclass(frozen=True)
class _Decoded:
    """Every file decoded: the images in a store, and by position what gave none."""

    store: ImageStore
    skipped: dict[int, SkippedFile]
    preprocessing: Preprocessing
    digests: list[bytes]


def _made(entry: CacheEntry, decode_all: Callable[[Callable[[Shape], Rows]], _Decoded]) -> Loaded:
    """Decode into the cache; or find there what another process has just made."""
    with entry.being_made():
        found = entry.find()
        if found is not None:
            return found
        read_from, status = time.time_ns(), file_status(entry.source.paths)
        decoded = decode_all(entry.new_rows)
        return entry.publish(
            decoded.store,
            decoded.skipped,
            decoded.preprocessing,
            decoded.digests,
            status,
            read_from,
        )


def _decode_all(
    paths: Sequence[str],
    request: Request,
    new_rows: Callable[[Shape], Rows],
    preprocessing: Preprocessing | None,
    workers: int | None,
    progress: Progress | None,
) -> _Decoded:
    digests: list[bytes] = [b""] * len(paths)
    skipped: dict[int, SkippedFile] = {}
    store = ImageStore(len(paths), request.size, request.color, AUTO_SIDE, new_rows)

    def load(start: int, stop: int) -> Decoded:
        images, digests[start:stop] = decode_files(list(paths[start:stop]), request)
        return images

    def put(start: int, images: Decoded) -> None:
        if not isinstance(images, list):
            store.add(start, images)
            return
        usable: list[NDArray[np.uint8] | None] = []
        for position, image in enumerate(images, start):
            if isinstance(image, UnusableImageError):
                skipped[position] = skipped_file(paths[position], image)
                usable.append(None)
            else:
                usable.append(image)
        store.add(start, usable)

    try:
        with warnings.catch_warnings():
            # Pillow warns of harmless oddities, without saying in which file.
            warnings.simplefilter("ignore")
            _for_each(paths, load, put, workers, progress)
        height, width, channels = store.finish()
    except BaseException:
        store.discard()
        raise
    if preprocessing is None:
        preprocessing = Preprocessing(height, width, "gray" if channels == 1 else "rgb")
    return _Decoded(store, skipped, preprocessing, digests)


def skipped_file(path: str, error: UnusableImageError) -> SkippedFile:
    """The record of a file that could not be decoded."""
    named_as_image = os.path.splitext(path)[1].lower() in IMAGE_EXTENSIONS
    if isinstance(error, NotAnImageError) and not named_as_image:
        return SkippedFile(path, error.reason, "foreign")
    # A ".jpg" that holds a web page was meant to be a picture: the data set lost it.
    return SkippedFile(path, error.reason, "broken")


def check_size(size: Any) -> tuple[int, int] | None:
    """`size` argument as (height, width); None stays None (automatic)."""
    if size is None:
        return None
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2:
        raise ValueError(f"size must be an integer or (height, width), not {size!r}")
    return check_int("size", sides[0], 1, MAX_SIDE), check_int("size", sides[1], 1, MAX_SIDE)


def check_color(color: Any) -> str | None:
    """`color` argument; None stays None (automatic)."""
    if color is not None and color not in COLORS:
        raise ValueError(f"color is {color!r}; known: {', '.join(COLORS)}, or None for automatic")
    return None if color is None else str(color)


def check_max_broken(max_broken: Any) -> float:
    """`max_broken` argument, a fraction."""
    if isinstance(max_broken, bool) or not isinstance(max_broken, (int, float)):
        raise TypeError(f"max_broken must be a number, not {max_broken!r}")
    if not 0 <= max_broken <= 1:
        raise ValueError(f"max_broken must be within 0..1, not {max_broken}")
    return float(max_broken)


def check_broken(where: str, kept: int, skipped: Sequence[SkippedFile], max_broken: float) -> None:
    """DataError if more than the fraction `max_broken` of the image files is broken."""
    broken = [file for file in skipped if file.kind == "broken"]
    total = kept + len(broken)
    if len(broken) > max_broken * total:
        shown = "; ".join(f"{file.path}: {file.reason}" for file in broken[:5])
        rest = f"; and {len(broken) - 5} more" if len(broken) > 5 else ""
        raise DataError(
            f"{where}: {len(broken)} of {total} image files are broken, more than "
            f"max_broken={max_broken:g} allows: {shown}{rest}. "
            "Repair or remove them, or raise max_broken"
        )


def default_workers() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _for_each(
    paths: Sequence[str],
    load: Callable[[int, int], _Result],
    put: Callable[[int, _Result], object],
    workers: int | None,
    progress: Progress | None,
) -> None:
    """`load` of every range of positions, by `workers` threads; `put` of its start and the result,
    in order, by the calling thread."""
    if workers is None:
        workers = default_workers() if _mean_work(paths) >= _BYTES_WORTH_A_THREAD else 1
    workers = check_int("workers", workers, 1)

    def stop_of(start: int) -> int:
        return min(start + _FILES_PER_TASK, len(paths))

    def run(start: int) -> _Result:
        return load(start, stop_of(start))

    def finish(start: int, result: _Result) -> None:
        put(start, result)
        if progress is not None:
            progress(stop_of(start), len(paths))

    starts = range(0, len(paths), _FILES_PER_TASK)
    if workers == 1 or len(starts) < 2:
        for start in starts:
            finish(start, run(start))
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    executor = ThreadPoolExecutor(min(workers, len(starts)), "nncore-decode")
    waiting: deque[tuple[int, Future[_Result]]] = deque()
    try:
        for start in starts:
            waiting.append((start, executor.submit(run, start)))
            # Not all at once: results that wait here are images in memory.
            if len(waiting) > _TASKS_AHEAD * workers:
                first, task = waiting.popleft()
                finish(first, task.result())
        for first, task in waiting:
            finish(first, task.result())
    finally:
        # After Ctrl-C or an error: wait for the files in work, not for the rest of the list.
        executor.shutdown(cancel_futures=True)


def _mean_work(paths: Sequence[str]) -> float:
    """Of decoding a file outside the interpreter lock, in bytes; by a sample."""
    sample = paths[:: max(len(paths) // 64, 1)]
    by_core = tuple(
        name for library, names in _NAMES.items() if built_with(library) for name in names
    )
    total = 0
    for path in sample:
        try:
            size = os.stat(path).st_size
        except OSError:
            continue  # the loader will name it
        total += max(size, _BYTES_WORTH_A_THREAD if path.lower().endswith(by_core) else 0)
    return total / max(len(sample), 1)
