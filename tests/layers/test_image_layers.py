"""Descriptions of convolutions, pooling and dropout: arguments and shapes."""

from __future__ import annotations

import pytest

from nncore import _core
from nncore.layers import (
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    GlobalAveragePool2D,
    MaxPool2D,
    layer_from_dict,
)

IMAGE = (9, 12, 3)


def engine_shape(layer):
    builder = _core.Builder(IMAGE)
    layer.add_to(builder, "layer", IMAGE)
    return builder.layer_output_shape("layer")


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv2D(4, 3), (7, 10, 4)),
        (Conv2D(4, (1, 5)), (9, 8, 4)),
        (Conv2D(4, 3, padding="same"), (9, 12, 4)),
        (Conv2D(4, 3, strides=2, padding="same"), (5, 6, 4)),
        (Conv2D(4, 2, strides=(1, 3), padding="same"), (9, 4, 4)),
        (Conv2D(4, 5, padding=2), (9, 12, 4)),
        (Conv2D(4, 5, strides=3, padding=(0, 4)), (2, 6, 4)),
        (Conv2D(4, 3, dilation_rate=3), (3, 6, 4)),
        (Conv2D(4, (1, 3), dilation_rate=(9, 5)), (9, 2, 4)),
        (Conv2D(4, 3, strides=2, padding="same", dilation_rate=4), (5, 6, 4)),
        (Conv2D(4, 3, strides=(1, 2), padding=(1, 3), dilation_rate=(4, 2)), (3, 7, 4)),
        (Conv2D(6, 3, groups=3), (7, 10, 6)),
        (DepthwiseConv2D(3), (7, 10, 3)),
        (DepthwiseConv2D((3, 2), strides=2, padding="same", depth_multiplier=5), (5, 6, 15)),
        (DepthwiseConv2D(3, padding=1, dilation_rate=2), (7, 10, 3)),
        (MaxPool2D(), (4, 6, 3)),
        (MaxPool2D(3), (3, 4, 3)),
        (MaxPool2D(3, strides=1), (7, 10, 3)),
        (AveragePool2D((2, 5), (3, 2)), (3, 4, 3)),
        (MaxPool2D(3, 2, padding=1), (5, 6, 3)),
        (MaxPool2D(3, 2, padding="same"), (5, 6, 3)),
        (MaxPool2D(20, 7, padding="same"), (2, 2, 3)),
        (AveragePool2D((3, 2), 1, padding=(2, 1)), (11, 13, 3)),
        (MaxPool2D(2, 2, padding=((0, 1), (0, 0))), (5, 6, 3)),
        (AveragePool2D(5, 3, padding=((0, 4), (3, 1)), count_padding=True), (3, 4, 3)),
        (Conv2D(4, 3, strides=2, padding=((0, 1), (1, 3))), (4, 7, 4)),
        (DepthwiseConv2D(3, strides=2, padding=((0, 1), (0, 1))), (4, 6, 3)),
        (GlobalAveragePool2D(), (3,)),
        (Dropout(0.5), IMAGE),
    ],
    ids=repr,
)
def test_shapes_agree_with_the_engine(layer, shape):
    assert layer.output_shape(IMAGE) == shape
    assert engine_shape(layer) == shape


@pytest.mark.parametrize(
    "layer",
    [
        Conv2D(6, (3, 2), groups=3, dilation_rate=(1, 2)),
        DepthwiseConv2D((3, 2), depth_multiplier=4, strides=2, padding="same"),
        DepthwiseConv2D(1, use_bias=False),
    ],
    ids=repr,
)
def test_parameters_agree_with_the_engine(layer):
    builder = _core.Builder(IMAGE)
    layer.add_to(builder, "layer", IMAGE)
    network = builder.build(0)
    shapes = {
        name.removeprefix("layer/"): network.get_parameter(name).shape
        for name in network.parameter_names()
    }
    assert shapes == layer.parameter_shapes(IMAGE)


def test_depthwise_takes_the_channels_of_the_layer_before():
    builder = _core.Builder(IMAGE)
    Conv2D(5, 1).add_to(builder, "mix", IMAGE)
    DepthwiseConv2D(3, depth_multiplier=2).add_to(builder, "depthwise", (9, 12, 5))
    assert builder.layer_output_shape("depthwise") == (7, 10, 10)


def test_descriptions_without_the_fields_that_came_later():
    """Files of older versions are read, and ordinary convolutions are written as they were."""
    plain = Conv2D(4, 3, padding=(0, 1)).to_dict()
    assert plain.keys().isdisjoint({"dilation_rate", "groups"})
    assert layer_from_dict(plain) == Conv2D(4, 3, padding=(0, 1))
    dilated = Conv2D(4, 3, dilation_rate=(1, 2)).to_dict()
    assert dilated["dilation_rate"] == (1, 2)
    assert "groups" not in dilated
    for layer in (
        Conv2D(4, 3, dilation_rate=(1, 2)),
        Conv2D(6, 3, groups=3),
        DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2),
    ):
        assert layer_from_dict(layer.to_dict()) == layer
    with pytest.raises(ValueError, match="must have the fields"):
        layer_from_dict({key: value for key, value in plain.items() if key != "filters"})


def test_padding_has_one_form():
    """What earlier versions can say, they can read."""
    assert Conv2D(4, 3, padding=((1, 1), (2, 2))) == Conv2D(4, 3, padding=(1, 2))
    assert MaxPool2D(3, padding=((1, 1), (1, 1))).to_dict()["padding"] == (1, 1)
    assert "padding" not in MaxPool2D(3).to_dict()
    assert Conv2D(4, 3, padding=(1, (2, 0))) == Conv2D(4, 3, padding=((1, 1), (2, 0)))
    uneven = MaxPool2D(3, padding=[[0, 1], [2, 0]])
    assert layer_from_dict(uneven.to_dict()) == uneven


