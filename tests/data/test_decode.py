"""Every kind of picture against pixels computed here with NumPy alone."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore.data import BrokenImageError, NotAnImageError, Preprocessing, decode_image
from nncore.data.pictures.decode import MAX_PIXELS
from nncore.errors import DataError

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


# Sources


def test_path_bytes_file_and_pillow_image_give_the_same_pixels(tmp_path: Path):
    data = encode(Image.fromarray(RGB))
    path = tmp_path / "no_extension"
    path.write_bytes(data)
    file = io.BytesIO(data)
    for source in (str(path), path, data, bytearray(data), file, file, Image.fromarray(RGB)):
        assert_rgb(decode_image(source, plan()), RGB)
    assert not file.closed
    with Image.open(path) as opened:
        assert_rgb(decode_image(opened, plan()), RGB)


def test_the_result_belongs_to_the_caller():
    image = Image.fromarray(RGB)
    decode_image(image, plan())[:] = 0
    assert_rgb(np.asarray(image), RGB)
    decode_image(Image.fromarray(GRAY), plan("gray"))[0, 0, 0] = 1


@pytest.mark.parametrize("source", [3, None, [b"a"], io.StringIO("text"), np.zeros((2, 2))])
def test_other_types_are_refused(source):
    with pytest.raises(TypeError):
        decode_image(source, plan())


# Modes


def test_rgb_and_gray():
    assert_gray(decode_image(encode(Image.fromarray(GRAY)), plan("gray")), GRAY)
    assert_rgb(decode_image(encode(Image.fromarray(RGB)), plan()), RGB)
    assert_rgb(decode_image(encode(Image.fromarray(GRAY)), plan()), np.stack([GRAY] * 3, -1))
    gray = decode_image(encode(Image.fromarray(RGB)), plan("gray"))
    assert_gray(gray, luma(RGB), 0.51)


def test_one_bit():
    bits = GRAY > 99
    data = encode(Image.fromarray(bits))
    assert_gray(decode_image(data, plan("gray")), bits * 255)
    assert_rgb(decode_image(data, plan()), np.stack([bits * 255] * 3, -1))


@pytest.mark.parametrize("background", [(255, 255, 255), (10, 200, 90), (0, 0, 0)])
def test_alpha_is_laid_on_the_recorded_background(background):
    rgba = Image.fromarray(np.dstack([RGB, ALPHA]))
    expected = over(RGB, ALPHA[..., None], np.array(background))
    actual = decode_image(encode(rgba), plan(alpha_background=background))
    assert_rgb(actual, expected, 0.51)
    gray = decode_image(encode(rgba), plan("gray", alpha_background=background))
    assert_gray(gray, luma(expected), 1)


def test_gray_with_alpha():
    data = encode(Image.fromarray(np.dstack([GRAY, ALPHA]), "LA"))
    assert_gray(decode_image(data, plan("gray")), over(GRAY, ALPHA, 255), 0.51)
    green = plan("rgb", alpha_background=(0, 255, 0))
    layers = [over(GRAY, ALPHA, value) for value in (0, 255, 0)]
    assert_rgb(decode_image(data, green), np.stack(layers, -1), 0.51)
    on_green = decode_image(data, plan("gray", alpha_background=(0, 255, 0)))
    assert_gray(on_green, over(GRAY, ALPHA, 150), 0.51)


def palette_image() -> tuple[Image.Image, np.ndarray, np.ndarray]:
    indices = RNG.integers(0, 5, (6, 4), dtype=np.uint8)
    palette = RNG.integers(0, 256, (5, 3), dtype=np.uint8)
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    assert image.mode == "P"
    return image, indices, palette


def test_palette():
    image, indices, palette = palette_image()
    assert_rgb(decode_image(encode(image), plan()), palette[indices])
    assert_gray(decode_image(encode(image), plan("gray")), luma(palette[indices]), 0.51)


def test_palette_with_transparent_entries():
    image, indices, palette = palette_image()
    expected = palette[indices]
    expected[indices == 2] = 9, 8, 7
    color = plan(alpha_background=(9, 8, 7))
    assert_rgb(decode_image(encode(image, transparency=2), color), expected)
    alphas = np.array([0, 50, 255, 128, 255], np.uint8)
    expected = over(palette[indices], alphas[indices][..., None], np.array([9, 8, 7]))
    data = encode(image, transparency=alphas.tobytes())
    assert_rgb(decode_image(data, color), expected, 0.51)


def test_one_transparent_colour():
    pixels = RGB.copy()
    pixels[2, 1] = 1, 2, 3
    data = encode(Image.fromarray(pixels), transparency=(1, 2, 3))
    pixels[2, 1] = 255
    assert_rgb(decode_image(data, plan()), pixels)
    gray = GRAY.copy()
    gray[gray == 77] = 78
    gray[2, 1] = 77
    data = encode(Image.fromarray(gray), transparency=77)
    gray[2, 1] = 255
    assert_gray(decode_image(data, plan("gray")), gray)


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


def scaled(wide: np.ndarray) -> np.ndarray:
    return np.round(wide / 257)


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


def test_cmyk():
    ink = RNG.integers(0, 256, (6, 4, 4), dtype=np.uint8)
    image = Image.fromarray(ink, "CMYK")
    expected = (255 - ink[..., :3].astype(float)) * (255 - ink[..., 3:].astype(float)) / 255
    assert_rgb(decode_image(image, plan()), expected, 1)
    assert_gray(decode_image(image, plan("gray")), luma(expected), 1.5)
    assert_rgb(decode_image(encode(image, "TIFF"), plan()), expected, 1)
    flat = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red = decode_image(encode(flat, "JPEG", quality=95), plan(height=16, width=16))
    assert np.abs(red.astype(int) - [255, 0, 0]).max() < 8


def without_adobe_marker(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee")
    length = int.from_bytes(jpeg[start + 2 : start + 4], "big")
    assert jpeg[start + 4 : start + 9] == b"Adobe"
    return jpeg[:start] + jpeg[start + 2 + length :]


def test_cmyk_jpegs_are_inverted_with_or_without_adobes_marker():
    # Adobe stores 255 - ink. Files without the marker are read the same way, as browsers do.
    ink = (0, 200, 255, 30)
    expected = [(255 - c) * (255 - ink[3]) / 255 for c in ink[:3]]
    data = encode(Image.new("CMYK", (16, 16), ink), "JPEG", quality=95)
    for stored in (data, without_adobe_marker(data)):
        actual = decode_image(stored, plan(height=16, width=16))
        assert np.abs(actual - expected).max() < 8


def test_ycbcr():
    pixels = RNG.integers(0, 256, (6, 4, 3), dtype=np.uint8)
    y, cb, cr = (pixels[..., i].astype(float) for i in range(3))
    expected = np.stack(
        [
            y + 1.402 * (cr - 128),
            y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128),
            y + 1.772 * (cb - 128),
        ],
        -1,
    ).clip(0, 255)
    image = Image.fromarray(pixels, "YCbCr")
    assert_rgb(decode_image(image, plan()), expected, 1)
    assert_gray(decode_image(image, plan("gray")), luma(expected), 1.5)


def test_hsv():
    pixels = RNG.integers(0, 256, (6, 4, 3), dtype=np.uint8)
    h, s, v = (pixels[..., i] / 255 for i in range(3))
    # f(n) = v - v s max(0, min(k, 4 - k, 1)) with k = (n + 6 h) mod 6, for n = 5, 3, 1
    k = (np.array([5, 3, 1]) + 6 * h[..., None]) % 6
    expected = v[..., None] * (1 - s[..., None] * np.clip(np.minimum(k, 4 - k), 0, 1)) * 255
    assert_rgb(decode_image(Image.fromarray(pixels, "HSV"), plan()), expected, 3)


def test_lab():
    # Bruce Lindbloom's calculator: L*a*b* at D50 to sRGB; gray needs no table.
    image = Image.new("LAB", (3, 1))
    levels = [0, 128, 255]
    image.putdata([(level, 128, 128) for level in levels])
    y = [level / 2.55 for level in levels]
    y = [((one + 16) / 116) ** 3 if one > 8 else one / 903.3 for one in y]
    gray = [
        255 * (1.055 * one ** (1 / 2.4) - 0.055 if one > 0.0031308 else 12.92 * one) for one in y
    ]
    assert_rgb(decode_image(image, plan("rgb", 1, 3)), np.array([[[g] * 3 for g in gray]]), 1)
    # sRGB's primaries: red is L 54.29 a 80.81 b 69.89, blue 29.57 68.30 -112.03.
    image = Image.new("LAB", (2, 1))
    image.putdata([(138, 128 + 81, 128 + 70), (75, 128 + 68, 128 - 112)])
    expected = np.array([[[255, 0, 0], [0, 0, 255]]])
    for source in (image, encode(image, "TIFF")):
        assert_rgb(decode_image(source, plan("rgb", 1, 2)), expected, 4)
    assert_gray(decode_image(image, plan("gray", 1, 2)), luma(expected), 3)


def test_rgbx_ignores_its_fourth_channel():
    image = Image.fromarray(np.dstack([RGB, ALPHA]), "RGBX")
    assert_rgb(decode_image(image, plan()), RGB)
    assert_rgb(decode_image(encode(image, "TIFF"), plan()), RGB)


def test_palette_with_alpha_and_premultiplied_alpha():
    image, indices, palette = palette_image()
    both = image.convert("PA")
    both.putalpha(Image.fromarray(ALPHA))
    green = plan(alpha_background=(9, 200, 7))
    expected = over(palette[indices], ALPHA[..., None], np.array([9, 200, 7]))
    assert_rgb(decode_image(both, green), expected, 0.51)
    solid = np.full_like(ALPHA, 255)
    for mode, pixels, shown in (
        ("RGBa", np.dstack([RGB, solid]), RGB),
        ("La", np.dstack([GRAY, solid]), np.stack([GRAY] * 3, -1)),
    ):
        opaque = Image.frombytes(mode, (4, 6), pixels.tobytes())
        assert_rgb(decode_image(opaque, green), shown)


def test_animated_files_give_their_first_frame():
    frames = [Image.fromarray(np.full((6, 4), value, np.uint8)) for value in (10, 200, 90)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert_gray(decode_image(data, plan("gray")), np.full((6, 4), 10))
    data = encode(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert_gray(decode_image(data, plan("gray")), np.full((6, 4), 10))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "JPEG2000"])
def test_lossless_formats(kind: str):
    options = {"lossless": True} if kind == "WEBP" else {}
    assert_rgb(decode_image(encode(Image.fromarray(RGB), kind, **options), plan()), RGB)


# Orientation

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


def antialiased(pixels: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Triangle filter as wide as the reduction, by definition and in double precision."""
    length = pixels.shape[axis]
    scale = length / size
    support = max(scale, 1.0)
    centers = (np.arange(size) + 0.5) * scale
    distance = np.abs(np.arange(length) + 0.5 - centers[:, None]) / support
    weights = np.clip(1 - distance, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.moveaxis(np.tensordot(weights, pixels.astype(float), (1, axis)), 0, axis)


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


# Files that give no image


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
