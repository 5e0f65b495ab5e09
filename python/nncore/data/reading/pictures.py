"""Pictures that somebody has a list of: paths of files, or pictures that Pillow has opened."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.array_protocols import native
from nncore.data.pictures.decode import AUTO_SIDE, decode
from nncore.data.preprocessing import Preprocessing
from nncore.data.reading.collected import CollectedImages, MemoryRows
from nncore.data.reading.load import load_files
from nncore.data.reading.settings import Reading
from nncore.data.reading.source import Source
from nncore.data.skipped import in_words
from nncore.errors import DataError


def is_path(x: object) -> bool:
    """Whether it names a file."""
    return isinstance(x, (str, os.PathLike))


def is_picture(x: object) -> bool:
    """Whether it is a picture of Pillow's; asked without importing that: whoever has one did."""
    return any(kind.__module__ == "PIL.Image" for kind in type(x).__mro__)


def sources_of(x: Any, name: str = "x") -> Any:
    """A list, where `x` is a path, a picture, or a column, an array or a generator of these; else
    what NumPy can read, see `native`.

    Raises
    ------
    TypeError
        A table of paths, of which one column is meant.
    """
    if is_path(x) or is_picture(x):
        return [x]
    x = native(x, name)
    if isinstance(x, (list, tuple)) or not hasattr(x, "__array__"):
        return x
    array = np.asarray(x)
    if array.dtype.kind not in "OUT":
        return x
    if array.ndim > 1 and array.shape[1:] != (1,):
        raise TypeError(
            f"{name} is a table of shape {array.shape} that holds {type(array.flat[0]).__name__}; "
            "give the column of the paths"
        )
    return array.ravel().tolist()


def holds_pictures(sources: Any) -> bool:
    """Whether a list, as of `sources_of`, has paths or pictures in it."""
    return isinstance(sources, (list, tuple)) and any(
        is_path(one) or is_picture(one) for one in sources
    )


def read_pictures(
    sources: Sequence[Any], reading: Reading, name: str = "x"
) -> tuple[NDArray[np.uint8], Preprocessing]:
    """Pixels uint8 (N, H, W, C) of files and of pictures, as `ImageDataset.from_folder` reads them.

    Raises
    ------
    DataError
        One of them gives no image; all that do not are named.
    TypeError
        One is neither a path nor a picture.
    """
    for position, source in enumerate(sources):
        if not is_path(source) and not is_picture(source):
            raise TypeError(
                f"{name}[{position}] is of type {type(source).__name__}, others are files or PIL "
                "images: all must be"
            )
    if all(map(is_path, sources)):
        loaded = load_files(Source("", "", [os.fspath(path) for path in sources]), reading)
        if loaded.skipped:
            raise DataError(f"{name}: {in_words(loaded.skipped)}")
        return np.asarray(loaded.images), loaded.preprocessing
    collected = CollectedImages(
        len(sources), reading.request, AUTO_SIDE, lambda shape: MemoryRows(len(sources), shape)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of harmless oddities, as elsewhere
        for position, source in enumerate(sources):
            collected.add(position, [decode(source, reading.request)])
    height, width, channels = collected.finish()
    pixels: NDArray[np.uint8] = collected.rows.images
    color = "gray" if channels == 1 else "rgb"
    return pixels, reading.preprocessing or Preprocessing(height, width, color)
