"""Heat maps over pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from nncore.plots import heat_overlay

HEAT = np.zeros((2, 3), np.float32)
HEAT[0] = [0.0, 0.5, 1.0]


def test_without_heat_the_picture_is_gray():
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    result = heat_overlay(image, np.zeros((1, 3)))
    assert result.dtype == np.uint8
    # As Pillow makes red, green and blue gray.
    assert result.tolist() == [[[76] * 3, [150] * 3, [29] * 3]]


def test_heat_is_colour_and_the_hottest_pixel_the_lightest():
    result = heat_overlay(np.full((2, 3), 100, np.uint8), HEAT)
    assert result.shape == (2, 3, 3)
    assert (result[1] == 100).all()
    cold, warm, hot = result[0].astype(int)
    assert (cold == 100).all()
    assert warm[0] > warm[1] + 40  # reddish
    assert hot.min() > warm.min()
    assert hot[0] > 200


def test_full_opacity_leaves_nothing_of_the_picture_where_it_is_hottest():
    black = heat_overlay(np.zeros((2, 3), np.uint8), HEAT, opacity=1.0)
    white = heat_overlay(np.full((2, 3), 255, np.uint8), HEAT, opacity=1)
    assert (black[0, 2] == white[0, 2]).all()
    assert (heat_overlay(np.full((2, 3), 9, np.uint8), HEAT, opacity=0) == 9).all()


def test_images_of_one_channel_and_of_floats_are_taken():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3) * 51
    expected = heat_overlay(image, HEAT)
    np.testing.assert_array_equal(heat_overlay(image[..., np.newaxis], HEAT), expected)
    np.testing.assert_array_equal(heat_overlay(image / 51.0 - 2, HEAT), expected)
    assert (heat_overlay(np.full((2, 3), 0.3), HEAT)[1] == 0).all()


def test_a_file_is_written_and_known_as_a_chart(tmp_path):
    overlay = heat_overlay(np.full((2, 3), 100, np.uint8), HEAT, tmp_path / "heat.png")
    with Image.open(tmp_path / "heat.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), overlay)
        assert picture.info["Software"] == "nncore"
    with pytest.raises(ValueError, match=r"'heat.jpg': its name must end in .png"):
        heat_overlay(np.full((2, 3), 100, np.uint8), HEAT, "heat.jpg")


@pytest.mark.parametrize(
    ("image", "heat", "message"),
    [
        (np.zeros((2, 4), np.uint8), HEAT, r"heat has shape \(2, 3\) and the image \(2, 4\)"),
        (np.zeros((2, 3, 4), np.uint8), HEAT, r"must have the shape .* not \(2, 3, 4\)"),
        (np.zeros((0, 3), np.uint8), HEAT[:0], r"must have the shape .* not \(0, 3\)"),
        (np.zeros((2, 3), np.uint8), HEAT + 0.5, "heat must be from 0 to 1, got 0.5 to 1.5"),
        (np.zeros((2, 3), np.uint8), HEAT * np.nan, "heat must be from 0 to 1, got nan"),
    ],
)
def test_what_does_not_fit_is_refused(image, heat, message):
    with pytest.raises(ValueError, match=message):
        heat_overlay(image, heat)


def test_opacity_is_a_share():
    with pytest.raises(ValueError, match=r"opacity must be .* 2"):
        heat_overlay(np.zeros((2, 3), np.uint8), HEAT, opacity=2)
