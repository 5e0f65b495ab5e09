"""How files are to be read, as one object."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore.data import ImageDataset, Preprocessing, Reading


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"size": (3, 4, 5)}, ValueError, "size must be an integer or"),
        ({"size": 0}, ValueError, "size must be"),
        ({"size": 10000}, ValueError, "size 10000x10000 has 300,000,000 values per image"),
        ({"color": "blue"}, ValueError, "color is 'blue'; known"),
        ({"fit": "cover"}, ValueError, "fit is 'cover'; known: stretch, crop, pad"),
        ({"background": (0, 0, 256)}, ValueError, "^background must be"),
        ({"background": 7}, TypeError, "^background must be three integers"),
        ({"max_pixels": 0}, ValueError, "max_pixels"),
        ({"max_broken": 1.5}, ValueError, "max_broken must be within"),
        ({"cache": 3}, TypeError, "cache must be a folder, True or False, not 3"),
    ],
)
def test_checked_when_it_is_made(arguments, error, message):
    with pytest.raises(error, match=message):
        Reading(**arguments)


def test_a_models_preprocessing_takes_the_place_of_size_color_background_and_fit():
    plan = Preprocessing(5, 9, "gray", fit="pad", alpha_background=(1, 2, 3))
    request = Reading(size=3, color="rgb", preprocessing=plan, max_pixels=77, fit="crop").request
    assert dataclasses.astuple(request) == ((5, 9), "gray", (1, 2, 3), 77, "pad")
    open_request = dataclasses.astuple(Reading(size=[3, 4]).request)
    assert (*open_request[:3], open_request[4]) == ((3, 4), None, (255,) * 3, "stretch")


def test_a_changed_copy_asks_for_what_it_says():
    assert dataclasses.replace(Reading(size=3), size=4).request.size == (4, 4)


def test_the_background_is_seen_recorded_and_kept_apart_in_the_cache(tmp_path: Path):
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "photos" / name / "0.png")
    for background in ((10, 20, 30), (40, 50, 60)) * 2:
        reading = Reading(background=background, cache=tmp_path / "cache")
        data = ImageDataset.read(tmp_path / "photos", reading)
        assert data.preprocessing.alpha_background == background
        assert np.unique(data.images[...].reshape(-1, 3), axis=0).tolist() == [list(background)]
    assert len(list((tmp_path / "cache").glob("*/manifest.json"))) == 2


def test_read_takes_folders_and_tables(make_folder):
    root = make_folder({"cat": 3, "dog": 3})
    lines = [
        f"photos/{path.parent.name}/{path.name},{path.parent.name}" for path in root.glob("*/*")
    ]
    table = root.parent / "all.csv"
    table.write_text("\n".join(["path,label", *sorted(lines)]))
    usual = ImageDataset.from_folder(root, size=4, color="rgb")
    for source in (root, table):
        data = ImageDataset.read(source, Reading(size=4, color="rgb"))
        np.testing.assert_array_equal(data.images, usual.images)
        assert data.paths == usual.paths
