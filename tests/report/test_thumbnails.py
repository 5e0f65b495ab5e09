"""Pictures within a page: right, small, and of any shape."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from nncore.report.thumbnails import SIDE, thumbnail


def decoded(thumb) -> Image.Image:
    head, _, data = thumb.uri.partition(",")
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert head == f"data:image/{picture.format.lower()};base64"
    return picture


def test_a_picture_of_few_pixels_is_exact():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3)).astype(np.uint8)
    thumb = thumbnail(pixels)
    assert np.array_equal(np.asarray(decoded(thumb)), pixels)
    assert thumb.few_pixels
    assert (thumb.width, thumb.height) == (84, 112)


@pytest.mark.parametrize("shape", [(300, 200, 3), (300, 200, 1), (300, 200), (20, 3000), (1, 1)])
def test_any_shape_fits(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    thumb = thumbnail(pixels)
    assert max(thumb.width, thumb.height) == SIDE
    assert min(thumb.width, thumb.height) >= 1
    assert max(decoded(thumb).size) <= SIDE
    assert len(thumb.uri) < 12_000  # of noise, which is the worst


def test_a_hundred_photos_take_less_than_a_megabyte():
    rows, columns = np.mgrid[:224, :224]
    waves = [
        127 + 120 * np.sin(rows / a) * np.cos(columns / b) for a, b in ((9, 7), (30, 11), (5, 50))
    ]
    pixels = np.stack(waves, axis=2).astype(np.uint8)
    assert 100 * len(thumbnail(pixels).uri) < 1_000_000


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.uint8)])
def test_what_is_no_picture(pixels):
    with pytest.raises(ValueError, match="a thumbnail is made of uint8"):
        thumbnail(pixels)
