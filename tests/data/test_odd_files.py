"""A folder of every odd file there is: each gives its pixels or is named with a reason."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore.data import ImageDataset, NotAnImageError, Preprocessing, decode_image, load_images

SIDE = 24
BLUE = (20, 60, 200)
PLAN = Preprocessing(SIDE, SIDE, "rgb")


def picture(mode: str, color: tuple[int, ...] = BLUE, size: tuple[int, int] = (SIDE, SIDE)):
    """One colour in any mode, made without Pillow's conversions where there is a direct way."""
    if mode in ("L", "1", "I", "F", "I;16"):
        value = {"1": 1, "F": 0.5, "I;16": 257 * 128}.get(mode, 128)
        return Image.new(mode, size, value)
    if mode == "P":
        image = Image.new("P", size, 3)
        image.putpalette([*([0] * 9), *color])
        return image
    if mode in ("LA", "RGBA"):
        return Image.new(mode, size, (128, 255) if mode == "LA" else (*color, 255))
    if mode == "CMYK":
        return Image.new(mode, size, (*(255 - c for c in color), 0))
    assert mode in ("RGB", "RGBX")
    return Image.new(mode, size, color if mode == "RGB" else (*color, 0))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def expected(mode: str) -> tuple[int, int, int]:
    gray = {"1": 255, "L": 128, "LA": 128, "I": 128, "I;16": 128, "F": 128}
    return BLUE if mode not in gray else (gray[mode],) * 3


