"""Layers, described: what a layer is called, what it is made of and the shapes that follow."""

from nncore.layers.base import ACTIVATIONS, Layer, Shape
from nncore.layers.basic import Activation, Dense, Dropout, Flatten
from nncore.layers.convolution import Conv2D, DepthwiseConv2D
from nncore.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from nncore.layers.registry import LAYER_KINDS, layer_from_dict, unique_names

__all__ = [
    "ACTIVATIONS",
    "LAYER_KINDS",
    "Activation",
    "AveragePool2D",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePool2D",
    "Layer",
    "MaxPool2D",
    "Shape",
    "layer_from_dict",
    "unique_names",
]