def test_parameter_shapes():
    assert Conv2D(4, (3, 5)).parameter_shapes(IMAGE) == {"kernel": (3, 5, 3, 4), "bias": (4,)}
    assert Conv2D(4, 3, use_bias=False).parameter_shapes(IMAGE) == {"kernel": (3, 3, 3, 4)}
    assert Conv2D(6, 2, groups=3, dilation_rate=2).parameter_shapes(IMAGE) == {
        "kernel": (2, 2, 1, 6),
        "bias": (6,),
    }
    assert DepthwiseConv2D((3, 2), depth_multiplier=4).parameter_shapes(IMAGE) == {
        "kernel": (3, 2, 1, 12),
        "bias": (12,),
    }
    assert DepthwiseConv2D(3, use_bias=False).parameter_shapes(IMAGE) == {"kernel": (3, 3, 1, 3)}
    assert MaxPool2D().parameter_shapes(IMAGE) == {}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Conv2D(0, 3), ValueError, "filters must be at least 1"),
        (lambda: Conv2D(4, 0), ValueError, "kernel_size must be at least 1"),
        (lambda: Conv2D(4, (3, 3, 3)), ValueError, "one integer or two"),
        (lambda: Conv2D(4, 3.0), TypeError, "kernel_size"),
        (lambda: Conv2D(4, 3, strides=0), ValueError, "strides must be at least 1"),
        (lambda: Conv2D(4, 3, padding="full"), ValueError, '"valid", "same" or a number'),
        (lambda: Conv2D(4, 3, padding=-1), ValueError, "padding must be at least 0"),
        (lambda: Conv2D(4, 3, activation="softmax"), ValueError, r"after Flatten\(\)"),
        (lambda: Conv2D(4, 3, activation="swish"), ValueError, "unknown activation 'swish'"),
        (lambda: Conv2D(4, 3, use_bias=0), TypeError, "use_bias"),
        (lambda: Conv2D(4, 3, dilation_rate=0), ValueError, "dilation_rate must be at least 1"),
        (lambda: Conv2D(4, 3, dilation_rate="2"), TypeError, "Conv2D: dilation_rate"),
        (lambda: Conv2D(4, 3, groups=0), ValueError, "groups must be at least 1"),
        (lambda: Conv2D(4, 3, groups=2.0), TypeError, "groups"),
        (lambda: Conv2D(4, 3, groups=3), ValueError, "filters, and 3 does not divide 4"),
        (lambda: DepthwiseConv2D(3, depth_multiplier=0), ValueError, "depth_multiplier must be"),
        (lambda: DepthwiseConv2D(0), ValueError, "DepthwiseConv2D: kernel_size must be"),
        (lambda: DepthwiseConv2D(3, padding="full"), ValueError, "DepthwiseConv2D: padding"),
        (lambda: DepthwiseConv2D(3, activation="softmax"), ValueError, "DepthwiseConv2D: softmax"),
        (lambda: DepthwiseConv2D(3, use_bias=1), TypeError, "DepthwiseConv2D: use_bias"),
        (lambda: DepthwiseConv2D(3, name="a/b"), ValueError, "DepthwiseConv2D: name"),
        (lambda: MaxPool2D(0), ValueError, "pool_size must be at least 1"),
        (lambda: AveragePool2D(2, strides=-1), ValueError, "strides must be at least 1"),
        (lambda: MaxPool2D(2, padding="full"), ValueError, 'MaxPool2D: padding must be "valid"'),
        (lambda: MaxPool2D(2, padding=-1), ValueError, "MaxPool2D: padding must be at least 0"),
        (lambda: MaxPool2D(2, padding=2), ValueError, r"smaller than the window \(2, 2\)"),
        (lambda: MaxPool2D(2, padding=((0, 0), (0, 2))), ValueError, "smaller than the window"),
        (lambda: MaxPool2D(2, padding=((0, 0),)), ValueError, r"\(\(top, bottom\), \(left, ri"),
        (lambda: Conv2D(2, 3, padding=(1, (0, 1, 2))), ValueError, "one integer or two"),
        (lambda: AveragePool2D(2, count_padding=1), TypeError, "AveragePool2D: count_padding"),
        (lambda: Dropout(1.0), ValueError, "below 1, not 1.0"),
        (lambda: Dropout(-0.1), ValueError, "at least 0"),
        (lambda: Dropout(float("nan")), ValueError, "below 1"),
        (lambda: Dropout("half"), TypeError, "rate must be a number"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    "layer", [Conv2D(2, 3), DepthwiseConv2D(3), MaxPool2D(), GlobalAveragePool2D()], ids=repr
)
def test_rows_of_numbers_are_refused(layer):
    with pytest.raises(ValueError, match="takes images"):
        layer.output_shape((10,))


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match="channels of the image, and 2 does not divide 3"):
        Conv2D(4, 3, groups=2).output_shape(IMAGE)
    with pytest.raises(ValueError, match="groups must divide the channels"):
        engine_shape(Conv2D(4, 3, groups=2))


@pytest.mark.parametrize(
    "layer",
    [
        Conv2D(2, 10),
        Conv2D(2, 3, dilation_rate=(5, 1)),
        DepthwiseConv2D(3, dilation_rate=6),
        MaxPool2D((2, 13)),
    ],
    ids=repr,
)
def test_too_large_for_the_image(layer):
    with pytest.raises(ValueError, match=r"larger than the image \(9, 12, 3\)"):
        layer.output_shape(IMAGE)
    with pytest.raises(ValueError, match="image"):
        engine_shape(layer)
