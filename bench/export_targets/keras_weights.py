"""The weights in a network of Keras."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from folders import NotInstalled
from numpy.typing import NDArray

from export_targets.networks import Case, NoSuchLayer, branches, parts

if TYPE_CHECKING:
    from nncore.training.layer_view import LayerView

F32 = NDArray[np.float32]
_PASSED = ("Dropout", "Activation")


def run(case: Case, images: NDArray[np.uint8], folder: Path) -> F32:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras
    except ImportError as error:
        raise NotInstalled("keras: pip install tensorflow-cpu") from error
    (path,) = case.model.export(folder / "w.npz", framework="keras").files
    network = _Network(keras)
    start = keras.Input(images.shape[1:])
    model = keras.Model(start, network.sequence(case.model.layers, start))
    with np.load(path) as arrays:
        for layer, name in network.weighted:
            own = [array for key, array in arrays.items() if key.rpartition("/")[0] == name]
            layer.set_weights(own)
        names = list(arrays)
    found = [
        case.probabilities(model.predict(case.floats(some), verbose=0)) for some in parts(images)
    ]
    values = [weight for layer, _ in network.weighted for weight in layer.get_weights()]
    case.read_back(dict(zip(names, values, strict=True)))
    return np.concatenate(found)


class _Network:
    """Calls Keras's layers; `weighted` has those with weights and their names, in order."""

    def __init__(self, keras: Any) -> None:
        self._keras = keras
        self.weighted: list[tuple[Any, str]] = []

    def sequence(self, views: Sequence[LayerView], x: Any) -> Any:
        for view in views:
            x = self._layer(view, x)
            activation = getattr(view.description, "activation", None)
            if activation not in (None, "linear"):
                x = self._activation(activation)(x)
        return x

    def _activation(self, name: str) -> Any:
        layers = self._keras.layers
        if name == "gelu":
            return layers.Lambda(lambda x: self._keras.ops.gelu(x, approximate=False))
        if name == "leaky_relu":
            return layers.LeakyReLU(negative_slope=0.2)
        return layers.Activation(name)

    def _layer(self, view: LayerView, x: Any) -> Any:
        described, layers = view.description, self._keras.layers
        kind = type(described).__name__
        joins = {"Residual": layers.Add, "Concatenate": layers.Concatenate}
        if kind in joins:
            return joins[kind]()([self.sequence(branch, x) for branch in branches(view)])
        if kind == "Multiply":
            made = [self.sequence(branch, x) for branch in branches(view)]
            return layers.Multiply()([self._as_image(one) for one in made])
        if kind in _PASSED:
            return x
        made = self._made(described, kind)
        y = made(x)
        if made.weights:
            self.weighted.append((made, view.name))
        return y

    def _as_image(self, x: Any) -> Any:
        return self._keras.layers.Reshape((1, 1, x.shape[1]))(x) if len(x.shape) == 2 else x

    def _made(self, described: Any, kind: str) -> Any:
        layers, fields = self._keras.layers, vars(described)
        windows = {
            name: fields[name]
            for name in ("strides", "padding", "dilation_rate", "use_bias", "pool_size", "groups")
            if name in fields
        }
        if isinstance(windows.get("padding", ""), tuple):
            raise NoSuchLayer("padding in pixels")
        if kind == "Conv2D":
            return layers.Conv2D(described.filters, described.kernel_size, **windows)
        if kind == "DepthwiseConv2D":
            multiplier = described.depth_multiplier
            size = described.kernel_size
            return layers.DepthwiseConv2D(size, depth_multiplier=multiplier, **windows)
        if kind == "Dense":
            return layers.Dense(described.units, use_bias=described.use_bias)
        if kind == "BatchNormalization":
            return layers.BatchNormalization(epsilon=described.epsilon)
        if kind == "LayerNormalization":
            return layers.LayerNormalization(epsilon=described.epsilon)
        if kind == "MaxPool2D":
            return layers.MaxPooling2D(**windows)
        if kind == "AveragePool2D":
            return layers.AveragePooling2D(**windows)
        simple = {"Flatten": layers.Flatten, "GlobalAveragePool2D": layers.GlobalAveragePooling2D}
        if kind not in simple:
            raise NoSuchLayer(kind)
        return simple[kind]()
