"""Heat maps on pages: beside the pictures, or a reason why they are not there."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import nncore as nn
from nncore.report import heat
from nncore.report.heat import heat_maps
from nncore.report.thumbnails import SIDE, reduced, reduced_heat

RNG = np.random.default_rng(0)
PIXELS = {row: RNG.integers(0, 256, (12, 9, 3)).astype(np.uint8) for row in (7, 2, 30)}
PREDICTED = {30: "b", 2: "a", 7: "b", 99: "a"}  # the last one has gone
KEPT = SimpleNamespace(model_file=None, model_missing="m.safetensors: there is no such model file")


def model(*layers):
    x = np.stack([*PIXELS.values()] * 4)
    made = nn.Sequential([*layers, nn.Flatten(), nn.Dense(2)])
    made.fit(nn.ImageDataset.from_arrays(x, ["a", "b"] * 6), epochs=1, verbose=0)
    return made


@pytest.fixture(scope="module")
def convolutional():
    return model(nn.Conv2D(4, 3, activation="relu", padding="same"))


def test_each_picture_has_an_overlay_of_its_own_answer(convolutional):
    found = heat_maps(KEPT, convolutional, PIXELS, PREDICTED)
    assert set(found.overlays) == set(PIXELS)
    assert found.note.startswith("Beside each picture")
    assert "without" not in found.note
    assert found.overlays[30].uri != found.overlays[7].uri
    others = dict.fromkeys(PREDICTED, "a")
    again = heat_maps(KEPT, convolutional, PIXELS, others)
    assert again.overlays[2] == found.overlays[2]
    assert again.overlays[30] != found.overlays[30]


def test_of_a_large_network_the_first_ones(convolutional, monkeypatch):
    monkeypatch.setattr(heat, "_FEWEST", 1)
    monkeypatch.setattr(heat, "_MOST_WORK", 1.0)
    found = heat_maps(KEPT, convolutional, PIXELS, PREDICTED)
    assert set(found.overlays) == {30}
    assert "2 pictures are without: the network is large" in found.note


def test_without_convolutions_parts_are_covered_which_is_told(monkeypatch):
    dense = model()
    found = heat_maps(KEPT, dense, PIXELS, PREDICTED)
    assert set(found.overlays) == set(PIXELS)
    assert "by covering parts of the picture, since the network has no convolution" in found.note
    # Its passes are counted: 89 of 648 multiply-adds for each picture.
    monkeypatch.setattr(heat, "_FEWEST", 1)
    monkeypatch.setattr(heat, "_MOST_WORK", 648 * 100.0)
    assert heat_maps(KEPT, dense, PIXELS, PREDICTED).overlays.keys() == {30}


def test_without_the_model_the_reason_is_told():
    found = heat_maps(KEPT, None, PIXELS, PREDICTED)
    assert found.overlays == {}
    assert "there is no such model file" in found.note


def test_without_pictures_there_is_nothing_to_tell():
    assert heat_maps(KEPT, None, {}, PREDICTED).note == ""


def test_heat_is_as_small_as_its_picture():
    pixels = np.zeros((301, 200, 3), np.uint8)
    warmth = RNG.random((301, 200)).astype(np.float32)
    small = reduced_heat(warmth)
    assert small.shape == reduced(pixels).shape[:2]
    assert max(small.shape) == SIDE
    assert (small.min() >= 0) & (small.max() <= 1)
    assert small.mean() == pytest.approx(warmth.mean(), abs=0.01)
