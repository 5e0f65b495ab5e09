"""Many files to one uint8 array, decoded or from the cache, whatever is open about their shape."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nncore.data.checked_map import CheckedMap
from nncore.data.digests import DIGEST_SIZE
from nncore.data.mapped import MappedImages
from nncore.data.pictures.decode import (
    AUTO_SIDE,
    MAX_PIXELS,
    NotAnImageError,
    OwnChartError,
    UnusableImageError,
)
from nncore.data.pictures.formats import IMAGE_EXTENSIONS
from nncore.data.preprocessing import Preprocessing
from nncore.data.reading.block import Decoded, decode_files
from nncore.data.reading.cache_folder import CacheError
from nncore.data.reading.collected import CollectedImages, MemoryRows, Rows, Shape
from nncore.data.reading.image_cache import CacheEntry, file_status
from nncore.data.reading.result import ReadResult
from nncore.data.reading.settings import Reading
from nncore.data.reading.shares import read_by_team
from nncore.data.reading.source import Source
from nncore.data.reading.workers import Progress, for_each
from nncore.data.skipped import SkippedFile
from nncore.process.team import alone, each, team_at_work


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
    reading = Reading(preprocessing=preprocessing, max_pixels=max_pixels)
    loaded = load_files(Source("", "", files), reading, workers, progress)
    images: NDArray[np.uint8] = np.asarray(loaded.images)
    return images, [files[position] for position in loaded.kept], loaded.skipped


def load_files(
    source: Source,
    reading: Reading,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ReadResult:
    """Decode files once each, whatever is still open about size and colour.

    The result equals `decode_image` of each file with the returned preprocessing, bit for bit.
    With a cache the files are only looked at if it has their images, and else put there; the
    images are then in a memory map. Where it cannot be written, a note says so. How many files may
    be broken is for the caller to judge (`check_broken`).

    A team at work shares the files that not every process has in its cache (`shares.py`).
    """
    team = team_at_work()
    if team is None:
        return _load(source, reading, workers, progress)
    (known, *others) = each(team, lambda: _digest_of(_known(source, reading)))
    if known is not None and all(one == known for one in others):
        with alone():
            return _load(source, reading, workers, progress)
    return read_by_team(
        team, source, reading, progress, lambda share, how, seen: _load(share, how, workers, seen)
    )


def _load(
    source: Source, reading: Reading, workers: int | None, progress: Progress | None
) -> ReadResult:
    """`load_files` by this process alone."""
    paths = source.paths

    def decode_all(new_rows: Callable[[Shape], Rows]) -> _Decoded:
        return _decode_all(paths, reading, new_rows, workers, progress)

    notes: list[str] = []
    if reading.cache is not False and paths:
        try:
            entry = CacheEntry(reading.cache_folder or "", source, reading.request)
            loaded = entry.find() or _made(entry, decode_all)
        except CacheError as error:
            notes.append(f"{error}; the images are read without it")
        else:
            if progress is not None:
                progress(len(paths), len(paths))
            _remake_if_damaged(entry, loaded, reading, workers)
            # A model's own object, with its mean and deviation, is given back as it is.
            model = reading.preprocessing
            return loaded if model is None else replace(loaded, preprocessing=model)
    decoded = decode_all(lambda shape: MemoryRows(len(paths), shape))
    kept = np.flatnonzero(decoded.images.there).tolist()
    return ReadResult(
        decoded.images.rows.keep(kept),
        kept,
        list(decoded.skipped.values()),
        decoded.preprocessing,
        [decoded.digests[i] for i in kept],
        [decoded.images.pixel_digests[i] for i in kept],
        notes,
    )


def _known(source: Source, reading: Reading) -> ReadResult | None:
    """What the cache has of these files; None without one."""
    if reading.cache is False or not source.paths:
        return None
    try:
        return CacheEntry(reading.cache_folder or "", source, reading.request).find()
    except CacheError:
        return None


def _digest_of(found: ReadResult | None) -> bytes | None:
    """By which two processes see that they have the same images."""
    if found is None:
        return None
    digest = hashlib.blake2b(b"".join(found.pixel_digests), digest_size=DIGEST_SIZE)
    digest.update(repr((found.kept, found.preprocessing.input_shape)).encode())
    return digest.digest()


@dataclass(frozen=True)
class _Decoded:
    """Every file decoded: the images where they were collected, and by position what gave none."""

    images: CollectedImages
    skipped: dict[int, SkippedFile]
    preprocessing: Preprocessing
    digests: list[bytes]


def _made(
    entry: CacheEntry, decode_all: Callable[[Callable[[Shape], Rows]], _Decoded]
) -> ReadResult:
    """Decode into the cache; or find there what another process has just made."""
    with entry.being_made():
        found = entry.find()
        if found is not None:
            return found
        read_from, status = time.time_ns(), file_status(entry.source.paths)
        decoded = decode_all(entry.new_rows)
        return entry.publish(
            decoded.images,
            decoded.skipped,
            decoded.preprocessing,
            decoded.digests,
            status,
            read_from,
        )


def _remake_if_damaged(
    entry: CacheEntry, loaded: ReadResult, reading: Reading, workers: int | None
) -> None:
    """Let images that turn out to be damaged when they are used be decoded again there and then."""
    assert isinstance(loaded.images, MappedImages)
    images = loaded.images.map
    forget = images.damaged

    def decode_all(new_rows: Callable[[Shape], Rows]) -> _Decoded:
        return _decode_all(entry.source.paths, reading, new_rows, workers, None)

    def remade() -> CheckedMap | None:
        if forget is not None:
            forget()
        try:
            made = _made(entry, decode_all)
        except CacheError:
            return None
        same = made.kept == loaded.kept and made.pixel_digests == loaded.pixel_digests
        return made.images.map if same and isinstance(made.images, MappedImages) else None

    images.damaged = remade


def _decode_all(
    paths: Sequence[str],
    reading: Reading,
    new_rows: Callable[[Shape], Rows],
    workers: int | None,
    progress: Progress | None,
) -> _Decoded:
    request = reading.request
    digests: list[bytes] = [b""] * len(paths)
    skipped: dict[int, SkippedFile] = {}
    collected = CollectedImages(len(paths), request, AUTO_SIDE, new_rows)

    def load(start: int, stop: int) -> Decoded:
        images, digests[start:stop] = decode_files(list(paths[start:stop]), request)
        return images

    def put(start: int, images: Decoded) -> None:
        if not isinstance(images, list):
            collected.add(start, images)
            return
        usable: list[NDArray[np.uint8] | None] = []
        for position, image in enumerate(images, start):
            if isinstance(image, UnusableImageError):
                skipped[position] = skipped_file(paths[position], image)
                usable.append(None)
            else:
                usable.append(image)
        collected.add(start, usable)

    try:
        with warnings.catch_warnings():
            # Pillow warns of harmless oddities, without saying in which file.
            warnings.simplefilter("ignore")
            for_each(paths, load, put, workers, progress)
        height, width, channels = collected.finish()
    except BaseException:
        collected.discard()
        raise
    preprocessing = reading.preprocessing or Preprocessing(
        height,
        width,
        "gray" if channels == 1 else "rgb",
        fit=request.fit,
        alpha_background=request.alpha_background,
    )
    return _Decoded(collected, skipped, preprocessing, digests)


def skipped_file(path: str, error: UnusableImageError) -> SkippedFile:
    """The record of a file that could not be decoded."""
    if isinstance(error, OwnChartError):
        return SkippedFile(path, error.reason, "own")
    named_as_image = os.path.splitext(path)[1].lower() in IMAGE_EXTENSIONS
    if isinstance(error, NotAnImageError) and not named_as_image:
        return SkippedFile(path, error.reason, "foreign")
    # A ".jpg" that holds a web page was meant to be a picture: the data set lost it.
    return SkippedFile(path, error.reason, "broken")
