"""The parameters of parts by the full names that they have in a model of these layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from nncore.interop.onnx_import.steps import F32, Part
from nncore.layers import Layer, Shape, unique_names


def named_parameters(parts: Sequence[Part], input_shape: Shape) -> dict[str, F32]:
    """ "conv2d/kernel", "residual/conv2d/kernel" and so on, for images of that shape."""
    layers = [part.layer for part in parts]
    shapes = [input_shape]
    for layer in layers:
        shapes.append(layer.output_shape(shapes[-1]))
    return dict(_named(zip(unique_names(layers), layers, shapes, strict=False), parts, ""))


def _named(
    layers: Iterable[tuple[str, Layer, Shape]], parts: Sequence[Part], prefix: str
) -> Iterator[tuple[str, F32]]:
    for (name, layer, shape), part in zip(layers, parts, strict=True):
        for parameter, numbers in part.parameters.items():
            yield f"{prefix}{name}/{parameter}", numbers
        inner = [one for branch in part.branches for one in branch]
        if inner:
            yield from _named(layer.inner_layers(shape), inner, f"{prefix}{name}/")
