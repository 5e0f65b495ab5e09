"""The network of a work as an ONNX model that gives probabilities."""

from __future__ import annotations

from contenders.nncore_fit import make_model
from works import F32, Work

from nncore.interop.export.onnx_model import channels_first_bytes
from nncore.interop.export.program import program_of_layers
from nncore.layers import Activation
from nncore.layers.stack import LayerStack


def onnx_model(work: Work, weights: list[F32]) -> bytes:
    """A model of one input "x" (1, C, H, W) or (1, features) and one output "y" (1, classes).

    Images come channels first, as ONNX has them.
    """
    views = make_model(work).layers
    stack = LayerStack([*(view.description for view in views), Activation("softmax")])
    names = [
        f"{name}/{parameter}"
        for name, shapes in zip(stack.names, stack.parameter_shapes(work.input_shape), strict=True)
        for parameter in shapes
    ]
    named = dict(zip(names, weights, strict=True))
    return channels_first_bytes(program_of_layers(stack, work.input_shape, named), batch=1)


def channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(H, W, C) as (C, H, W); (features,) as it is."""
    return (*shape[2:], *shape[:2])
