"""Pictures of another aspect ratio than the model's: stretched, cropped, padded."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from decoding import AS_SHOWN, antialiased, encode, plan, png
from PIL import Image, ImageOps

from nncore.data import ImageDataset, Preprocessing, Reading, decode_image, load_images

FITS = ("stretch", "crop", "pad")
# Of pictures: lying, standing, square, of one line, of one column, small.
SIDES = [(31, 57), (57, 31), (40, 40), (1, 1000), (1000, 1), (7, 5), (1, 1)]
SIZES = [(16, 16), (12, 20), (21, 10), (1, 5)]


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def expected(
    pixels: np.ndarray, size: tuple[int, int], fit: str, background: object = 255
) -> np.ndarray:
    """By definition, in double precision; (h, w, C)."""
    (h, w), (height, width) = pixels.shape[:2], size
    top = left = 0.0
    inner = size
    if fit == "crop":
        scale = max(height / h, width / w)  # it covers the size
        top = (h - max(height / scale, 1 if h > 1 else 0)) / 2 if h * scale > height else 0.0
        left = (w - max(width / scale, 1 if w > 1 else 0)) / 2 if w * scale > width else 0.0
    elif fit == "pad":
        scale = min(height / h, width / w)  # it lies within the size
        inner = (max(1, int(h * scale + 0.5 + 1e-9)), max(1, int(w * scale + 0.5 + 1e-9)))
    rows = antialiased(pixels, inner[0], 0, (top, h - top))
    scaled = antialiased(rows, inner[1], 1, (left, w - left))
    if inner == size:
        return scaled
    full = np.broadcast_to(np.asarray(background, float), (*size, pixels.shape[2])).copy()
    y, x = (height - inner[0]) // 2, (width - inner[1]) // 2
    full[y : y + inner[0], x : x + inner[1]] = scaled
    return full


def close(actual: np.ndarray, wanted: np.ndarray, tolerance: float = 1.5) -> None:
    assert actual.dtype == np.uint8
    assert actual.shape == wanted.shape
    assert actual.flags.c_contiguous
    np.testing.assert_allclose(actual.astype(float), wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("fit", FITS)
def test_each_fit_is_what_it_says(fit, sides, size):
    for channels, color in ((3, "rgb"), (1, "gray")):
        pixels = noise(*sides, channels)
        image = Image.fromarray(pixels.squeeze(-1) if channels == 1 else pixels)
        close(decode_image(image, plan(color, *size, fit=fit)), expected(pixels, size, fit))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sides", [(31, 57), (57, 31), (40, 40), (7, 5)])
def test_crop_and_pad_are_those_of_pillow(sides, size):
    image = Image.fromarray(noise(*sides))
    height, width = size
    cropped = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    close(decode_image(image, plan("rgb", *size, fit="crop")), np.asarray(cropped), 1)
    # Pillow may put it half a pixel further to the right, or down.
    inside = ImageOps.contain(image, (width, height), Image.Resampling.BILINEAR)
    canvas = Image.new("RGB", (width, height), (9, 8, 7))
    canvas.paste(inside, ((width - inside.width) // 2, (height - inside.height) // 2))
    padded = decode_image(image, plan("rgb", *size, fit="pad", alpha_background=(9, 8, 7)))
    close(padded, np.asarray(canvas), 0)


def test_a_circle_stays_round_and_in_the_middle():
    rows, columns = np.mgrid[:120, :360]
    circle = np.where((rows - 59.5) ** 2 + (columns - 179.5) ** 2 < 40**2, 0, 255).astype(np.uint8)
    for picture in (circle, circle.T):
        cropped, padded, stretched = (
            decode_image(Image.fromarray(picture), plan("gray", 60, 60, fit=fit))[..., 0] < 128
            for fit in ("crop", "pad", "stretch")
        )
        for seen, side in ((cropped, 40), (padded, 13)):
            assert abs(int(seen.any(0).sum()) - side) <= 1
            assert abs(int(seen.any(1).sum()) - side) <= 1
            np.testing.assert_array_equal(seen, seen[::-1])
            np.testing.assert_array_equal(seen, seen[:, ::-1])
        assert sorted((int(stretched.any(0).sum()), int(stretched.any(1).sum()))) == [14, 40]


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_what_has_the_aspect_ratio_already_is_only_scaled(fit):
    for sides, size in (((30, 50), (15, 25)), ((8, 8), (20, 20)), ((6, 4), (6, 4))):
        image = Image.fromarray(noise(*sides))
        scaled = decode_image(image, plan("rgb", *size))
        np.testing.assert_array_equal(decode_image(image, plan("rgb", *size, fit=fit)), scaled)


# Every way to the pixels


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", AS_SHOWN)
@pytest.mark.parametrize("fit", FITS)
def test_exif_turns_before_anything_is_cut_or_filled(fit, orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = noise(37, 22)
    turned = np.ascontiguousarray(AS_SHOWN[orientation](pixels))
    for size in ((16, 16), (9, 20)):  # with an even and an odd rest
        request = plan("rgb", *size, fit=fit)
        np.testing.assert_array_equal(
            decode_image(encode(Image.fromarray(pixels), kind, exif=exif), request),
            decode_image(encode(Image.fromarray(turned)), request),
        )


@pytest.mark.parametrize("fit", FITS)
def test_transparent_pixels_and_the_sides_have_one_background(fit):
    rgba = noise(20, 33, 4)
    background = (10, 200, 90)
    alpha = rgba[..., 3:] / 255
    flat = rgba[..., :3] * alpha + np.array(background) * (1 - alpha)
    request = plan("rgb", 16, 12, fit=fit, alpha_background=background)
    actual = decode_image(encode(Image.fromarray(rgba)), request)
    close(actual, expected(flat, (16, 12), fit, background), 2)
    if fit == "pad":
        assert (actual[0] == background).all()
        gray = decode_image(
            encode(Image.fromarray(rgba)), dataclasses.replace(request, color="gray")
        )
        luma = round(np.array(background) @ [0.299, 0.587, 0.114])
        assert (gray[0] == luma).all()


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("color_type", [0, 2])
def test_sixteen_bits(fit, color_type):
    channels = 1 if color_type == 0 else 3
    wide = np.random.default_rng(4).integers(0, 65536, (9, 25, channels), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    data = png(25, 9, 16, color_type, rows)
    request = plan("gray" if channels == 1 else "rgb", 8, 8, fit=fit)
    close(decode_image(data, request), expected(np.round(wide / 257), (8, 8), fit))


def only_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("plain_png", "plain_jpeg", "_tagged_jpeg"):
        monkeypatch.setattr(f"nncore.data.pictures.decode.{name}", lambda *arguments: None)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_core_gives_what_pillow_gives(monkeypatch, fit, mode):
    exif = Image.Exif()
    exif[0x0112] = 6
    files = []
    for sides in ((31, 57), (600, 330), (331, 601), (1, 1000), (16, 16)):
        small = Image.fromarray(noise(5, 4))
        image = small.resize(sides[::-1], Image.Resampling.BICUBIC).convert(mode)
        files += [encode(image), encode(image, "JPEG"), encode(image, "JPEG", exif=exif)]
    requests = [plan(color, *size, fit=fit) for color in ("rgb", "gray") for size in SIZES]
    usual = [decode_image(data, request) for data in files for request in requests]
    only_pillow(monkeypatch)
    again = [decode_image(data, request) for data in files for request in requests]
    for one, other in zip(usual, again, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("height", "width"), [(483, 901), (907, 480)])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_jpeg_that_its_decoder_reduces_is_fitted_as_a_whole_one(fit, height, width, orientation):
    """Sides are rounded up by the reduction: nothing may move by that, before or after a turn."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    columns, rows = np.meshgrid(np.linspace(0, 250, width), np.linspace(0, 250, height))
    pixels = np.stack([columns, rows, (columns + rows) / 2], -1).astype(np.uint8)
    data = encode(Image.fromarray(pixels), "JPEG", quality=95, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        full = AS_SHOWN[orientation](np.asarray(image))
    for size in ((20, 18), (17, 20)):
        actual = decode_image(data, plan("rgb", *size, fit=fit))
        close(actual, expected(full, size, fit))


# Many files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gray ones first, then colour; small ones first, then others."""
    root = tmp_path / "photos"
    for label, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True)
        for number, sides in enumerate([(20, 30), (20, 30), (90, 50), (31, 8)]):
            channels = 3 if (label, number) == (1, 3) else 1
            pixels = noise(*sides, channels, seed=4 * label + number)
            Image.fromarray(pixels.squeeze(-1) if channels == 1 else pixels).save(
                root / name / f"{number}.png"
            )
    return root


