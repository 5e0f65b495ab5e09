"""Files that give no image, and why."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from decoding import RGB, assert_gray, assert_rgb, encode, plan, png, png_chunk
from PIL import Image

from nncore.data import BrokenImageError, NotAnImageError, decode_image
from nncore.data.pictures.decode import MAX_PIXELS
from nncore.errors import DataError


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "progressive JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_truncated_files_are_broken_never_half_read(tmp_path: Path, kind: str):
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    options = {"progressive": True} if kind.startswith("progressive") else {}
    data = encode(Image.fromarray(pixels), kind.removeprefix("progressive "), **options)
    path = tmp_path / "picture"
    for length in (len(data) * 9 // 10, len(data) // 2, len(data) // 10, 40, 20, 12):
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match="picture") as caught:
            decode_image(path, plan())
        if kind != "BMP" or length > 40:
            assert isinstance(caught.value, BrokenImageError), length


def test_flipped_bytes_never_escape_as_other_errors():
    data = bytearray(encode(Image.fromarray(RGB)))
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(300):
            damaged = bytearray(data)
            for position in rng.integers(0, len(data), 3):
                damaged[position] = rng.integers(0, 256)
            with contextlib.suppress(DataError):
                assert decode_image(bytes(damaged), plan()).shape == (6, 4, 3)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"hello", b"<html>", b"%PDF-1.7", b"PK\3\4", b"\0" * 500, b"P9 1 1"),
        # Pillow would run Ghostscript on this one.
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
    ],
)
def test_other_content_is_not_an_image(tmp_path: Path, content: bytes):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    reason = "not an image" if content else r"empty file \(0 bytes\)"
    with pytest.raises(NotAnImageError, match=rf"picture\.png: {reason}"):
        decode_image(path, plan())


def test_heic_is_named():
    with pytest.raises(BrokenImageError, match="HEIC"):
        decode_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", plan())


def test_missing_folder_and_unreadable(tmp_path: Path):
    with pytest.raises(BrokenImageError, match=r"none\.png: no such file"):
        decode_image(tmp_path / "none.png", plan())
    with pytest.raises(BrokenImageError, match="regular file"):
        decode_image(tmp_path, plan())
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(BrokenImageError, match="regular file"):
            decode_image(tmp_path / "pipe.png", plan())
    (tmp_path / "loop.png").symlink_to("loop.png")
    with pytest.raises(BrokenImageError, match="cannot be read"):
        decode_image(tmp_path / "loop.png", plan())


def test_pixel_count_is_checked_before_decoding():
    data = encode(Image.fromarray(RGB))
    assert decode_image(data, plan(), max_pixels=24).shape == (6, 4, 3)
    with pytest.raises(BrokenImageError, match="4 x 6 pixels are more than the limit of 23"):
        decode_image(data, plan(), max_pixels=23)


@pytest.mark.parametrize("side", [10_000, 13_000, 24_000, 60_000])
def test_decompression_bombs_are_refused_before_they_are_decoded(side: int):
    # The header says enough: the few bytes that follow could not be decoded. Pillow refuses from
    # 13,400 on, and only warns below.
    bomb = png(side, side, 1, 0, b"\0" * 8)
    with pytest.raises(BrokenImageError, match=f"{side} x {side} .* limit of {MAX_PIXELS} .*max_p"):
        decode_image(bomb, plan())


@pytest.mark.parametrize("side", [10_000, 14_000])
def test_the_limit_can_be_raised_beyond_that_of_pillow(side: int):
    rows = zlib.compress(b"\0" * (side // 8 + 1) * side)
    data = png(side, side, 1, 0, b"").replace(png_chunk(b"IDAT", zlib.compress(b"")), b"")
    data = data.replace(png_chunk(b"IEND", b""), png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b""))
    assert len(data) < 100_000
    pixels = decode_image(data, plan("gray", 4, 4), max_pixels=side * side)
    assert_gray(pixels, np.zeros((4, 4)))
    with pytest.raises(BrokenImageError, match="limit"):
        decode_image(data, plan("gray", 4, 4), max_pixels=side * side - 1)


def test_a_picture_that_the_caller_opened_is_closed(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(Image.fromarray(RGB)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        assert_rgb(decode_image(Image.open(path), plan()), RGB)
        gc.collect()
    assert caught == []


def test_a_second_attempt_at_a_broken_picture_is_refused_as_the_first():
    whole = encode(
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    )
    for cut in (len(whole) // 2, len(whole) - 40):
        with Image.open(io.BytesIO(whole[:cut])) as image:
            for _ in range(3):
                with pytest.raises(BrokenImageError):
                    decode_image(image, plan())


@pytest.mark.parametrize(("width", "height"), [(1, 1 << 25), (1 << 25, 1)])
def test_endless_lines_are_refused(width: int, height: int):
    with pytest.raises(BrokenImageError, match="no side may be longer than 16777216"):
        decode_image(png(width, height, 8, 0, b"\0" * 8), plan())


def test_a_picture_without_pixels():
    with pytest.raises(BrokenImageError, match="no pixels"):
        decode_image(Image.new("RGB", (0, 5)), plan())


def test_errors_survive_a_process_boundary():
    import pickle

    error = pickle.loads(pickle.dumps(BrokenImageError("a.png", "cut off")))
    assert (str(error), error.path, error.reason) == ("a.png: cut off", "a.png", "cut off")


def test_large_files_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules["nncore.data.pictures.decode"], "BUFFERED_BYTES", 10)
    path = tmp_path / "a.png"
    path.write_bytes(encode(Image.fromarray(RGB)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        assert_rgb(decode_image(path, plan()), RGB)
        path.write_bytes(b"not an image at all")
        with pytest.raises(NotAnImageError):
            decode_image(path, plan())
        gc.collect()
    assert caught == []
