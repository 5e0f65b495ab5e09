"""Small plain JPEGs take a short way: the same pixels as by Pillow, its opinion about bad ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore.data import load_images
from nncore.data.decode import UnusableImageError, decode
from nncore.data.jpeg import plain_jpeg
from nncore.data.preprocessing import Preprocessing

LIMIT = 1 << 20


def picture(height: int, width: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def jpeg(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


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
    found = plain_jpeg(data, LIMIT)
    assert found is not None
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(found.squeeze(), np.asarray(image).squeeze())
    assert found.shape == (height, width, 3 if mode == "RGB" else 1)


@pytest.mark.parametrize("color", [None, "gray", "rgb"])
@pytest.mark.parametrize("size", [None, (4, 4), (5, 9), (33, 70)])
@pytest.mark.parametrize("side", [(33, 70), (300, 280), (520, 530)])
def test_decoding_does_not_depend_on_the_way(monkeypatch, color, size, side):
    """Large ones included, which the decoder reduces."""
    data = jpeg(picture(*side), quality=60)
    assert plain_jpeg(data, LIMIT) is not None
    short = decode(data, size, color)
    monkeypatch.setattr("nncore.data.decode.plain_jpeg", lambda data, limit: None)
    np.testing.assert_array_equal(short, decode(data, size, color))


def test_what_is_not_plain_is_left_to_pillow():
    image = picture(20, 30)
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = jpeg(image)
    assert plain_jpeg(plain, 600) is not None
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
    ):
        assert plain_jpeg(data, LIMIT) is None
    assert plain_jpeg(plain, 599) is None


def test_another_pillow_is_left_alone(monkeypatch):
    data = jpeg(picture(20, 30))
    expected = decode(data, None, None)
    monkeypatch.setattr(Image.core, "jpeg_decoder", lambda mode: None)
    assert plain_jpeg(data, LIMIT) is None
    monkeypatch.undo()
    np.testing.assert_array_equal(decode(data, None, None), expected)


def test_damaged_files_are_refused():
    data = jpeg(picture(40, 40), quality=95)
    with pytest.raises(UnusableImageError):
        decode(data[: len(data) // 2], None, None)


def test_random_damage_gives_what_pillow_gives(monkeypatch):
    rng = np.random.default_rng(7)
    data = jpeg(picture(24, 24), quality=80)
    compared = 0
    for _ in range(300):
        spoiled = bytearray(data)
        for position in rng.integers(2, len(data), 2):
            spoiled[position] = rng.integers(0, 256)
        short = plain_jpeg(bytes(spoiled), LIMIT)
        if short is None:
            continue
        with monkeypatch.context() as patch:
            patch.setattr("nncore.data.decode.plain_jpeg", lambda data, limit: None)
            color = "gray" if short.shape[2] == 1 else "rgb"
            usual = decode(bytes(spoiled), (short.shape[0], short.shape[1]), color)
        np.testing.assert_array_equal(short, usual)
        compared += 1
    assert compared > 20


def test_threads_give_the_same(tmp_path: Path):
    paths = []
    for number in range(80):
        paths.append(tmp_path / f"{number}.jpg")
        paths[-1].write_bytes(jpeg(picture(48, 48, seed=number)))
    plan = Preprocessing(48, 48, "rgb")
    one, *_ = load_images(paths, plan, workers=1)
    two, *_ = load_images(paths, plan, workers=3)
    np.testing.assert_array_equal(one, two)
