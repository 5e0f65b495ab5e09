"""Plain PNGs take a short way: the pixels that Pillow gives, and its opinion about bad ones."""

from __future__ import annotations

import io
import struct
import zlib
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from nncore import _core
from nncore.data.pictures.decode import MAX_PIXELS, BrokenImageError, UnusableImageError, decode
from nncore.data.pictures.plain import plain_png
from nncore.data.pictures.request import Request

LIMIT = 1 << 20


def asked(size=None, color=None, max_pixels=MAX_PIXELS) -> Request:
    return Request(size, color, (255, 255, 255), max_pixels)


pytestmark = pytest.mark.skipif(not _core.info()["zlib"], reason="this build has no zlib")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    lines: bytes, height: int, width: int, kind: int, *, extra: bytes = b"", after: bytes = b""
) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(lines) + after)
    return b"\x89PNG\r\n\x1a\n" + header + extra + body + chunk(b"IEND", b"")


def by_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 1), (12, 13), (5, 64)])
def test_every_filter_gives_the_pixels_that_pillow_gives(channels, height, width):
    rng = np.random.default_rng(height * width + channels)
    for filters in ([0], [1], [2], [3], [4], [4, 3, 2, 1, 0], [3, 4]):
        lines = rng.integers(0, 256, (height, 1 + width * channels), dtype=np.uint8)
        lines[:, 0] = np.resize(filters, height)
        data = png(lines.tobytes(), height, width, 0 if channels == 1 else 2)
        found = plain_png(data, LIMIT)
        assert found is not None
        assert found.shape == (height, width, channels)
        np.testing.assert_array_equal(found, by_pillow(data))


@pytest.mark.parametrize("color", [None, "gray", "rgb"])
@pytest.mark.parametrize("size", [None, (8, 6), (5, 9)])
@pytest.mark.parametrize(("mode", "side"), [("L", (6, 8)), ("RGB", (6, 8)), ("RGB", (90, 70))])
def test_decoding_does_not_depend_on_the_way(monkeypatch, color, size, mode, side):
    rng = np.random.default_rng(0)
    shape = (side[1], side[0]) if mode == "L" else (side[1], side[0], 3)
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(stream, "PNG")
    assert plain_png(stream.getvalue(), LIMIT) is not None
    short = decode(stream.getvalue(), asked(size, color))
    monkeypatch.setattr("nncore.data.pictures.decode.plain_png", lambda *arguments: None)
    np.testing.assert_array_equal(short, decode(stream.getvalue(), asked(size, color)))


def saved(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


def test_what_is_not_plain_is_left_to_pillow():
    gray = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "x")
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = saved(gray)
    lines = bytes(6 * 9)
    assert plain_png(plain, 48) is not None
    assert plain_png(saved(gray, dpi=(72, 72)), 48) is not None
    for data in (
        saved(gray.convert("P")),
        saved(gray.convert("LA")),
        saved(gray.convert("RGBA")),
        saved(gray.convert("1")),
        saved(gray.convert("I;16")),
        saved(gray, transparency=3),
        saved(gray, pnginfo=text),
        saved(gray, exif=exif),
        saved(gray, icc_profile=b"x"),
        plain + b"more",
        plain[:-1],
        plain[:-12],
        plain[:40] + bytes([plain[40] ^ 1]) + plain[41:],
        plain.replace(b"IHDR", b"IHDX"),
        plain[:29] + bytes([plain[29] ^ 1]) + plain[30:],  # a wrong checksum alone
        png(lines[:-1], 6, 8, 0),  # a line too short
        png(lines + b"0", 6, 8, 0),  # a byte too many
        png(lines, 6, 8, 0, after=b"x"),  # something behind the stream
        png(b"\x05" + lines[1:], 6, 8, 0),  # an unknown filter
        png(lines, 6, 8, 0, extra=chunk(b"pHYs", b"short")),
        png(lines, 6, 8, 0, extra=chunk(b"IDAT", b"") + chunk(b"sRGB", b"0")),
        b"",
        b"\x89PNG\r\n\x1a\n",
    ):
        assert plain_png(data, LIMIT) is None
    assert plain_png(plain, 47) is None  # more pixels than allowed


def test_parts_of_the_stream_are_joined():
    lines = np.random.default_rng(0).integers(0, 5, (20, 31), dtype=np.uint8)
    packed = zlib.compress(lines.tobytes())
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30, 20, 8, 0, 0, 0, 0))
    for cuts in ((), (1,), (0, 7, 7, 40), range(len(packed))):
        ends = [0, *cuts, len(packed)]
        body = b"".join(chunk(b"IDAT", packed[a:b]) for a, b in pairwise(ends))
        data = b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")
        found = plain_png(data, LIMIT)
        assert found is not None
        np.testing.assert_array_equal(found, by_pillow(data))


def test_random_damage_and_cut_files_are_left_to_pillow():
    rng = np.random.default_rng(1)
    plain = saved(Image.fromarray(rng.integers(0, 9, (17, 13, 3), dtype=np.uint8)))
    assert plain_png(plain, LIMIT) is not None
    for end in range(len(plain)):
        assert plain_png(plain[:end], LIMIT) is None
    for position in range(len(plain)):
        data = bytearray(plain)
        data[position] ^= 1 << rng.integers(0, 8)
        assert plain_png(bytes(data), LIMIT) is None  # a checksum covers every byte
    for height, width in ((1 << 31, 1), (0xFFFFFFFF, 0xFFFFFFFF), (1, 0), (0, 1)):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        assert plain_png(plain[:8] + header + plain[33:], 1 << 62) is None


def test_damaged_and_large_files_are_refused():
    plain = saved(Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)))
    with pytest.raises(UnusableImageError):
        decode(plain[:50], asked())
    with pytest.raises(BrokenImageError, match="8 x 6 pixels are more than the limit of 47"):
        decode(plain, asked(max_pixels=47))


def test_a_bomb_is_not_inflated():
    # 100 MB of zeros behind a header of one pixel.
    data = png(bytes(100 << 20), 1, 1, 0)
    assert len(data) < 200_000
    assert plain_png(data, LIMIT) is None
