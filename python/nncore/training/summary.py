"""A network as a table: its layers, what each gives and how many numbers it trains."""

from __future__ import annotations

import math

from nncore.layers import Shape
from nncore.layers.stack import LayerStack


def summary(
    stack: LayerStack, image_shape: Shape | None, input_shape: Shape, parameter_count: int
) -> str:
    """Lines of a table, for people; arguments as of `summary_rows`."""
    rows = [
        ("layer", "output shape", "parameters"),
        *summary_rows(stack, image_shape, input_shape),
        ("total", "", f"{parameter_count:,}"),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        f"{first:{widths[0]}}  {second:{widths[1]}}  {third:>{widths[2]}}".rstrip()
        for first, second, third in rows
    )
    return "\n".join(lines)


def summary_rows(
    stack: LayerStack, image_shape: Shape | None, input_shape: Shape
) -> list[tuple[str, str, str]]:
    """Layer, output shape and parameters of each, from the input on.

    `image_shape` is what people give, `input_shape` what the first layer takes: with frozen
    features these differ.
    """
    rows = [("input", str(image_shape), "")]
    if image_shape != input_shape:
        rows.append(("features (frozen)", str(input_shape), ""))
    for name, layer, output, parameters in zip(
        stack.names,
        stack.layers,
        stack.output_shapes(input_shape),
        stack.parameter_shapes(input_shape),
        strict=True,
    ):
        count = sum(map(math.prod, parameters.values()))
        rows.append((f"{name} ({type(layer).__name__})", str(output), f"{count:,}"))
    return rows
