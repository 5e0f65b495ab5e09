"""Every kind of picture against pixels computed here with NumPy alone."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from decoding import ALPHA, GRAY, RGB, RNG, assert_gray, assert_rgb, encode, luma, over, plan
from PIL import Image

from nncore.data import decode_image


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
