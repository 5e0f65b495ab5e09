"""Pictures on which little can be seen."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from nncore.data import ImageDataset
from nncore.data.quality import find_flaws


def pictures(n=40, side=32, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    cells = rng.integers(60, 200, (n, side // 4, side // 4, channels))
    images = cells.repeat(4, axis=1).repeat(4, axis=2)
    images[:, 4:8, 4:12], images[:, 20:28, 8:12] = 250, 5  # ink and light on each
    return images.astype(np.uint8)


def problems(images):
    data = ImageDataset.from_arrays(images, np.arange(len(images)) % 2)
    return [(flaw.position, flaw.problem) for flaw in find_flaws(data)]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_flaw_is_named_and_the_others_are_fine(channels):
    images = pictures(channels=channels)
    images[3] = 77
    images[5] = images[5] // 6
    images[7] = 215 + images[7] // 7
    soft = Image.fromarray(images[9].squeeze()).filter(ImageFilter.GaussianBlur(3))
    images[9] = np.asarray(soft).reshape(images[9].shape)
    assert problems(images) == [
        (3, "one colour"),
        (5, "too dark"),
        (7, "too bright"),
        (9, "blurred"),
    ]


def test_a_picture_is_blurred_only_among_sharper_ones():
    images = pictures()
    for place in range(len(images)):
        soft = Image.fromarray(images[place].squeeze()).filter(ImageFilter.GaussianBlur(3))
        images[place] = np.asarray(soft).reshape(images[place].shape)
    assert problems(images) == []
    assert problems(pictures(4)) == []  # too few to tell what is unusual


def test_values_and_limits_say_why():
    images = pictures()
    images[5] = images[5] // 6
    data = ImageDataset.from_arrays(images, np.arange(len(images)) % 2)
    (flaw,) = find_flaws(data)
    assert flaw.value == pytest.approx(np.percentile(images[5], 99))
    assert flaw.value < flaw.limit == 51


def test_small_files_are_those_enlarged_where_others_are_not(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
    for number, image in enumerate(pictures(12)):
        side = 14 if number == 6 else 32
        scaled = Image.fromarray(image.squeeze()).resize((side, side), Image.Resampling.NEAREST)
        scaled.save(tmp_path / "ab"[number % 2] / f"{number:02}.png")
    data = ImageDataset.from_folder(tmp_path, size=32)
    (flaw,) = find_flaws(data)
    assert data.paths[flaw.position].endswith("06.png")
    assert (flaw.problem, flaw.value, flaw.limit) == ("tiny", 14, 16)
    assert flaw.reason.startswith("14x14 pixels: small beside the others, whose shorter side is 32")
    # Where all are as small, that is how the pictures are.
    data.paths = [data.paths[flaw.position]] * len(data)
    assert find_flaws(data) == []
