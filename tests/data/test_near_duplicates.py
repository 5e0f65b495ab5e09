"""Pictures that are nearly the same."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from nncore.data import near_duplicates
from nncore.data.near_duplicates import find_near_duplicates


def pictures(n, shape=(40, 48, 3), seed=0):
    """Smooth ones, as photos are."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 6, 7, shape[2]), dtype=np.uint8)
    found = [
        np.asarray(Image.fromarray(one.squeeze()).resize((shape[1], shape[0]))) for one in coarse
    ]
    return np.stack(found).reshape(n, *shape)


def as_jpeg(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=60)
    return np.asarray(Image.open(stream))


def darker(image):
    return (image * 0.7 + 10).astype(np.uint8)


def smaller(image):
    height, width = image.shape[:2]
    half = Image.fromarray(image).resize((width // 2, height // 2))
    return np.asarray(half.resize((width, height)))


@pytest.mark.parametrize("change", [as_jpeg, darker, smaller])
def test_copies_are_found_and_others_are_not(change):
    images = pictures(30)
    images[17] = change(images[4])
    images[29] = change(images[8])
    assert find_near_duplicates(images) == [[4, 17], [8, 29]]


def test_the_first_one_and_those_like_it_across_blocks(monkeypatch):
    monkeypatch.setattr(near_duplicates, "_BLOCK", 4)
    images = pictures(21, (28, 28, 1))
    for place, lighter in ((2, 1), (6, -1), (9, -1), (15, 2), (20, 1)):
        images[place] = np.clip(images[1].astype(int) + lighter, 0, 255)
    images[13] = np.clip(images[12].astype(int) + 1, 0, 255)
    # 9 and 20 have the pixels of 6 and 2 again.
    assert find_near_duplicates(images) == [[1, 2, 6, 15], [12, 13]]


def test_alike_by_way_of_another_is_not_alike():
    middle = pictures(1, (32, 32, 1), seed=5)[0].astype(float)
    rng = np.random.default_rng(0)
    # In cells of 4 x 4, which are the cells of the first look.
    noise = rng.normal(0, 0.105 * middle.std(), (2, 8, 8, 1)).repeat(4, axis=1).repeat(4, axis=2)
    images = np.stack([middle + noise[0], middle, middle + noise[1]])
    images = np.clip(images / 2 + 64, 0, 255).astype(np.uint8)
    cells = near_duplicates._cells(images, np.arange(3), near_duplicates.FINE)
    alike = (cells @ cells.T) >= near_duplicates.ALIKE
    assert alike.tolist() == [[True, True, False], [True, True, True], [False, True, True]]
    assert find_near_duplicates(images) == [[0, 1]]


def test_equal_pixels_and_pictures_of_one_colour_are_not_near():
    images = pictures(6)
    images[3] = images[1]
    images[4], images[5] = 200, 120
    images[4:, :20] += 1  # noise that one cannot see
    assert find_near_duplicates(images) == []
    assert find_near_duplicates(images[:0]) == []


def test_the_same_shape_in_another_colour_is_another_picture():
    images = pictures(2, seed=3)
    images[1] = images[0][..., ::-1]
    assert find_near_duplicates(images) == []


def test_pixels_that_differ_within_the_cells_of_the_first_look():
    rng = np.random.default_rng(0)
    ground = pictures(1, (32, 32, 1))[0].astype(int)
    fine = rng.choice((-60, 60), (2, 16, 16)).repeat(2, axis=1).repeat(2, axis=2)[..., np.newaxis]
    for number in range(2):  # nothing of it is left in 8 x 8 cells
        cells = fine[number].reshape(8, 4, 8, 4, 1)
        fine[number] = (cells - cells.mean(axis=(1, 3), keepdims=True)).reshape(32, 32, 1)
    images = np.clip(ground // 2 + 64 + fine, 0, 255).astype(np.uint8)
    coarse = near_duplicates._cells(images, np.arange(2), near_duplicates.COARSE)
    assert float(coarse[0] @ coarse[1]) >= near_duplicates.ALIKE
    assert find_near_duplicates(images) == []
