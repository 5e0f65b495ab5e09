"""Layers, described: what a layer is called, what it is made of and the shapes that follow."""

from collections.abc import Mapping

from nncore.layers.activations import ACTIVATIONS
from nncore.layers.base import Layer, Shape
from nncore.layers.basic import Activation, Dense, Dropout, Flatten
from nncore.layers.convolution import Conv2D, DepthwiseConv2D
from nncore.layers.kernels import INITIALIZERS
from nncore.layers.naming import unique_names
from nncore.layers.normalization import BatchNormalization, LayerNormalization
from nncore.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from nncore.layers.rescaling import Rescaling
from nncore.layers.residual import Residual

LAYER_KINDS: Mapping[str, type[Layer]] = Layer.kinds()
# The same by its older name.
layer_from_dict = Layer.from_dict

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "LAYER_KINDS",
    "Activation",
    "AveragePool2D",
    "BatchNormalization",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePool2D",
    "Layer",
    "LayerNormalization",
    "MaxPool2D",
    "Rescaling",
    "Residual",
    "Shape",
    "layer_from_dict",
    "unique_names",
]
