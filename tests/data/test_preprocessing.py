from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from nncore.data import Preprocessing

FULL = Preprocessing(
    height=48,
    width=64,
    color="rgb",
    alpha_background=(1, 2, 3),
    mean=(0.5, 0.25, 0.125),
    std=(0.1, 0.2, 0.3),
)


def test_shape_and_channels():
    assert FULL.channels == 3
    assert FULL.input_shape == (48, 64, 3)
    assert Preprocessing(28, 27, "gray").input_shape == (28, 27, 1)


def test_frozen_and_hashable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        FULL.height = 3  # type: ignore[misc]
    assert hash(FULL) == hash(dataclasses.replace(FULL))


@pytest.mark.parametrize(
    "original", [FULL, Preprocessing(28, 28, "gray"), Preprocessing(9, 8, "rgb", fit="pad")]
)
def test_survives_json(original: Preprocessing):
    back = Preprocessing.from_dict(json.loads(json.dumps(original.to_dict())))
    assert back == original
    assert type(back.alpha_background) is tuple


def test_records_every_choice_by_name():
    assert Preprocessing(28, 28, "gray").to_dict() == {
        "height": 28,
        "width": 28,
        "color": "gray",
        "resize": "bilinear-antialias",
        "fit": "stretch",
        "alpha_background": [255, 255, 255],
        "sixteen_bit": "scale",
        "floating_point": "range",
        "mean": None,
        "std": None,
    }


def test_numpy_integers_become_plain_ones():
    plain = Preprocessing(np.int64(3), np.uint8(4), "gray")  # type: ignore[arg-type]
    assert json.dumps(plain.to_dict())


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Preprocessing)])
def test_a_missing_field_is_named(name: str):
    values = FULL.to_dict()
    del values[name]
    if name == "floating_point":  # younger than the first model files
        assert Preprocessing.from_dict(values) == FULL
        return
    with pytest.raises(ValueError, match=f"missing fields: {name}"):
        Preprocessing.from_dict(values)


def test_an_unknown_field_is_named():
    with pytest.raises(ValueError, match="unknown fields: flip"):
        Preprocessing.from_dict({**FULL.to_dict(), "flip": True})
    with pytest.raises(TypeError, match="list"):
        Preprocessing.from_dict([])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"height": 0}, ValueError, "height"),
        ({"width": 10**9}, ValueError, "width"),
        ({"height": 4.0}, TypeError, "height"),
        ({"width": True}, TypeError, "width"),
        ({"color": "grey"}, ValueError, "'grey'; known: rgb, gray"),
        ({"color": None}, TypeError, "color"),
        ({"resize": "nearest"}, ValueError, "bilinear-antialias"),
        ({"fit": "cover"}, ValueError, "'cover'; known: stretch, crop, pad"),
        ({"fit": None}, TypeError, "fit"),
        ({"sixteen_bit": "clip"}, ValueError, "scale"),
        ({"alpha_background": (0, 0)}, ValueError, "alpha_background"),
        ({"alpha_background": (0, 0, 256)}, ValueError, "alpha_background"),
        ({"alpha_background": (0, 0, 0.5)}, TypeError, "alpha_background"),
        ({"alpha_background": 255}, TypeError, "alpha_background"),
        ({"mean": None}, ValueError, "together"),
        ({"mean": (0.5,)}, ValueError, "mean needs 3"),
        ({"mean": ("a", 0, 0)}, TypeError, "mean"),
        ({"mean": (float("nan"), 0, 0)}, ValueError, "mean"),
        ({"std": (0.1, 0.0, 0.1)}, ValueError, "std"),
        ({"std": 1.0}, TypeError, "std"),
        ({"color": "gray"}, ValueError, "mean needs 1"),
    ],
)
def test_refusals(change, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(FULL, **change)
    with pytest.raises(error, match=message):
        Preprocessing.from_dict({**FULL.to_dict(), **change})
