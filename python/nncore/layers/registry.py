"""All kinds of layers by name, and the names of the layers of one model.

A further kind of layer is one more dataclass that fills in the methods of `Layer`, plus its entry
in `LAYER_KINDS`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from nncore.layers.base import Layer
from nncore.layers.basic import Activation, Dense, Dropout, Flatten
from nncore.layers.convolution import Conv2D, DepthwiseConv2D
from nncore.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D

LAYER_KINDS: Mapping[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        Dense,
        Flatten,
        Activation,
        Dropout,
        Conv2D,
        DepthwiseConv2D,
        MaxPool2D,
        AveragePool2D,
        GlobalAveragePool2D,
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
    return LAYER_KINDS[kind](**fields)


def unique_names(layers: Sequence[Layer]) -> list[str]:
    """A name per layer: its own, or its kind's with a number: "dense", "dense_1", "dense_2".

    Raises
    ------
    ValueError
        Two layers were given the same name.
    """
    given = [layer.name for layer in layers if layer.name is not None]
    taken = set(given)
    if len(taken) < len(given):
        twice = sorted({name for name in given if given.count(name) > 1})
        raise ValueError(f"two layers have the same name: {', '.join(twice)}")
    names = []
    for layer in layers:
        name, number = layer.name, 0
        while name is None or (layer.name is None and name in taken):
            name = layer.default_name + (f"_{number}" if number else "")
            number += 1
        taken.add(name)
        names.append(name)
    return names
