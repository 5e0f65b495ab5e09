"""`Augmentation`: its settings, and the copies of images that they stand for.

N images, H x W pixels, C channels.
"""

from __future__ import annotations

import numpy as np
import pytest

import nncore
from nncore.data import Augmentation
from nncore.data.augmentation import PRESETS

RNG = np.random.default_rng(0)
DTYPES = (np.uint8, np.float32)


def pictures(count=5, height=12, width=16, channels=3, dtype=np.uint8):
    images = RNG.integers(0, 256, (count, height, width, channels))
    return images.astype(dtype) if dtype == np.uint8 else (images / 255).astype(dtype)


def copies(image, augmentation, count=400, seed=0):
    """Many copies (count, H, W, C) of one image, which stands at `count` positions."""
    return augmentation.apply(np.repeat(image[np.newaxis], count, axis=0), seed)


# -- what is done


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_no_setting_gives_the_images_themselves(dtype, channels):
    images = pictures(channels=channels, dtype=dtype)
    for augmentation in (Augmentation(), Augmentation(fill="edge"), Augmentation(fill=7)):
        assert augmentation.changes_nothing
        np.testing.assert_array_equal(augmentation.apply(images, 3, 4), images)


@pytest.mark.parametrize("dtype", DTYPES)
def test_flips_are_numpys(dtype):
    image = pictures(1, dtype=dtype)[0]
    both = Augmentation(horizontal_flip=True, vertical_flip=True)
    expected = [image, image[:, ::-1], image[::-1], image[::-1, ::-1]]
    seen = np.zeros(4, int)
    for copy in copies(image, both):
        (kind,) = [k for k, flipped in enumerate(expected) if np.array_equal(copy, flipped)]
        seen[kind] += 1
    # 100 each, with a standard deviation of 8.7.
    assert seen.min() > 60, seen


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("fill", "mode"), [(9, "constant"), ("edge", "edge"), ("reflect", "symmetric")]
)
def test_moves_are_slices_of_the_padded_image(dtype, fill, mode):
    image = pictures(1, dtype=dtype)[0]
    settings = {"constant_values": 9} if mode == "constant" else {}
    padded = np.pad(image, ((3, 3), (4, 4), (0, 0)), mode=mode, **settings)
    expected = {
        (down, right): padded[3 - down : 15 - down, 4 - right : 20 - right]
        for down in range(-3, 4)
        for right in range(-4, 5)
    }
    # A quarter of 12 rows and of 16 columns.
    seen = {offset: 0 for offset in expected}
    for copy in copies(image, Augmentation(shift=0.25, fill=fill), 2000):
        found = [offset for offset, moved in expected.items() if np.array_equal(copy, moved)]
        assert len(found) == 1
        seen[found[0]] += 1
    # 31.7 each, with a standard deviation of 5.6.
    assert min(seen.values()) > 5, seen


def test_crop_padding_moves_by_pixels_in_both_directions():
    image = pictures(1)[0]
    copied = copies(image, Augmentation(crop_padding=2))
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    windows = {padded[i : i + 12, j : j + 16].tobytes() for i in range(5) for j in range(5)}
    assert {copy.tobytes() for copy in copied} == windows


