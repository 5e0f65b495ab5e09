"""Plain JPEGs take a short way: the same pixels as by Pillow, its opinion about bad ones."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from nncore import _core
from nncore.data import load_images
from nncore.data.pictures.decode import MAX_PIXELS, UnusableImageError, decode
from nncore.data.pictures.plain import plain_jpeg
from nncore.data.pictures.request import Request
from nncore.data.preprocessing import Preprocessing

LIMIT = 1 << 20
in_core = pytest.mark.skipif(not _core.info()["libjpeg"], reason="this build has no libjpeg-turbo")


def asked(size=None, color=None, max_pixels=MAX_PIXELS) -> Request:
    return Request(size, color, (255, 255, 255), max_pixels)


def picture(height: int, width: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def jpeg(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def only_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nncore.data.pictures.decode.plain_jpeg", lambda *arguments: None)
    monkeypatch.setattr("nncore.data.pictures.decode._tagged_jpeg", lambda *arguments: None)


def by_core(data: bytes, reduced_side: int = 0, applications: bool = False) -> np.ndarray | None:
    found = _core.plain_jpeg(data, LIMIT, LIMIT, reduced_side, applications)
    if found is None:
        return None
    pixels, height, width = found
    with Image.open(io.BytesIO(data)) as image:
        assert (width, height) == image.size
    return pixels


def by_pillow(data: bytes, reduced_side: int = 0) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        if reduced_side and min(image.size) >= 2 * reduced_side:
            image.draft(None, (reduced_side, reduced_side))
        pixels = np.asarray(image)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


PICTURES = {
    "smooth": lambda rng, h, w: np.asarray(picture(h, w, seed=int(rng.integers(99)))),
    "noise": lambda rng, h, w: rng.integers(0, 256, (h, w, 3), dtype=np.uint8),
    "black and white": lambda rng, h, w: np.repeat(
        rng.integers(0, 2, (h, w, 1), dtype=np.uint8) * 255, 3, 2
    ),
    "one colour": lambda rng, h, w: np.full((h, w, 3), rng.integers(0, 256, 3), np.uint8),
}


@in_core
@pytest.mark.parametrize("quality", [1, 30, 75, 95, 100])
@pytest.mark.parametrize("kind", PICTURES)
def test_the_core_gives_what_pillow_gives(monkeypatch, kind, quality):
    """Every size around those of blocks and MCUs, every reduction, bit for bit."""
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 1 << 20)
    rng = np.random.default_rng(quality)
    for number in range(60):
        height, width = (int(side) for side in rng.integers(1, 20 + 2 * number, 2))
        pixels = PICTURES[kind](rng, height, width)
        image = Image.fromarray(pixels).convert("L" if number % 4 == 0 else "RGB")
        options = {"optimize": number % 3 == 0, "progressive": number % 7 == 0}
        options["restart_marker_blocks"] = number % 5
        if image.mode == "RGB":
            options["subsampling"] = number % 3
        data = jpeg(image, quality=quality, **options)
        for reduction in (0, 2, 4, 8):
            side = reduction and max(min(height, width) // reduction, 1)
            found = by_core(data, side)
            assert found is not None, (number, reduction)
            np.testing.assert_array_equal(found, by_pillow(data, side))


@in_core
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 17), (48, 48), (33, 70)])
@pytest.mark.parametrize(
    "options",
    [
        *({}, {"quality": 30}, {"quality": 100, "subsampling": 0}, {"subsampling": 1}),
        *({"progressive": True}, {"optimize": True}, {"comment": b"x"}, {"restart_marker_rows": 1}),
    ],
)
def test_the_pixels_that_pillow_gives(mode, height, width, options):
    data = jpeg(picture(height, width, mode), **options)
    jpeg_found = plain_jpeg(data, LIMIT, LIMIT)
    assert jpeg_found is not None
    found = jpeg_found.pixels
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(found.squeeze(), np.asarray(image).squeeze())
    assert found.shape == (height, width, 3 if mode == "RGB" else 1)


@in_core
@pytest.mark.parametrize("color", [None, "gray", "rgb"])
@pytest.mark.parametrize("size", [None, (4, 4), (5, 9), (33, 70)])
@pytest.mark.parametrize("side", [(33, 70), (300, 280), (520, 530)])
def test_decoding_does_not_depend_on_the_way(monkeypatch, color, size, side):
    """Large ones included, which the decoder reduces."""
    data = jpeg(picture(*side), quality=60)
    short = decode(data, asked(size, color))
    only_pillow(monkeypatch)
    np.testing.assert_array_equal(short, decode(data, asked(size, color)))


@in_core
def test_what_is_not_plain_is_left_to_pillow():
    image = picture(20, 30)
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = jpeg(image)
    assert plain_jpeg(plain, 600, 600) is not None
    scan = plain.index(b"\xff\xda")
    frame = plain.index(b"\xff\xc0")
    for data in (
        jpeg(image, exif=exif),
        jpeg(image, icc_profile=b"x" * 200),
        jpeg(image.convert("CMYK")),
        plain[: scan + 40],  # cut off
        plain[:scan],
        plain[: frame + 5],
        plain[:2] + plain[4:],
        plain[:frame] + plain[frame : frame + 19] + plain[frame:],  # two frames
        plain[: frame + 4] + b"\x0c" + plain[frame + 5 :],  # 12 bits
        plain[: frame + 5] + b"\0\0" + plain[frame + 7 :],  # no height
        plain[: frame + 1] + b"\xc3" + plain[frame + 2 :],  # lossless
        plain[:scan] + bytes(70000),
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\0\x08JFIF\0\1" + plain[20:],  # whose version Pillow misses
    ):
        assert plain_jpeg(data, LIMIT, LIMIT) is None
    assert plain_jpeg(plain, 599, 599) is None


@in_core
@pytest.mark.parametrize(
    "options",
    [{}, {"subsampling": 0}, {"restart_marker_blocks": 3}, {"progressive": True}],
)
def test_the_core_refuses_what_is_damaged(options):
    data = jpeg(picture(40, 50), **options)
    assert by_core(data) is not None
    assert by_core(data + b"more") is not None  # what follows the end marker is nobody's
    for end in range(len(data)):
        assert by_core(data[:end]) is None, end
    for extra in (b"\0", b"\0\0\0", b"\xff\xd0", b"\xff\xff", b"\xff\xfe\0\2"):
        longer = data[:-2] + extra + data[-2:]
        found = by_core(longer)
        if found is not None:
            np.testing.assert_array_equal(found, by_pillow(longer))
    assert by_core(data[:-2] + b"much more than a byte" + data[-2:]) is None
    for mark in (b"\xff\xda", b"\xff\xc4"):
        assert by_core(data[: data.index(mark) + 14] + data[-2:]) is None
    # Of 65,500 x 65,500 pixels, and of a size whose blocks cannot all be there.
    frame = data.index(b"\xff\xc2" if "progressive" in options else b"\xff\xc0") + 5
    for height, width in ((65500, 65500), (1000, 1000)):
        huge = data[:frame] + struct.pack(">HH", height, width) + data[frame + 4 :]
        assert by_core(huge) is None
    assert _core.plain_jpeg(data, 1999, LIMIT, 0, False) is None
    assert _core.plain_jpeg(data, 2000, 1999, 0, False) is None
    assert _core.plain_jpeg(data, 2000, 500, 20, False) is not None  # 20 x 25


@in_core
def test_the_core_leaves_what_versions_of_its_library_may_read_differently():
    image = picture(32, 32)
    assert by_core(jpeg(image, keep_rgb=True), applications=True) is None
    exif = image.getexif()
    exif[0x0112] = 1
    with_exif = jpeg(image, exif=exif)
    assert by_core(with_exif) is None
    assert by_core(with_exif, applications=True) is not None
    # Chroma that is half as high as luma, but as wide: its blocks are those of half as wide.
    data = jpeg(image, subsampling=1)
    frame = data.index(b"\xff\xc0")
    assert data[frame + 11] == 0x21
    turned = data[: frame + 11] + b"\x12" + data[frame + 12 :]
    assert by_core(turned) is None
    assert by_pillow(turned).shape == (32, 32, 3)
    # Without its last scans a progressive file is blurred, more or less.
    data = jpeg(image, progressive=True)
    assert by_core(data) is not None
    scans = [i for i in range(len(data)) if data[i : i + 2] == b"\xff\xda"]
    tables = data.rindex(b"\xff\xc4", 0, scans[-1])  # of the last scan
    assert by_core(data[:tables] + b"\xff\xd9") is None
    assert by_pillow(data[:tables] + b"\xff\xd9").shape == (32, 32, 3)


@in_core
def test_the_core_agrees_with_pillow_about_random_damage():
    """Whatever it takes, it gives Pillow's pixels; under a sanitizer, it reads nothing else."""
    rng = np.random.default_rng(3)
    taken = 0
    for number in range(1500):
        data = bytearray(jpeg(picture(30, 41), quality=60 + number % 40, subsampling=number % 3))
        for position in rng.integers(2, len(data), 1 + number % 3):
            data[position] = rng.integers(0, 256)
        for side in (0, 7, 3):
            found = by_core(bytes(data), side, applications=True)
            if found is not None:
                np.testing.assert_array_equal(found, by_pillow(bytes(data), side))
                taken += 1
    assert taken > 500


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_with_exif_take_the_short_way_too(monkeypatch, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for mode, side in (("RGB", (31, 42)), ("L", (31, 42)), ("RGB", (600, 530))):
        data = jpeg(picture(*side, mode), exif=exif, icc_profile=b"x" * 99)
        assert by_core(data) is None
        assert (by_core(data, 3 * 24, applications=True) is not None) == bool(
            _core.info()["libjpeg"]
        )
        ways = []
        for _ in range(2):
            ways.append(decode(data, asked((24, 20))))
            monkeypatch.setattr("nncore.data.pictures.decode._tagged_jpeg", lambda *arguments: None)
        monkeypatch.undo()
        np.testing.assert_array_equal(*ways)


def test_damaged_files_are_refused():
    data = jpeg(picture(40, 40), quality=95)
    with pytest.raises(UnusableImageError):
        decode(data[: len(data) // 2], asked())


@in_core
def test_random_damage_gives_what_pillow_gives(monkeypatch):
    rng = np.random.default_rng(7)
    data = jpeg(picture(24, 24), quality=80)
    compared = 0
    for _ in range(300):
        spoiled = bytearray(data)
        for position in rng.integers(2, len(data), 2):
            spoiled[position] = rng.integers(0, 256)
        found = plain_jpeg(bytes(spoiled), LIMIT, LIMIT)
        if found is None:
            continue
        short = found.pixels
        with monkeypatch.context() as patch:
            only_pillow(patch)
            color = "gray" if short.shape[2] == 1 else "rgb"
            usual = decode(bytes(spoiled), asked(short.shape[:2], color))
        np.testing.assert_array_equal(short, usual)
        compared += 1
    assert compared > 20


@in_core
def test_threads_give_the_same(tmp_path: Path):
    paths = []
    for number in range(80):
        paths.append(tmp_path / f"{number}.jpg")
        paths[-1].write_bytes(jpeg(picture(48, 48, seed=number)))
    plan = Preprocessing(48, 48, "rgb")
    one, *_ = load_images(paths, plan, workers=1)
    two, *_ = load_images(paths, plan, workers=3)
    np.testing.assert_array_equal(one, two)