@pytest.mark.parametrize("background", [(255, 255, 255), (10, 200, 90)])
@pytest.mark.parametrize("fit", FITS)
def test_a_folder_is_read_as_its_preprocessing_says(folder, fit, background):
    for size in (None, 12, (9, 17)):
        data = ImageDataset.read(folder, Reading(size=size, fit=fit, background=background))
        assert data.preprocessing.fit == fit
        assert data.images.shape[1:3] == {None: (64, 64), 12: (12, 12)}.get(size, size)
        for path, image in zip(data.paths, data.images, strict=True):
            np.testing.assert_array_equal(image, decode_image(path, data.preprocessing))
        images, *_ = load_images(data.paths, data.preprocessing)
        np.testing.assert_array_equal(images, data.images)


def test_gray_pictures_beside_a_coloured_background_are_in_colour(folder):
    for path in (folder / "dog").glob("3.png"):
        path.unlink()
    for fit, channels in (("stretch", 1), ("crop", 1), ("pad", 3)):
        data = ImageDataset.read(folder, Reading(fit=fit, background=(10, 200, 90)))
        assert data.images.shape[3] == channels
    assert ImageDataset.read(folder, Reading(fit="pad")).images.shape[3] == 1


def test_from_folder_and_from_csv_take_a_fit(folder):
    table = folder.parent / "all.csv"
    lines = [f"{path},{path.parent.name}" for path in folder.glob("*/*")]
    table.write_text("\n".join(["path,label", *sorted(lines)]))
    read = [
        ImageDataset.from_folder(folder, size=10, fit="crop"),
        ImageDataset.from_csv(table, size=10, fit="crop"),
        ImageDataset.from_folder(folder, preprocessing=plan("rgb", 10, 10, fit="crop")),
    ]
    for data in read:
        assert data.preprocessing == plan("rgb", 10, 10, fit="crop")
        np.testing.assert_array_equal(data.images, read[0].images)
    assert ImageDataset.from_folder(folder, size=10).preprocessing.fit == "stretch"
    with pytest.raises(ValueError, match="fit is 'cover'; known: stretch, crop, pad"):
        ImageDataset.from_folder(folder, fit="cover")


