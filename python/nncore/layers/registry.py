"""All kinds of layers by name.

A further kind of layer is one more dataclass that fills in the methods of `Layer`, plus its entry
in `LAYER_KINDS`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nncore.layers.base import Layer
from nncore.layers.basic import Activation, Dense, Dropout, Flatten
from nncore.layers.convolution import Conv2D, DepthwiseConv2D
from nncore.layers.normalization import BatchNormalization, LayerNormalization
from nncore.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from nncore.layers.rescaling import Rescaling
from nncore.layers.residual import Residual

LAYER_KINDS: Mapping[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        Dense,
        Flatten,
        Activation,
        Dropout,
        Rescaling,
        Conv2D,
        DepthwiseConv2D,
        MaxPool2D,
        AveragePool2D,
        GlobalAveragePool2D,
        BatchNormalization,
        LayerNormalization,
        Residual,
    )
}


def layer_from_dict(description: Mapping[str, Any]) -> Layer:
    """The layer that `Layer.to_dict` described.

    Raises
    ------
    ValueError, TypeError
        The type is not in `LAYER_KINDS`, or a field is missing, unknown or invalid.
    """
    fields = dict(description)
    kind = fields.pop("type", None)
    if not isinstance(kind, str) or kind not in LAYER_KINDS:
        raise ValueError(f"unknown layer type {kind!r}; known: {', '.join(LAYER_KINDS)}")
    known = {f.name for f in dataclasses.fields(LAYER_KINDS[kind])}  # type: ignore[arg-type]
    if not known - LAYER_KINDS[kind].later_fields <= fields.keys() <= known:
        raise ValueError(f"layer {kind} must have the fields {sorted(known)}, not {sorted(fields)}")
    return LAYER_KINDS[kind].from_fields(fields)
