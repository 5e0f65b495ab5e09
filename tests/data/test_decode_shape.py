"""Upright, resized and reduced: the pixels where they belong."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from decoding import (
    AS_SHOWN,
    GRAY,
    RGB,
    antialiased,
    assert_gray,
    assert_rgb,
    encode,
    plan,
    png,
    png_chunk,
    scaled,
)
from PIL import Image

from nncore.data import decode_image


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", AS_SHOWN)
def test_exif_orientation(orientation: int, kind: str):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(Image.fromarray(RGB), kind, exif=exif, **options)
    expected = AS_SHOWN[orientation](RGB)
    height, width = expected.shape[:2]
    assert_rgb(decode_image(data, plan(height=height, width=width)), expected)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("orientation", AS_SHOWN)
def test_exif_orientation_of_jpegs(orientation: int, progressive: bool):
    # Blocks of 8 x 8 of one gray each, which JPEG keeps nearly as they are.
    blocks = np.repeat(np.repeat(GRAY, 8, axis=0), 8, axis=1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(blocks), "JPEG", quality=95, exif=exif, progressive=progressive)
    expected = AS_SHOWN[orientation](blocks)
    height, width = expected.shape
    assert_gray(decode_image(data, plan("gray", height, width)), expected, 3)


@pytest.mark.parametrize("channels", [3, 4])
def test_exif_orientation_of_sixteen_bit_colour(channels: int):
    wide = np.random.default_rng(2).integers(0, 65536, (3, 4, channels), dtype=np.uint16)
    wide[..., 3:] = 65535
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    exif = Image.Exif()
    exif[0x0112] = 6
    chunk = png_chunk(b"eXIf", exif.tobytes()[6:])
    data = png(4, 3, 16, 2 if channels == 3 else 6, rows)
    # EXIF may stand before the pixels, or after them.
    for mark in (b"IDAT", b"IEND"):
        place = data.index(mark) - 4
        turned = decode_image(data[:place] + chunk + data[place:], plan("rgb", 4, 3))
        assert_rgb(turned, scaled(np.rot90(wide, -1))[..., :3])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"MM\0*\xff\xff\xff\xff\xff\xff", b"not EXIF at all"])
def test_damaged_exif_leaves_the_picture_as_stored(exif: bytes):
    data = encode(Image.fromarray(RGB), exif=b"Exif\0\0" + exif)
    assert_rgb(decode_image(data, plan()), RGB)


# Resize


@pytest.mark.parametrize(("height", "width"), [(5, 7), (16, 16), (31, 9), (40, 50), (1, 1)])
def test_resize_is_antialiased_and_stretches(height: int, width: int):
    pixels = np.random.default_rng(0).integers(0, 256, (31, 27, 3), dtype=np.uint8)
    expected = antialiased(antialiased(pixels, height, 0), width, 1)
    data = encode(Image.fromarray(pixels))
    assert_rgb(decode_image(data, plan("rgb", height, width)), expected, 1.5)
    gray = decode_image(encode(Image.fromarray(pixels[..., 0])), plan("gray", height, width))
    assert_gray(gray, expected[..., 0], 1.5)


def test_fine_stripes_become_gray_instead_of_aliasing():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    shrunk = decode_image(encode(Image.fromarray(stripes)), plan("gray", 10, 10))
    assert np.abs(shrunk.astype(int) - 127).max() < 26


def photo(height: int, width: int) -> Image.Image:
    small = np.random.default_rng(3).integers(
        0, 256, (height // 16, width // 16, 3), dtype=np.uint8
    )
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def test_large_jpegs_are_reduced_in_the_decoder_to_no_less_than_three_times_the_size():
    noise = np.random.default_rng(5).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    for size, factor in ((24, 4), (40, 4), (41, 2), (80, 2), (81, 1), (20, 8), (21, 4), (3, 8)):
        data = encode(Image.fromarray(noise), "JPEG", quality=90)
        with Image.open(io.BytesIO(data)) as image:
            image.draft("RGB", (640 // factor, 480 // factor))
            reduced = np.asarray(image)
        assert reduced.shape == (480 // factor, 640 // factor, 3)
        expected = antialiased(antialiased(reduced, size, 0), size, 1)
        assert_rgb(decode_image(data, plan("rgb", size, size)), expected, 1.5)


@pytest.mark.parametrize("orientation", [1, 6])
def test_large_jpegs_keep_their_content(orientation: int):
    # They are reduced inside the decoder; the result must stay what a full decode gives.
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(photo(480, 640), "JPEG", quality=90, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        full = AS_SHOWN[orientation](np.asarray(image))
    expected = antialiased(antialiased(full, 20, 0), 24, 1)
    actual = decode_image(data, plan("rgb", 20, 24))
    assert_rgb(actual, expected, 4)
    assert np.abs(actual - expected).mean() < 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("height", "width"), [(483, 641), (479, 640), (481, 647)])
def test_a_reduction_that_does_not_come_out_even_moves_nothing(orientation, height, width):
    """Sides are rounded up to whole pixels; the picture is not stretched by what that adds."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    columns, rows = np.meshgrid(np.linspace(0, 250, width), np.linspace(0, 250, height))
    pixels = np.stack([columns, rows, (columns + rows) / 2], -1).astype(np.uint8)
    data = encode(Image.fromarray(pixels), "JPEG", quality=95, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        full = AS_SHOWN[orientation](np.asarray(image))
    expected = antialiased(antialiased(full, 20, 0), 18, 1)
    actual = decode_image(data, plan("rgb", 20, 18)).astype(float)
    # A level is a 250th of the side: a stretch by one pixel of 81 would be up to three.
    assert np.abs(actual - expected).max() < 1.5


def test_an_unread_jpeg_gives_what_its_file_gives(tmp_path: Path):
    path = tmp_path / "photo.jpg"
    photo(480, 640).save(path, quality=90)
    expected = decode_image(path, plan("rgb", 20, 24))
    with Image.open(path) as image:
        assert_rgb(decode_image(image, plan("rgb", 20, 24)), expected)
        assert image.size == (640, 480)  # the caller's picture is not reduced
        assert np.asarray(image).shape == (480, 640, 3)
