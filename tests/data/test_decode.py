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
from nncore.data.decode import MAX_PIXELS
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


def test_sixteen_bit_colour_keeps_the_high_byte():
    wide = RNG.integers(0, 65536, (6, 4, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    assert_rgb(decode_image(png(4, 6, 16, 2, rows), plan()), wide >> 8)


def png(
    width: int,
    height: int,
    depth: int,
    color_type: int,
    rows: bytes,
    transparency: bytes | None = None,
) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + (b"" if transparency is None else chunk(b"tRNS", transparency))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
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


@pytest.mark.parametrize("wrong", [-0.1, 1.5, np.nan, np.inf])
def test_float_pixels_without_a_known_white_are_refused(wrong: float):
    values = np.full((3, 4), 0.5, np.float32)
    values[1, 1] = wrong
    with pytest.raises(BrokenImageError, match="floating-point"):
        decode_image(encode(Image.fromarray(values), "TIFF"), plan())


@pytest.mark.parametrize("wrong", [-1, 65536])
def test_wide_integers_without_a_known_white_are_refused(wrong: int):
    values = np.full((3, 4), wrong, np.int32)
    with pytest.raises(BrokenImageError, match=r"not within 0\.\.65535"):
        decode_image(Image.fromarray(values), plan())


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


@pytest.mark.parametrize("mode", ["RGBX", "YCbCr", "HSV", "LAB", "RGBa", "La", "PA"])
def test_rarer_pillow_modes_give_an_image_or_say_why(mode: str):
    image = Image.new(mode, (4, 6))
    try:
        assert decode_image(image, plan()).shape == (6, 4, 3)
    except BrokenImageError as error:
        assert mode in str(error)  # noqa: PT017


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


def test_large_jpegs_are_reduced_in_the_decoder_to_no_less_than_four_times_the_size():
    noise = np.random.default_rng(5).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    for size, factor in ((24, 4), (40, 2), (60, 2), (61, 1), (15, 8), (3, 8)):
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
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_truncated_files_are_broken_never_half_read(tmp_path: Path, kind: str):
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = encode(Image.fromarray(pixels), kind)
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


def test_decompression_bombs_are_refused():
    bomb = png(60_000, 60_000, 1, 0, b"\0" * 8)
    with pytest.raises(BrokenImageError, match=str(MAX_PIXELS)):
        decode_image(bomb, plan())


def test_a_picture_without_pixels():
    with pytest.raises(BrokenImageError, match="no pixels"):
        decode_image(Image.new("RGB", (0, 5)), plan())


def test_errors_survive_a_process_boundary():
    import pickle

    error = pickle.loads(pickle.dumps(BrokenImageError("a.png", "cut off")))
    assert (str(error), error.path, error.reason) == ("a.png: cut off", "a.png", "cut off")


def test_large_files_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules["nncore.data.decode"], "_BUFFERED_BYTES", 10)
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
