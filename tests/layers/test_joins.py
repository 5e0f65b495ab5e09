"""Descriptions of blocks whose branches are concatenated or multiplied, and what a model makes of
them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nncore as nn
from nncore import _core
from nncore.layers import (
    AveragePool2D,
    Concatenate,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePool2D,
    MaxPool2D,
    Multiply,
    Residual,
    layer_from_dict,
)

IMAGE = (9, 12, 3)
WEIGHTS = [GlobalAveragePool2D(), Dense(2, "relu"), Dense(3, "sigmoid")]


def same(filters, strides=1):
    return Conv2D(filters, 3, strides=strides, padding="same")


@pytest.mark.parametrize(
    ("layer", "given", "shape"),
    [
        (Concatenate([[], [same(5)]]), IMAGE, (9, 12, 8)),
        (Concatenate([[same(2)], [], [Conv2D(4, 1)], []]), IMAGE, (9, 12, 12)),
        (Concatenate([[same(2, 2)], [MaxPool2D(3, 2, padding=1)]]), IMAGE, (5, 6, 5)),
        (Concatenate([[Dense(4)], []]), (7,), (11,)),
        (Concatenate([[Flatten()], [GlobalAveragePool2D()]]), IMAGE, (327,)),
        (Multiply([[], WEIGHTS]), IMAGE, IMAGE),
        (Multiply([WEIGHTS, [same(3)]]), IMAGE, IMAGE),
        (Multiply([[same(4)], [same(1)]]), IMAGE, (9, 12, 4)),
        (Multiply([[AveragePool2D((9, 1))], [AveragePool2D((1, 12))]]), IMAGE, IMAGE),
        (Multiply([[], []]), (7,), (7,)),
        (Multiply([[Dense(1)], [Dense(5)]]), (7,), (5,)),
        (Residual([same(5), Multiply([[], [GlobalAveragePool2D()]]), same(3)]), IMAGE, IMAGE),
        (Concatenate([[Concatenate([[], [same(1)]])], [Residual([same(4)])]]), IMAGE, (9, 12, 8)),
    ],
    ids=repr,
)
def test_shapes_agree_with_the_engine(layer, given, shape):
    assert layer.output_shape(given) == shape
    builder = _core.Builder(given)
    layer.add_to(builder, "layer", given)
    assert builder.layer_output_shape("layer") == shape
    if layer.parameter_shapes(given):
        network = builder.build(0)
        assert {
            name.removeprefix("layer/"): network.get_parameter(name).shape
            for name in network.parameter_names()
        } == layer.parameter_shapes(given)


@pytest.mark.parametrize("kind", [Concatenate, Multiply])
@pytest.mark.parametrize(
    ("branches", "error", "message"),
    [
        ([], TypeError, "must be a list of at least two lists of layers, not \\[\\]"),
        ([[Dense(3)]], TypeError, "at least two lists"),
        (Dense(3), TypeError, "at least two lists"),
        ("ab", TypeError, "at least two lists"),
        ([Dense(3), Dense(3)], TypeError, r"branches\[0\] must be a list of layers, not Dense"),
        ([[], [3]], TypeError, r"branches\[1\] must be descriptions such as Conv2D, not 3"),
        ([[], "ab"], TypeError, r"branches\[1\] must be a list of layers, not 'ab'"),
        ([[Dense(3, name="a")], [Dense(3, name="a")]], ValueError, "the same name: a"),
    ],
)
def test_bad_arguments(kind, branches, error, message):
    with pytest.raises(error, match=message):
        kind(branches)


@pytest.mark.parametrize(
    ("layer", "given", "message"),
    [
        (
            Concatenate([[], [same(4, 2)]]),
            IMAGE,
            r"Concatenate: the branches make \(9, 12, 3\) and \(5, 6, 4\); only the channels",
        ),
        (Concatenate([[], [Flatten()], []]), IMAGE, r"\(324,\) and \(9, 12, 3\); only the channel"),
        (
            Multiply([[], [same(4)]]),
            IMAGE,
            r"Multiply: the branches make \(9, 12, 3\) and \(9, 12, 4\); their sizes must be equal",
        ),
        (Multiply([[Dense(2)], [Dense(3)]]), (7,), "equal or 1 to be multiplied"),
        (Concatenate([[], [Dense(3)]]), IMAGE, "Flatten"),
    ],
    ids=repr,
)
def test_shapes_that_do_not_fit(layer, given, message):
    with pytest.raises(ValueError, match=message):
        layer.output_shape(given)


def test_description_survives_json():
    for layer in (
        Concatenate([[], [Multiply([[], WEIGHTS], name="excite"), same(2)]], trainable=False),
        Multiply([[Residual([same(3)])], WEIGHTS], "block"),
    ):
        read = layer_from_dict(json.loads(json.dumps(layer.to_dict())))
        assert read == layer
        assert isinstance(read.branches[0], tuple)
    for change in ({"branches": None}, {"branches": [[]]}, {"branches": [[], [{}]]}, {"more": 1}):
        with pytest.raises((ValueError, TypeError)):
            layer_from_dict(Concatenate([[], []]).to_dict() | change)


def model_of(trainable=True):
    branches = [[same(4)], [GlobalAveragePool2D(), Dense(4, "sigmoid")]]
    return nn.Sequential(
        [
            Concatenate([[], [same(2), nn.BatchNormalization()]], trainable=trainable),
            Multiply(branches, trainable=trainable),
            Flatten(),
            Dense(2),
        ]
    )


def data():
    rng = np.random.default_rng(0)
    x = rng.random((40, 6, 5, 3), np.float32)
    return x, (x[:, :3].mean(axis=(1, 2, 3)) > x[:, 3:].mean(axis=(1, 2, 3))).astype(np.int32)


def test_a_model_trains_saves_and_shows_them(tmp_path, capsys):
    model, (x, y) = model_of(), data()
    history = model.fit(x, y, epochs=30, batch_size=10, optimizer=nn.SGD(0.2), seed=0, verbose=0)
    assert history.history["loss"][-1] < 0.7 * history.history["loss"][0]
    model.save(tmp_path / "model.safetensors")
    loaded = nn.load(tmp_path / "model.safetensors")
    assert loaded.predict_proba(x).tobytes() == model.predict_proba(x).tobytes()
    model.summary()
    assert "multiply (Multiply)" in " ".join(capsys.readouterr().out.split())
    concatenate, multiply, *_ = model.layers
    assert [view.name for view in concatenate.layers] == [
        "concatenate/conv2d",
        "concatenate/batch_normalization",
    ]
    assert [view.output_shape for view in multiply.layers] == [(6, 5, 4), (5,), (4,)]
    assert multiply.layers[2].kernel.shape == (5, 4)


def test_blocks_that_are_not_trained():
    model, (x, y) = model_of(trainable=False), data()
    model.build(x.shape[1:], seed=0)
    before = model.get_weights()
    model.fit(x, y, epochs=1, seed=0, verbose=0)
    same_as_before = [
        (old == new).all() for old, new in zip(before, model.get_weights(), strict=True)
    ]
    assert same_as_before == [True] * (len(before) - 2) + [False] * 2
