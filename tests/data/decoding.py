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
