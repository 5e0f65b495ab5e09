"""Many files to one uint8 array: threads, progress, automatic size and colour."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int
from nncore.data.decode import (
    AUTO_SIDE,
    MAX_PIXELS,
    NotAnImageError,
    UnusableImageError,
    decode,
)
from nncore.data.formats import IMAGE_EXTENSIONS
from nncore.data.pixels import resize
from nncore.data.preprocessing import COLORS, MAX_SIDE, Preprocessing
from nncore.data.skipped import SkippedFile
from nncore.errors import DataError

Progress = Callable[[int, int], object]

_FILES_PER_TASK = 32
# Below about this size per file, opening costs more than decoding; only decoding runs outside the
# interpreter lock, and a second thread makes the whole slower (measured: 28 x 28 PNGs, 2 times).
_BYTES_WORTH_A_THREAD = 4096


@dataclass(frozen=True)
class Loaded:
    """What became of a list of files: images (M, H, W, C) of the files at positions `kept`, and a
    digest of the bytes of each of these files."""

    images: NDArray[np.uint8]
    kept: list[int]
    skipped: list[SkippedFile]
    preprocessing: Preprocessing
    digests: list[bytes]


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
    return loaded.images, [files[position] for position in loaded.kept], loaded.skipped


def load_files(
    paths: Sequence[str],
    *,
    size: tuple[int, int] | None = None,
    color: str | None = None,
    preprocessing: Preprocessing | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Loaded:
    """Decode files once each, whatever is still open about size and colour.

    The result equals `decode_image` of each file with the returned preprocessing, bit for bit.
    """
    if preprocessing is not None:
        size, color = (preprocessing.height, preprocessing.width), preprocessing.color
        background = preprocessing.alpha_background
    else:
        background = (255, 255, 255)

    limit = check_int("max_pixels", max_pixels, 1)
    digests: list[bytes] = [b""] * len(paths)

    def load(position: int) -> NDArray[np.uint8] | SkippedFile:
        path, digest = paths[position], hashlib.blake2b(digest_size=16)
        try:
            pixels = decode(path, size, color, background, max_pixels=limit, digest=digest)
        except UnusableImageError as error:
            return skipped_file(path, error)
        digests[position] = digest.digest()
        return pixels

    with warnings.catch_warnings():
        # Pillow warns of harmless oddities, without saying in which file.
        warnings.simplefilter("ignore")
        results = _for_each(paths, load, workers, progress)
    kept = [i for i, result in enumerate(results) if not isinstance(result, SkippedFile)]
    skipped = [result for result in results if isinstance(result, SkippedFile)]
    shapes = {results[i].shape for i in kept}
    if color is None:
        color = "gray" if shapes and all(shape[2] == 1 for shape in shapes) else "rgb"
    if size is None:
        sizes = {shape[:2] for shape in shapes}
        # A file above 64 x 64 was resized to it; one that was this size anyway decides nothing.
        size = next(iter(sizes)) if len(sizes) == 1 else (AUTO_SIDE, AUTO_SIDE)
    if preprocessing is None:
        preprocessing = Preprocessing(size[0], size[1], color)
    images = np.empty((len(kept), *preprocessing.input_shape), np.uint8)
    for row, position in enumerate(kept):
        images[row] = resize(results[position], size)  # gray is copied into all three channels
        results[position] = None
    return Loaded(images, kept, skipped, preprocessing, [digests[i] for i in kept])


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
    load: Callable[[int], NDArray[np.uint8] | SkippedFile],
    workers: int | None,
    progress: Progress | None,
) -> list[Any]:
    """`load` of the position of every path, in order, by `workers` threads."""
    if workers is None:
        workers = default_workers() if _mean_bytes(paths) >= _BYTES_WORTH_A_THREAD else 1
    workers = check_int("workers", workers, 1)
    results: list[Any] = [None] * len(paths)

    def run(start: int) -> int:
        stop = min(start + _FILES_PER_TASK, len(paths))
        for position in range(start, stop):
            results[position] = load(position)
        return stop - start

    starts = range(0, len(paths), _FILES_PER_TASK)
    done = 0
    if workers == 1:
        for start in starts:
            done += run(start)
            if progress is not None:
                progress(done, len(paths))
        return results
    from concurrent.futures import ThreadPoolExecutor, as_completed

    executor = ThreadPoolExecutor(min(workers, len(starts)) or 1, "nncore-decode")
    try:
        for task in as_completed([executor.submit(run, start) for start in starts]):
            done += task.result()
            if progress is not None:
                progress(done, len(paths))
    finally:
        # After Ctrl-C or an error: wait for the files in work, not for the rest of the list.
        executor.shutdown(cancel_futures=True)
    return results


def _mean_bytes(paths: Sequence[str]) -> float:
    sample = paths[:: max(len(paths) // 64, 1)]
    total = 0
    for path in sample:
        try:
            total += os.stat(path).st_size
        except OSError:
            continue  # the loader will name it
    return total / max(len(sample), 1)