# Format, options, the modes that it stores, and how far a lossy one may be off.
STORED = [
    ("PNG", {}, ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), 0),
    ("BMP", {}, ("1", "L", "P", "RGB", "RGBA"), 0),
    ("GIF", {}, ("1", "L", "P", "RGB"), 0),
    ("TIFF", {}, ("1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "I;16", "F"), 0),
    ("TIFF", {"compression": "tiff_lzw"}, ("L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"), 0),
    ("TIFF", {"compression": "tiff_adobe_deflate"}, ("1", "L", "RGB", "CMYK"), 0),
    ("TIFF", {"compression": "packbits"}, ("1", "L", "RGB"), 0),
    ("TIFF", {"compression": "group4"}, ("1",), 0),
    ("TIFF", {"compression": "jpeg"}, ("L", "RGB"), 6),
    ("JPEG", {}, ("L", "RGB", "CMYK"), 6),
    ("JPEG", {"progressive": True}, ("L", "RGB", "CMYK"), 6),
    ("WEBP", {}, ("RGB", "RGBA"), 8),
    ("WEBP", {"lossless": True}, ("RGB", "RGBA"), 0),
    ("PPM", {}, ("1", "L", "RGB"), 0),
    ("TGA", {}, ("1", "L", "LA", "P", "RGB", "RGBA"), 0),
    ("TGA", {"compression": "tga_rle"}, ("L", "LA", "P", "RGB", "RGBA"), 0),
    ("ICO", {"sizes": [(SIDE, SIDE)]}, ("L", "RGB", "RGBA"), 0),
    ("JPEG2000", {}, ("L", "LA", "RGB", "RGBA"), 0),
    ("PCX", {}, ("1", "L", "P", "RGB"), 0),
    ("SGI", {}, ("L", "RGB", "RGBA"), 0),
    ("DDS", {}, ("L", "LA", "RGB", "RGBA"), 0),
    ("SPIDER", {}, ("F",), 0),
    ("MSP", {}, ("1",), 0),
    ("XBM", {}, ("1",), 0),
]
CASES = [
    (kind, mode, options, tolerance) for kind, options, modes, tolerance in STORED for mode in modes
]


@pytest.mark.parametrize(("kind", "mode", "options", "tolerance"), CASES)
def test_every_mode_of_every_format(tmp_path: Path, kind: str, mode: str, options, tolerance):
    path = tmp_path / "picture"
    path.write_bytes(encoded(picture(mode), kind, **options))
    for source in (path, path.read_bytes()):
        pixels = decode_image(source, PLAN).astype(int)
        assert np.abs(pixels - expected(mode)).max() <= tolerance


def test_a_folder_of_everything(tmp_path: Path):
    """What is good is read, what is not is named, and the numbers add up."""
    cat, dog = tmp_path / "data" / "cat", tmp_path / "data" / "dog"
    dog.mkdir(parents=True)
    cat.mkdir()
    for number, (kind, mode, options, _) in enumerate(CASES):
        (dog / f"{number:03}").write_bytes(encoded(picture(mode), kind, **options))
    good = {
        "two words.png": encoded(picture("RGB"), "PNG"),
        "été 猫 🐈.png": encoded(picture("RGB"), "PNG"),
        "no extension": encoded(picture("RGB"), "JPEG"),
        "UPPER.JPG": encoded(picture("RGB"), "JPEG"),
        "wrong.png": encoded(picture("RGB"), "JPEG"),
        "wrong.txt": encoded(picture("RGB"), "WEBP"),
        "double.jpg.bmp": encoded(picture("RGB"), "BMP"),
        "-dash.gif": encoded(picture("P"), "GIF"),
        "%20;&$(x).png": encoded(picture("RGB"), "PNG"),
        "1x1.png": encoded(picture("RGB", size=(1, 1)), "PNG"),
        "wide.png": encoded(picture("RGB", size=(20_000, 1)), "PNG"),
        "tall.png": encoded(picture("RGB", size=(1, 20_000)), "PNG"),
        "pages.tif": encoded(
            picture("RGB"), "TIFF", save_all=True, append_images=[picture("L")] * 2
        ),
        "frames.gif": encoded(picture("P"), "GIF", save_all=True, append_images=[picture("L")]),
        "frames.webp": encoded(
            picture("RGB"), "WEBP", save_all=True, append_images=[picture("L")], lossless=True
        ),
        os.fsdecode(b"not utf-8 \xe9.png"): encoded(picture("RGB"), "PNG"),
    }
    whole = encoded(Image.effect_noise((90, 90), 90), "JPEG")
    bad = {
        "zero.png": b"",
        "cut.jpg": whole[: len(whole) // 2],
        "cut.png": good["two words.png"][:50],
        "page.jpg": b"<html>no</html>",
        "phone.heic": b"\0\0\0\x18ftypheic" + b"\0" * 20,
        "figure.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    }
    foreign = {"notes.txt": b"text\n", "zero": b"", "Thumbs.db": b"\xd0\xcf\x11\xe0" + b"\0" * 600}
    for name, content in {**good, **bad, **foreign}.items():
        (cat / name).write_bytes(content)
    (cat / "folder.png").mkdir()
    (cat / "folder.png" / "inside.png").write_bytes(good["two words.png"])
    (cat / "link.png").symlink_to("two words.png")
    (cat / "loop.png").symlink_to("loop.png")
    (cat / "circle").symlink_to(cat)
    (cat / ".hidden.png").write_bytes(good["two words.png"])

    data = ImageDataset.from_folder(tmp_path / "data", size=SIDE, color="rgb", max_broken=0.5)
    assert data.counts == {"cat": len(good) + 2, "dog": len(CASES)}
    for image, path in zip(data.images, data.paths, strict=True):
        np.testing.assert_array_equal(image, decode_image(path, PLAN))
        if "/cat/" in path:
            assert np.abs(image.astype(int) - BLUE).max() <= 8, path
    kinds = {os.path.basename(file.path): file.kind for file in data.skipped}
    assert kinds == {
        **dict.fromkeys([*bad, "loop.png"], "broken"),
        **dict.fromkeys([*foreign, "circle"], "foreign"),
        ".hidden.png": "hidden",
    }
    assert all(file.reason for file in data.skipped)
    # The same files and reasons where labels play no part.
    listed = sorted(str(path) for path in cat.iterdir() if not path.is_dir())
    _, kept, skipped = load_images([path for path in listed if "/." not in path], PLAN)
    assert sorted([*kept, str(cat / "folder.png" / "inside.png")]) == sorted(
        path for path in data.paths if "/cat/" in path
    )
    assert {file.path: file.reason for file in skipped}.items() <= {
        file.path: file.reason for file in data.skipped
    }.items()


def test_a_larger_limit_lets_more_in(tmp_path: Path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "small.png").write_bytes(encoded(picture("L"), "PNG"))
    (tmp_path / "cat" / "large.png").write_bytes(encoded(picture("L", size=(90, 90)), "PNG"))
    small = ImageDataset.from_folder(tmp_path, max_broken=0.5, max_pixels=8099)
    assert [file.reason for file in small.skipped] == [
        "90 x 90 pixels are more than the limit of 8099 pixels (max_pixels raises it)"
    ]
    assert len(ImageDataset.from_folder(tmp_path, max_pixels=8100)) == 3
    with pytest.raises(ValueError, match="max_pixels"):
        ImageDataset.from_folder(tmp_path, max_pixels=0)


def test_random_bytes_and_text_are_no_pictures(tmp_path: Path):
    # Some formats of Pillow have no signature; what looks like one must not become an image.
    rng = np.random.default_rng(0)
    for number in range(200):
        size = int(rng.integers(1, 3000))
        high = 256 if number % 2 else 128
        content = rng.integers(0 if number % 2 else 9, high, size, dtype=np.uint8).tobytes()
        (tmp_path / f"{number}").write_bytes(content)
    # The header of a TGA picture of 9 x 9 pixels, and no pixels.
    header = bytes([0, 0, 2, *[0] * 9, 9, 0, 9, 0, 24, 0])
    (tmp_path / "dump.bin").write_bytes(header + b"..")
    with pytest.raises(NotAnImageError, match="as TGA"):
        decode_image(tmp_path / "dump.bin", PLAN)
    _, kept, skipped = load_images(sorted(tmp_path.iterdir()), PLAN)
    assert kept == []
    assert {file.kind for file in skipped} == {"foreign"}
