"""Pictures to decode, and what to compare them with."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from nncore.data import Preprocessing

RNG = np.random.default_rng(7)
GRAY = RNG.integers(0, 256, (6, 4), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 4, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (6, 4), dtype=np.uint8)
ALPHA[0, :2] = 0, 255
# By EXIF orientation.
AS_SHOWN = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: np.rot90(a),
}


def plan(color: str = "rgb", height: int = 6, width: int = 4, **more: object) -> Preprocessing:
    return Preprocessing(height, width, color, **more)  # type: ignore[arg-type]


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def luma(rgb: np.ndarray) -> np.ndarray:
    return rgb.astype(float) @ [0.299, 0.587, 0.114]


def over(pixels: np.ndarray, alpha: np.ndarray, background: np.ndarray | int) -> np.ndarray:
    alpha = alpha.astype(float) / 255
    return pixels * alpha + background * (1 - alpha)


def assert_gray(actual: np.ndarray, expected: np.ndarray, tolerance: float = 0) -> None:
    assert actual.dtype == np.uint8
    assert actual.shape == (*expected.shape, 1)
    assert actual.flags.c_contiguous
    np.testing.assert_allclose(actual[..., 0].astype(float), expected, rtol=0, atol=tolerance)


def assert_rgb(actual: np.ndarray, expected: np.ndarray, tolerance: float = 0) -> None:
    assert actual.dtype == np.uint8
    assert actual.shape == expected.shape
    assert actual.flags.c_contiguous
    np.testing.assert_allclose(actual.astype(float), expected, rtol=0, atol=tolerance)


def png_chunk(name: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + check


def png(
    width: int,
    height: int,
    depth: int,
    color_type: int,
    rows: bytes,
    transparency: bytes | None = None,
    interlace: bool = False,
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlace)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + (b"" if transparency is None else png_chunk(b"tRNS", transparency))
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def scaled(wide: np.ndarray) -> np.ndarray:
    return np.round(wide / 257)


def antialiased(
    pixels: np.ndarray, size: int, axis: int, box: tuple[float, float] | None = None
) -> np.ndarray:
    """Triangle filter as wide as the reduction, by definition and in double precision; of what lies
    within `box` along the axis."""
    length = pixels.shape[axis]
    start, stop = box or (0, length)
    scale = (stop - start) / size
    support = max(scale, 1.0)
    centers = start + (np.arange(size) + 0.5) * scale
    distance = np.abs(np.arange(length) + 0.5 - centers[:, None]) / support
    weights = np.clip(1 - distance, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.moveaxis(np.tensordot(weights, pixels.astype(float), (1, axis)), 0, axis)
