"""A network as an ONNX graph, from nncore's description of its layers, with the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.interop.export.onnx_model import channels_first_bytes
from nncore.interop.export.program import program_of_layers
from nncore.layers import Activation, Layer
from nncore.layers.stack import LayerStack

F32 = NDArray[np.float32]


def onnx_bytes(
    layers: list[dict[str, Any]], weights: Mapping[str, F32], side: int, *, softmax: bool
) -> bytes:
    """A model of one input "x" (N, 3, `side`, `side`); its output is what the last layer gives.

    It is `nncore export`'s graph without what belongs to pictures: contenders are given floats in
    their own order.
    """
    described = [Layer.from_dict(layer) for layer in layers]
    stack = LayerStack([*described, Activation("softmax")] if softmax else described)
    return channels_first_bytes(program_of_layers(stack, (side, side, 3), weights))
