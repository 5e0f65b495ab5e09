"""Descriptions of normalizations and residual blocks: arguments, shapes, names, JSON, views."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nncore import _core
from nncore.layers import (
    Activation,
    AveragePool2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    LayerNormalization,
    MaxPool2D,
    Residual,
    layer_from_dict,
)
from nncore.training.model import Sequential

IMAGE = (9, 12, 3)


def same(filters, strides=1):
    return Conv2D(filters, 3, strides=strides, padding="same")


def engine(layer, shape):
    builder = _core.Builder(shape)
    layer.add_to(builder, "layer", shape)
    return builder


@pytest.mark.parametrize(
    ("layer", "given", "shape"),
    [
        (BatchNormalization(), IMAGE, IMAGE),
        (BatchNormalization(), (7,), (7,)),
        (LayerNormalization(), IMAGE, IMAGE),
        (LayerNormalization(), (7,), (7,)),
        (Residual([same(3)]), IMAGE, IMAGE),
        (Residual([same(8)]), IMAGE, (9, 12, 8)),
        (Residual([same(8, 2)]), IMAGE, (5, 6, 8)),
        (Residual([same(3, 2)]), IMAGE, (5, 6, 3)),
        (Residual([same(8, (1, 3))]), IMAGE, (9, 4, 8)),
        (Residual([same(4, 4), same(4)]), (10, 11, 3), (3, 3, 4)),
        (Residual([MaxPool2D(3), same(4)]), IMAGE, (3, 4, 4)),
        (Residual([Dense(7)]), (7,), (7,)),
        (Residual([Dense(9), Dense(5)]), (7,), (5,)),
        (Residual([Residual([same(8, 2)]), Residual([same(8)])]), IMAGE, (5, 6, 8)),
        (Residual([Conv2D(4, 3)], shortcut=[Conv2D(4, (3, 3))]), IMAGE, (7, 10, 4)),
        (Residual([Flatten(), Dense(4)], shortcut=[Flatten(), Dense(4)]), IMAGE, (4,)),
    ],
    ids=repr,
)
def test_shapes_agree_with_the_engine(layer, given, shape):
    assert layer.output_shape(given) == shape
    builder = engine(layer, given)
    assert builder.layer_output_shape("layer") == shape
    network = builder.build(0)
    assert {
        name.removeprefix("layer/"): network.get_parameter(name).shape
        for name in network.parameter_names()
    } == layer.parameter_shapes(given)


@pytest.mark.parametrize(
    ("layer", "given", "strides", "filters"),
    [
        (same(8), IMAGE, (1, 1), 8),
        (same(3, 2), IMAGE, (2, 2), 3),
        (same(8, (1, 3)), IMAGE, (1, 3), 8),
        (same(8, 4), (10, 11, 3), (4, 4), 8),
    ],
)
def test_projection(layer, given, strides, filters):
    (_, _, _), (name, projection, shape) = Residual([layer]).inner_layers(given)
    assert name == "conv2d_1"
    assert shape == given
    assert projection == Conv2D(filters, 1, strides=strides)


def test_identity_has_no_layers():
    names = [name for name, _, _ in Residual([same(3)]).inner_layers(IMAGE)]
    assert names == ["conv2d"]


def test_deep_nesting_takes_no_time():
    # Asking each block twice for its shape would double the time with each level.
    block = Dense(3)
    for _ in range(40):
        block = Residual([block])
    assert block.output_shape((2,)) == (3,)
    assert len(block.parameter_shapes((2,))) == 82


def test_names_of_parameters():
    block = Residual(
        [same(8), BatchNormalization(), Residual([same(4), Dense(1, name="x")][:1], name="in")],
        name="out",
    )
    assert list(block.parameter_shapes((6, 6, 2))) == [
        "conv2d/kernel",
        "conv2d/bias",
        "batch_normalization/gamma",
        "batch_normalization/beta",
        "batch_normalization/moving_mean",
        "batch_normalization/moving_variance",
        "in/conv2d/kernel",
        "in/conv2d/bias",
        "in/conv2d_1/kernel",
        "in/conv2d_1/bias",
        "conv2d_1/kernel",
        "conv2d_1/bias",
    ]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: BatchNormalization(1.0), ValueError, "BatchNormalization: momentum.* below 1"),
        (lambda: BatchNormalization(-0.1), ValueError, "BatchNormalization: momentum.* at least 0"),
        (lambda: BatchNormalization("0.9"), TypeError, "BatchNormalization: momentum"),
        (lambda: BatchNormalization(epsilon=0), ValueError, "BatchNormalization: epsilon"),
        (lambda: BatchNormalization(epsilon=1), ValueError, "BatchNormalization: epsilon"),
        (lambda: BatchNormalization(epsilon=float("nan")), ValueError, "epsilon"),
        (lambda: BatchNormalization(name="a/b"), ValueError, "BatchNormalization: name 'a/b'"),
        (lambda: LayerNormalization(0), ValueError, "LayerNormalization: epsilon"),
        (lambda: LayerNormalization(None), TypeError, "LayerNormalization: epsilon"),
        (lambda: Residual([]), TypeError, "Residual: layers must be a list of layers"),
        (lambda: Residual(Dense(3)), TypeError, "Residual: layers must be a list of layers"),
        (lambda: Residual([Dense]), TypeError, "Residual: layers must be descriptions"),
        (lambda: Residual([Dense(3)], shortcut=[]), TypeError, "Residual: shortcut must be a list"),
        (lambda: Residual([Dense(3)], shortcut="id"), TypeError, "Residual: shortcut must be"),
        (lambda: Residual([Dense(3)], "softmax"), ValueError, "softmax needs a layer of its own"),
        (lambda: Residual([Dense(3)], "swish"), ValueError, "unknown activation 'swish'"),
        (lambda: Residual([Dense(3)], name=""), ValueError, "Residual: name ''"),
        (
            lambda: Residual([Dense(3, name="a")], shortcut=[Dense(3, name="a")]),
            ValueError,
            "two layers have the same name: a",
        ),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "given", "message"),
    [
        (
            Residual([same(4)], shortcut=[Conv2D(5, 1)]),
            IMAGE,
            r"makes \(9, 12, 4\) of \(9, 12, 3\) and the shortcut \(9, 12, 5\)",
        ),
        (Residual([Conv2D(4, 3)]), IMAGE, r"\(7, 10, 4\) of \(9, 12, 3\), which no 1x1"),
        (Residual([Flatten()]), IMAGE, r"\(324,\) of \(9, 12, 3\), which no 1x1"),
        (Residual([Conv2D(4, 20)]), IMAGE, r"larger than the image \(9, 12, 3\)"),
        (Residual([same(4), Dense(3)]), IMAGE, r"Flatten"),
    ],
    ids=repr,
)
def test_shapes_that_do_not_fit(layer, given, message):
    for ask in (layer.output_shape, layer.parameter_shapes):
        if ask == layer.parameter_shapes and layer.shortcut is not None:
            continue  # Each way alone is sound.
        with pytest.raises(ValueError, match=message):
            ask(given)


def test_description_survives_json():
    block = Residual(
        [same(8), Residual([BatchNormalization(0.5, 1e-2), Activation("tanh")])],
        "relu",
        shortcut=[AveragePool2D(1), LayerNormalization(1e-2, name="norm")],
        name="block",
    )
    for layer in (block, Residual([Dense(3)])):
        assert layer_from_dict(json.loads(json.dumps(layer.to_dict()))) == layer
    assert block.to_dict()["layers"][1]["layers"][0]["momentum"] == 0.5
    assert Residual([Dense(3)]).to_dict()["shortcut"] is None
    assert isinstance(layer_from_dict(block.to_dict()).layers, tuple)


@pytest.mark.parametrize(
    "change",
    [
        {"layers": None},
        {"layers": {}},
        {"layers": []},
        {"layers": [3]},
        {"layers": [{"type": "Nothing"}]},
        {"shortcut": "identity"},
        {"shortcut": []},
        {"activation": "softmax"},
        {"more": 1},
    ],
    ids=repr,
)
def test_bad_descriptions(change):
    described = Residual([Dense(3)]).to_dict() | change
    with pytest.raises((ValueError, TypeError)):
        layer_from_dict(described)


def make_model():
    model = Sequential(
        [
            Residual([same(4), BatchNormalization(), Residual([same(4)], name="in")], "relu"),
            LayerNormalization(),
            Flatten(),
            Dense(3),
        ]
    )
    model.build((6, 5, 2), seed=1)
    return model


def test_views_of_inner_layers():
    model = make_model()
    block, norm, flatten, _ = model.layers
    assert block.name == "residual"
    assert block.parameter_names == ()
    assert [view.name for view in block.layers] == [
        "residual/conv2d",
        "residual/batch_normalization",
        "residual/in",
        "residual/conv2d_1",
    ]
    convolution, batch_norm, inner, projection = block.layers
    assert [view.name for view in inner.layers] == ["residual/in/conv2d"]
    assert flatten.layers == norm.layers == []
    assert convolution.parameter_names == ("kernel", "bias")
    assert projection.kernel.shape == (1, 1, 2, 4)
    assert inner.layers[0].kernel.shape == (3, 3, 4, 4)
    assert [view.output_shape for view in block.layers] == [(6, 5, 4)] * 4
    assert block.output_shape == (6, 5, 4)
    assert batch_norm.parameter_names == ("gamma", "beta", "moving_mean", "moving_variance")
    assert norm.parameter_names == ("gamma", "beta")


def test_numbers_of_normalizations_can_be_read_and_set():
    model = make_model()
    norms = model.layers[0].layers[1], model.layers[1]
    for view in norms:
        assert view.gamma.tolist() == [1] * 4
        assert view.beta.tolist() == [0] * 4
        view.gamma, view.beta = [1, 2, 3, 4], np.arange(4)
        assert view.gamma.tolist() == [1, 2, 3, 4]
        assert view.beta.tolist() == [0, 1, 2, 3]
        with pytest.raises(ValueError, match=f"{view.name}/gamma has the shape"):
            view.gamma = [1, 2]
        with pytest.raises(AttributeError, match="has no kernel; it has: gamma, beta"):
            _ = view.kernel
    batch_norm, layer_norm = norms
    x = np.random.default_rng(0).random((8, 6, 5, 2), np.float32)
    before = model.predict_proba(x)
    batch_norm.moving_mean, batch_norm.moving_variance = [0.5] * 4, [2] * 4
    assert batch_norm.moving_mean.tolist() == [0.5] * 4
    assert batch_norm.moving_variance.tolist() == [2] * 4
    assert np.abs(model.predict_proba(x) - before).max() > 1e-3
    with pytest.raises(AttributeError, match="has no moving_mean; it has: gamma, beta"):
        _ = layer_norm.moving_mean
    with pytest.raises(AttributeError, match="residual' has no gamma; it has: no parameters"):
        _ = model.layers[0].gamma
    model.compute_gradients(x, [0, 1, 2, 0, 1, 2, 0, 1])
    for view in norms:
        assert view.gamma_gradient.shape == view.beta_gradient.shape == (4,)
        assert view.gamma_gradient.any()
        assert view.beta_gradient.any()


def test_inner_layers_of_a_model_that_is_not_built():
    model = Sequential([Residual([Dense(3)]), Dense(2)])
    assert model.layers[0].layers == []


def test_an_activation_that_no_block_ends_with_says_where_it_goes():
    model = Sequential([Residual([Dense(3)], "silu")])
    with pytest.raises(ValueError, match=r'"silu" must be a layer of its own.*relu6'):
        model.build(3)
