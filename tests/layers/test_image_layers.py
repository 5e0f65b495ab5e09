"""Descriptions of convolutions, pooling and dropout: arguments and shapes."""

from __future__ import annotations

import pytest

from nncore import _core
from nncore.layers import AveragePool2D, Conv2D, Dropout, GlobalAveragePool2D, MaxPool2D

IMAGE = (9, 12, 3)


def engine_shape(layer):
    network = _core.Network(IMAGE)
    layer.add_to(network, "layer", IMAGE)
    return network.layer_output_shape("layer")


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
        (MaxPool2D(), (4, 6, 3)),
        (MaxPool2D(3), (3, 4, 3)),
        (MaxPool2D(3, strides=1), (7, 10, 3)),
        (AveragePool2D((2, 5), (3, 2)), (3, 4, 3)),
        (GlobalAveragePool2D(), (3,)),
        (Dropout(0.5), IMAGE),
    ],
    ids=repr,
)
def test_shapes_agree_with_the_engine(layer, shape):
    assert layer.output_shape(IMAGE) == shape
    assert engine_shape(layer) == shape


def test_parameter_shapes():
    assert Conv2D(4, (3, 5)).parameter_shapes(IMAGE) == {"kernel": (3, 5, 3, 4), "bias": (4,)}
    assert Conv2D(4, 3, use_bias=False).parameter_shapes(IMAGE) == {"kernel": (3, 3, 3, 4)}
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
        (lambda: MaxPool2D(0), ValueError, "pool_size must be at least 1"),
        (lambda: AveragePool2D(2, strides=-1), ValueError, "strides must be at least 1"),
        (lambda: Dropout(1.0), ValueError, "below 1, not 1.0"),
        (lambda: Dropout(-0.1), ValueError, "at least 0"),
        (lambda: Dropout(float("nan")), ValueError, "below 1"),
        (lambda: Dropout("half"), TypeError, "rate must be a number"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("layer", [Conv2D(2, 3), MaxPool2D(), GlobalAveragePool2D()], ids=repr)
def test_rows_of_numbers_are_refused(layer):
    with pytest.raises(ValueError, match="takes images"):
        layer.output_shape((10,))


@pytest.mark.parametrize("layer", [Conv2D(2, 10), MaxPool2D((2, 13))], ids=repr)
def test_too_large_for_the_image(layer):
    with pytest.raises(ValueError, match=r"larger than the image \(9, 12, 3\)"):
        layer.output_shape(IMAGE)
    with pytest.raises(ValueError, match="image"):
        engine_shape(layer)