@pytest.mark.parametrize("size", [None, 10])
def test_a_cache_keeps_fits_apart(folder, tmp_path, size):
    def read(fit: str) -> ImageDataset:
        return ImageDataset.from_folder(folder, size=size, fit=fit, cache=tmp_path / "cache")

    first = {fit: read(fit) for fit in FITS}
    for fit, data in first.items():
        again = read(fit)
        assert again.preprocessing.fit == data.preprocessing.fit == fit
        np.testing.assert_array_equal(again.images[...], data.images[...])
    assert len({data.images[...].tobytes() for data in first.values()}) == len(FITS)
    assert len(list((tmp_path / "cache").glob("*/manifest.json"))) == len(FITS)


def test_files_read_with_the_size_left_open_serve_a_size_of_the_same_fit_alone(folder, tmp_path):
    cache = tmp_path / "cache"
    ImageDataset.from_folder(folder, fit="crop", cache=cache)
    for fit, entries in (("crop", 1), ("pad", 2)):
        data = ImageDataset.from_folder(folder, size=64, color="rgb", fit=fit, cache=cache)
        assert data.preprocessing.fit == fit
        assert len(list(cache.glob("*/manifest.json"))) == entries


def test_a_model_file_without_the_younger_words_is_stretched():
    recorded = Preprocessing(4, 4, "gray").to_dict()
    assert recorded["fit"] == "stretch"
    for fit in FITS:
        assert Preprocessing.from_dict({**recorded, "fit": fit}).fit == fit
