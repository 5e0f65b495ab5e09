"""Several files decoded by one call of the core, where they are small and plain."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nncore.data.digests import DIGEST_SIZE
from nncore.data.pictures.decode import (
    LARGE_PIXELS,
    UnusableImageError,
    decode,
    finish_plain,
    is_finished,
    reduced_side,
)
from nncore.data.pictures.request import Request

# The images (N, H, W, C) where all are finished and alike; else one by one, or why there is none.
Decoded: TypeAlias = "NDArray[np.uint8] | list[NDArray[np.uint8] | UnusableImageError]"

_SMALL_BYTES = 1 << 16  # larger files are read one by one: a batch is in memory as a whole


def decode_files(paths: list[str], request: Request) -> tuple[Decoded, list[bytes]]:
    """`decode` of every file, and a digest of the bytes of each.

    A small file takes as long to open, hash and decode as a few calls from Python; what the core
    does needs no interpreter lock. Files that are large or not plain go the usual way.
    """
    from nncore import _core

    # Larger ones may be reduced while they are decoded.
    jpeg_pixels = (2 * reduced_side(request.size)) ** 2 - 1
    limit = min(request.max_pixels, LARGE_PIXELS)
    contents, shapes, pixels = _core.read_pictures(
        paths, _SMALL_BYTES, limit, min(limit, jpeg_pixels)
    )
    digests = [
        b"" if content is None else hashlib.blake2b(content, digest_size=DIGEST_SIZE).digest()
        for content in contents
    ]
    shape = tuple(shapes[0].tolist())
    if (shapes == shapes[0]).all() and shape[0] and is_finished(shape, request):
        return pixels.reshape(len(paths), *shape), digests
    images: list[NDArray[np.uint8] | UnusableImageError] = []
    start = 0
    for position, (height, width, channels) in enumerate(shapes.tolist()):
        stop = start + height * width * channels
        image = pixels[start:stop].reshape(height, width, channels)
        start = stop
        path, content = paths[position], contents[position]
        try:
            if height:
                images.append(finish_plain(image, request))
                continue
            digest = hashlib.blake2b(digest_size=DIGEST_SIZE)
            try:
                given = path if content is None else content
                images.append(decode(given, request, digest=digest, name=path))
            finally:
                digests[position] = digest.digest()
        except UnusableImageError as error:
            images.append(error)
    return images, digests
