"""More than 8 bits: integers, colour and floating point, against NumPy."""

from __future__ import annotations

import io
import struct
import sys

import numpy as np
import pytest
from decoding import assert_gray, assert_rgb, encode, over, plan, png, scaled
from PIL import Image

from nncore.data import decode_image

SIXTEEN = np.array([[0, 1, 128, 129], [256, 257, 385, 386], [1000, 40000, 65534, 65535]], np.uint16)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM", "TIFF big-endian"])
def test_sixteen_bit_gray_is_scaled_not_clipped(kind: str):
    if kind == "PPM":
        data = b"P5 4 3 65535\n" + SIXTEEN.astype(">u2").tobytes()
    elif kind == "TIFF big-endian":
        data = encode(Image.frombytes("I;16B", (4, 3), SIXTEEN.astype(">u2").tobytes()), "TIFF")
    else:
        data = encode(Image.fromarray(SIXTEEN), kind)
    expected = np.round(SIXTEEN / 257)
    assert expected.max() == 255
    assert expected[1].tolist() == [1, 1, 1, 2]
    assert_gray(decode_image(data, plan("gray", 3, 4)), expected)
    assert_rgb(decode_image(data, plan("rgb", 3, 4)), np.stack([expected] * 3, -1))


def test_sixteen_bit_gray_with_a_transparent_value():
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in SIXTEEN)
    data = png(4, 3, 16, 0, rows, transparency=struct.pack(">H", 40000))
    expected = np.round(SIXTEEN / 257)
    expected[2, 1] = 7
    color = plan("gray", 3, 4, alpha_background=(7, 7, 7))
    assert_gray(decode_image(data, color), expected)


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B", "I"])
def test_sixteen_bit_pillow_images(mode: str):
    dtype = {"I;16B": ">u2", "I": "<i4"}.get(mode, "<u2")
    image = Image.frombytes(mode, (4, 3), SIXTEEN.astype(dtype).tobytes())
    assert_gray(decode_image(image, plan("gray", 3, 4)), np.round(SIXTEEN / 257))


def interlaced(rows: np.ndarray, bytes_per_pixel: int) -> bytes:
    """Adam7 passes of an (h, w * bytes) array of bytes, without filters."""
    pixels = rows.reshape(rows.shape[0], -1, bytes_per_pixel)
    result = b""
    for x, y, dx, dy in (
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
        *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
    ):
        part = pixels[y::dy, x::dx]
        if part.size:
            result += b"".join(b"\0" + row.tobytes() for row in part)
    return result


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_colour_png_is_rounded(color_type: int, channels: int, interlace: bool):
    wide = np.random.default_rng(2).integers(0, 65536, (9, 11, channels), dtype=np.uint16)
    wide[0, 0], wide[0, 1, 0] = 0x80FF, 0x80  # rounded up, down
    assert (scaled(wide) != wide >> 8).any()  # the high byte alone would be wrong
    bytes_ = wide.astype(">u2").view(np.uint8).reshape(9, -1)
    rows = (
        interlaced(bytes_, 2 * channels)
        if interlace
        else b"".join(b"\0" + row.tobytes() for row in bytes_)
    )
    data = png(11, 9, 16, color_type, rows, interlace=interlace)
    color = "gray" if channels == 2 else "rgb"
    actual = decode_image(data, plan(color, 9, 11, alpha_background=(0, 0, 0)))
    expected = scaled(wide)
    if channels in (2, 4):
        expected = over(expected[..., :-1], expected[..., -1:], 0)
    tolerance = 0 if channels == 3 else 0.51
    np.testing.assert_allclose(actual.astype(float), expected, rtol=0, atol=tolerance)
    # The same picture, already opened by the caller.
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(
            decode_image(image, plan(color, 9, 11, alpha_background=(0, 0, 0))), actual
        )


def test_sixteen_bit_colour_with_a_transparent_colour():
    wide = np.full((3, 4, 3), 0x1234, np.uint16)
    wide[1, 2, 2] = 0x1235  # one bit beside the transparent colour
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    data = png(4, 3, 16, 2, rows, transparency=struct.pack(">HHH", 0x1234, 0x1234, 0x1235))
    expected = scaled(wide)
    expected[1, 2] = 9, 8, 7
    assert_rgb(decode_image(data, plan("rgb", 3, 4, alpha_background=(9, 8, 7))), expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("photometric", "channels"), [(2, 3), (5, 4)])
