"""Which layer a heat map is made of where nobody says it."""

from __future__ import annotations

import pytest

from nncore.layers import (
    Activation,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePool2D,
    MaxPool2D,
    Multiply,
    Residual,
)
from nncore.layers.efficientnet_lite import VARIANTS, efficientnet_lite
from nncore.layers.stack import LayerStack

SAME = {"kernel_size": 3, "padding": "same"}
HEAD = [GlobalAveragePool2D(), Dense(3)]

CASES = {
    "the convolution itself, before the pool": (
        [Conv2D(4, 3), Conv2D(4, 3, activation="relu"), MaxPool2D(2), Flatten(), Dense(3)],
        "conv2d_1",
    ),
    "its normalization and activation": (
        [Conv2D(4, 3), BatchNormalization(), Activation("relu"), MaxPool2D(2), *HEAD],
        "activation",
    ),
    "a residual block": (
        [Conv2D(4, 3), Residual([Conv2D(4, **SAME)]), Activation("relu"), *HEAD],
        "activation",
    ),
    "a depthwise one": ([Conv2D(4, 3), DepthwiseConv2D(3), *HEAD], "depthwise_conv2d"),
    "not those that weigh channels": (
        [
            Conv2D(4, 3, name="seen"),
            Multiply([[], [GlobalAveragePool2D(), Dense(4, "sigmoid")]]),
            *HEAD,
        ],
        "seen",
    ),
    "not one that sees all": (
        [Conv2D(4, 3, name="seen"), Conv2D(4, 6, name="whole"), Flatten(), Dense(3)],
        "seen",
    ),
    "within a block that ends in numbers": (
        [
            Concatenate(
                [
                    [Conv2D(4, 3), BatchNormalization(), GlobalAveragePool2D()],
                    [Conv2D(5, 3), GlobalAveragePool2D()],
                ]
            ),
            Dense(3),
        ],
        "concatenate/conv2d_1",
    ),
    "none": ([Flatten(), Dense(5, "relu"), Dense(3)], None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_last_convolution(case):
    layers, expected = CASES[case]
    stack = LayerStack(layers)
    assert stack.last_convolution((8, 8, 3)) == expected
    if expected is not None:
        assert stack.new_probe((8, 8, 3), expected).layer == expected


def test_a_backbone_is_looked_at_behind_its_head():
    stack = LayerStack([*efficientnet_lite(VARIANTS["efficientnet-lite0"]), Dense(3)])
    assert stack.last_convolution((224, 224, 3)) == "head"