def bilinear(image, rows, columns):
    """float64 samples of (H, W, C) at positions (H, W), zeros outside."""
    padded = np.pad(image.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    inside = (rows > -1) & (rows < image.shape[0]) & (columns > -1) & (columns < image.shape[1])
    rows, columns = np.where(inside, rows + 1, 0.0), np.where(inside, columns + 1, 0.0)
    i, j = np.floor(rows).astype(int), np.floor(columns).astype(int)
    y, x = (rows - i)[..., np.newaxis], (columns - j)[..., np.newaxis]
    result = (1 - y) * ((1 - x) * padded[i, j] + x * padded[i, j + 1])
    result += y * ((1 - x) * padded[i + 1, j] + x * padded[i + 1, j + 1])
    return result * inside[..., np.newaxis]


@pytest.mark.parametrize(("height", "width"), [(21, 21), (15, 24)])
def test_a_rotation_is_one_about_the_middle(height, width):
    """The angle, which is not told, is found as the one of all that fits best."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    image = np.stack([128 + 100 * np.sin(x / 3 + y / 5), 128 + 90 * np.cos(x / 4 - y / 6)], -1)
    image = image.astype(np.float32)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    angles = []
    for copy in copies(image, Augmentation(rotation=40), 12):

        def error(angle, copy=copy):
            c, s = np.cos(angle), np.sin(angle)
            rows, columns = c * y + s * x + (height - 1) / 2, c * x - s * y + (width - 1) / 2
            return np.abs(bilinear(image, rows, columns) - copy).max()

        low, high = -0.8, 0.8
        for _ in range(5):  # ever finer grids
            grid = np.linspace(low, high, 161)
            best = grid[np.argmin([error(angle) for angle in grid])]
            low, high = best - (high - low) / 80, best + (high - low) / 80
        # Positions are rounded to 1/4096 pixel; at the rim the fill makes steps of up to 228.
        assert error(best) < 2 * 228 / 4096
        angles.append(np.degrees(best))
    assert np.abs(angles).max() <= 40
    assert min(angles) < -5
    assert max(angles) > 5


def test_scale_spreads_the_content_about_the_middle():
    """A bright spot that is wide enough to be sampled well: its sum tells the factor."""
    distance = np.arange(61) - 30
    profile = np.exp(-(distance**2) / (2 * 5**2))
    image = np.outer(profile, profile)[..., np.newaxis].astype(np.float32)
    copied = copies(image, Augmentation(scale=0.5)).astype(np.float64)[..., 0]
    mass = copied.sum(axis=(1, 2))
    factors = np.sqrt(mass / image.sum(dtype=np.float64))
    assert 0.495 < factors.min() < 0.51
    assert 1.49 < factors.max() < 1.505
    assert factors.mean() == pytest.approx(1, abs=0.05)
    for axis in (1, 2):
        middle = (copied.sum(axis=axis) * distance).sum(axis=1) / mass
        np.testing.assert_allclose(middle, 0, atol=1e-3)


def test_brightness_multiplies():
    image = pictures(1, dtype=np.float32)[0]
    copied = copies(image, Augmentation(brightness=0.25))
    factors = copied[:, 0, 0, 0] / image[0, 0, 0]
    np.testing.assert_allclose(copied, factors[:, None, None, None] * image, rtol=1e-5)
    assert 0.75 <= factors.min() < 0.77
    assert 1.23 < factors.max() <= 1.25
    assert factors.mean() == pytest.approx(1, abs=0.03)


def test_contrast_keeps_the_mean():
    image = pictures(1, dtype=np.float32)[0]
    copied = copies(image, Augmentation(contrast=0.5)).astype(np.float64)
    np.testing.assert_allclose(copied.mean(axis=(1, 2, 3)), image.mean(dtype=np.float64), rtol=1e-6)
    factors = copied.std(axis=(1, 2, 3)) / image.std(dtype=np.float64)
    assert 0.5 <= factors.min() < 0.52
    assert 1.48 < factors.max() < 1.501


def test_bytes_are_rounded_and_clipped():
    image = np.array([[0, 40, 100, 200, 255]], np.uint8)[..., None]
    bright = Augmentation(brightness=1)
    copied = copies(image, bright)
    factors = copies(image.astype(np.float32), bright)[:, 0, 2, 0].astype(np.float64) / 100
    exact = np.clip(factors[:, None] * image[0, :, 0], 0, 255)
    assert np.abs(copied[:, 0, :, 0] - exact).max() < 0.51
    assert (copied == 255).any()


@pytest.mark.parametrize("fill", [50, "edge"])
def test_erased_is_a_rectangle_anywhere(fill):
    image = pictures(1, height=9, width=14)[0]
    image[image == 50] = 51
    value = 50 if fill == 50 else round(float(image.mean()))
    image[image == value] = value + 1
    covered = np.zeros((9, 14))
    heights, widths = [], []
    for copy in copies(image, Augmentation(erase=0.5, fill=fill), 3000):
        gone = (copy == value).all(axis=-1)
        np.testing.assert_array_equal(copy[~gone], image[~gone])
        rows, columns = np.flatnonzero(gone.any(axis=1)), np.flatnonzero(gone.any(axis=0))
        assert gone.sum() == len(rows) * len(columns)
        if gone.any():
            assert rows[-1] - rows[0] + 1 == len(rows)
            assert columns[-1] - columns[0] + 1 == len(columns)
            heights.append(len(rows))
            widths.append(len(columns))
        covered += gone
    assert set(heights) == {1, 2, 3, 4, 5}  # 4.5, rounded
    assert set(widths) == {1, 2, 3, 4, 5, 6, 7}
    assert covered.min() > 0


# -- what the draws depend on


def test_draws_depend_on_seed_epoch_and_position_alone(isa, restore_threads):
    images = pictures(9, dtype=np.float32)
    strong = PRESETS["strong"]
    nncore.set_num_threads(1)
    expected = strong.apply(images, 5, 6)
    nncore.set_num_threads(2)
    order = RNG.permutation(9)
    np.testing.assert_array_equal(strong.apply(images, 5, 6, order), expected[order])
    for one in range(9):
        np.testing.assert_array_equal(strong.apply(images, 5, 6, [one])[0], expected[one])
    for other in (strong.apply(images, 4, 6), strong.apply(images, 5, 7)):
        assert not any(np.array_equal(a, b) for a, b in zip(other, expected, strict=True))


def test_bits_are_those_of_any_machine():
    """Golden: whatever the compiler and the processor, these are the copies."""
    ramp = (np.arange(7 * 9 * 3) * 5 % 256).astype(np.uint8).reshape(1, 7, 9, 3)
    copy = PRESETS["strong"].apply(ramp, 1, 2)
    float_copy = PRESETS["strong"].apply(ramp.astype(np.float32) / 255, 1, 2)
    assert checksum(copy) == GOLDEN_BYTES
    assert checksum(float_copy) == GOLDEN_FLOATS


def checksum(array):
    import zlib

    return zlib.crc32(np.ascontiguousarray(array).tobytes())


GOLDEN_BYTES = 737538653
GOLDEN_FLOATS = 3477883110


def test_one_setting_does_not_change_the_draws_of_another():
    image = pictures(1, dtype=np.float32)[0]
    flips = Augmentation(horizontal_flip=True)
    flipped = (copies(image, flips) == image[:, ::-1]).all(axis=(1, 2, 3))
    both = copies(image, Augmentation(horizontal_flip=True, brightness=0.2, erase=0.0))
    from_left = np.array([np.corrcoef(copy.ravel(), image.ravel())[0, 1] < 0.9 for copy in both])
    np.testing.assert_array_equal(from_left, flipped)


# -- what is refused


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"shift": 1.5}, ValueError, "shift must be from 0 to 1, not 1.5"),
        ({"rotation": -1}, ValueError, "rotation must be from 0 to 180"),
        ({"scale": 1}, ValueError, "scale must be from 0 to 0.9"),
        ({"brightness": float("nan")}, ValueError, "brightness"),
        ({"contrast": "much"}, TypeError, "contrast must be a number, not 'much'"),
        ({"erase": True}, TypeError, "erase must be a number"),
        ({"horizontal_flip": 1}, TypeError, "horizontal_flip must be True or False"),
        ({"crop_padding": 1.5}, TypeError, "crop_padding must be a whole number"),
        ({"crop_padding": -1}, ValueError, "crop_padding must be from 0"),
        ({"fill": "wrap"}, ValueError, "'edge' or 'reflect', not 'wrap'"),
        ({"fill": float("inf")}, ValueError, "fill must be finite"),
    ],
)
def test_bad_settings(settings, error, words):
    with pytest.raises(error, match=words):
        Augmentation(**settings)


def test_bad_images_and_positions():
    strong, images = PRESETS["strong"], pictures()
    with pytest.raises(ValueError, match=r"not samples of the shape \(4,\)"):
        strong.apply(np.zeros((3, 4), np.float32))
    with pytest.raises(TypeError, match="float64"):
        strong.apply(images / 2)
    with pytest.raises(ValueError, match="fill must be from 0 to 255 for uint8"):
        Augmentation(fill=300, shift=0.1).apply(images)
    for indices in ([5], [-1], [], [[0]], [0.5]):
        with pytest.raises(ValueError, match="indices must be"):
            strong.apply(images, indices=indices)
    with pytest.raises(ValueError, match="off, light, medium, strong, not 'wild'"):
        Augmentation.preset("wild")


def test_dict_and_back():
    for one in [*PRESETS.values(), Augmentation(horizontal_flip=True, crop_padding=3, fill=255)]:
        assert Augmentation.from_dict(one.to_dict()) == one
    with pytest.raises(TypeError):
        Augmentation.from_dict({"stretch": 1})


def test_presets_grow_and_do_not_flip():
    assert PRESETS["off"].changes_nothing
    light, medium, strong = (PRESETS[name] for name in ("light", "medium", "strong"))
    for name in ("shift", "rotation", "scale", "brightness", "contrast"):
        assert 0 < getattr(light, name) < getattr(medium, name) < getattr(strong, name)
    assert not any(p.horizontal_flip or p.vertical_flip for p in PRESETS.values())