def test_sixteen_bit_colour_tiff_is_rounded(order: str, photometric: int, channels: int):
    wide = np.random.default_rng(3).integers(0, 65536, (6, 4, channels), dtype=np.uint16)
    body = wide.astype(f"{order}u2").tobytes()
    bits = struct.pack(f"{order}{channels}H", *[16] * channels)
    tags = [(256, 4, 4), (257, 4, 6), (259, 3, 1), (262, 3, photometric), (273, 4, 8)]
    tags += [(277, 3, channels), (278, 4, 6), (279, 4, len(body))]
    entries = [
        struct.pack(f"{order}HHI", tag, kind, 1)
        + (struct.pack(f"{order}HH", v, 0) if kind == 3 else struct.pack(f"{order}I", v))
        for tag, kind, v in tags
    ]
    entries.insert(2, struct.pack(f"{order}HHII", 258, 3, channels, 8 + len(body)))
    head = (b"II" if order == "<" else b"MM") + struct.pack(
        f"{order}HI", 42, 8 + len(body) + len(bits)
    )
    data = head + body + bits + struct.pack(f"{order}H", len(entries)) + b"".join(entries)
    data += struct.pack(f"{order}I", 0)
    try:
        Image.open(io.BytesIO(data)).close()
    except Image.UnidentifiedImageError:
        pytest.skip("this Pillow does not know 16-bit CMYK of this byte order")
    narrow = scaled(wide)
    expected = narrow if channels == 3 else (255 - narrow[..., :3]) * (255 - narrow[..., 3:]) / 255
    assert_rgb(decode_image(data, plan()), expected, 0 if channels == 3 else 1)


def test_twelve_bit_tiff_fills_the_whole_range():
    # Two 12-bit pixels share three bytes; white is 4095.
    values = [0, 4095, 2048, 16]
    packed = bytes.fromhex("".join(f"{value:03x}" for value in values))
    tags = [(256, 4, 4), (257, 4, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 4, 1), (279, 4, len(packed))]
    entries = b"".join(
        struct.pack("<HHI", tag, kind, 1) + struct.pack("<HH" if kind == 3 else "<I", *value)
        for tag, kind, number in tags
        for value in [(number, 0) if kind == 3 else (number,)]
    )
    data = b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed
    data += struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    assert_gray(decode_image(data, plan("gray", 1, 4)), np.round(np.array([values]) / 4095 * 255))


def test_float_pixels_run_from_0_to_1():
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    data = encode(Image.fromarray(values), "TIFF")
    assert_gray(decode_image(data, plan("gray", 3, 4)), np.round(values * 255))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.25, 1], [0, 64, 255]),
        ([0, 0.25, 0.5], [0, 64, 128]),  # white is 1, though no pixel has it
        ([0, 1.5, 255], [0, 2, 255]),
        ([3, 100, 200.4], [3, 100, 200]),
        ([0, 257 * 100, 65535], [0, 100, 255]),
        ([0, 1000, 256], [0, 4, 1]),
        ([-1, 0, 1], [0, 128, 255]),  # negative: from the smallest to the largest
        ([0, 50_000, 100_000], [0, 128, 255]),
        ([-5, -5, -5], [0, 0, 0]),
        ([np.nan, 0.5, np.inf], [0, 128, 255]),
        ([-np.inf, np.nan, np.inf], [0, 0, 255]),
        ([-3e38, 0, 3e38], [0, 128, 255]),
    ],
)
def test_white_of_floating_point_pixels_is_found(values, expected):
    image = Image.fromarray(np.array([values], np.float32))
    assert image.mode == "F"
    for source in (image, encode(image, "TIFF")):
        assert_gray(decode_image(source, plan("gray", 1, 3)), np.array([expected]))
    assert_rgb(decode_image(image, plan("rgb", 1, 3)), np.array([[[v] * 3 for v in expected]]))


def test_wide_integers_beyond_16_bits_are_stretched():
    for values in ([-100, 0, 100], [0, 500_000, 1_000_000]):
        image = Image.fromarray(np.array([values], np.int32))
        assert_gray(decode_image(image, plan("gray", 1, 3)), np.array([[0, 128, 255]]))
    image = Image.fromarray(np.array([[0, 257 * 3, 65535]], np.int32))
    assert_gray(decode_image(encode(image, "TIFF"), plan("gray", 1, 3)), np.array([[0, 3, 255]]))


def test_deep_pictures_are_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(4)
    deep = [
        Image.fromarray(rng.random((9, 5), np.float32) * 300 - 10),
        Image.fromarray(rng.integers(0, 65536, (9, 5), dtype=np.uint16)),
        Image.fromarray(rng.integers(0, 256, (9, 5, 3), dtype=np.uint8), "LAB"),
    ]
    whole = [decode_image(image, plan("rgb", 9, 5)) for image in deep]
    monkeypatch.setattr(sys.modules["nncore.data.pictures.depth"], "_BLOCK_VALUES", 11)
    monkeypatch.setattr(sys.modules["nncore.data.pictures.lab"], "_BLOCK_PIXELS", 11)
    for image, expected in zip(deep, whole, strict=True):
        np.testing.assert_array_equal(decode_image(image, plan("rgb", 9, 5)), expected)
