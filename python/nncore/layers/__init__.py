"""Layers, described: what a layer is called, what it is made of and the shapes that follow."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nncore.layers.activations import ACTIVATIONS as ACTIVATIONS
from nncore.layers.base import Layer as Layer
from nncore.layers.base import Shape as Shape
from nncore.layers.basic import Activation as Activation
from nncore.layers.basic import Dense as Dense
from nncore.layers.basic import Dropout as Dropout
from nncore.layers.basic import Flatten as Flatten
from nncore.layers.convolution import Conv2D as Conv2D
from nncore.layers.convolution import DepthwiseConv2D as DepthwiseConv2D
from nncore.layers.joins import Concatenate as Concatenate
from nncore.layers.joins import Multiply as Multiply
from nncore.layers.kernels import INITIALIZERS as INITIALIZERS
from nncore.layers.naming import unique_names as unique_names
from nncore.layers.normalization import BatchNormalization as BatchNormalization
from nncore.layers.normalization import LayerNormalization as LayerNormalization
from nncore.layers.pooling import AveragePool2D as AveragePool2D
from nncore.layers.pooling import GlobalAveragePool2D as GlobalAveragePool2D
from nncore.layers.pooling import MaxPool2D as MaxPool2D
from nncore.layers.rescaling import Rescaling as Rescaling
from nncore.layers.residual import Residual as Residual

LAYER_KINDS: Mapping[str, type[Layer]] = Layer.kinds()
# The same by its older name.
layer_from_dict = Layer.from_dict

if not TYPE_CHECKING:  # which would take any name for one that is there

    def __getattr__(name: str) -> object:
        from nncore.habits import OF_PACKAGE, refuse_name

        refuse_name(__name__, name, OF_PACKAGE)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
