"""Blocks of nncore made of branches of parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nncore.interop.onnx_import.steps import Part
from nncore.layers import Concatenate, Layer, Multiply, Rescaling, Residual

Branches = Sequence[tuple[Part, ...]]


def block(join: str, branches: Branches) -> Part:
    """What joins `branches`: "add", "multiply" or "concatenate".

    Raises
    ------
    ValueError
        The branches do not suit each other.
    """
    if join == "add":
        # The input itself is the shortcut.
        ways = sorted(branches, key=lambda branch: not branch)
        if not ways[0]:
            return Part(Rescaling(2.0))
        layers, shortcut = _rows(ways)
        return Part(Residual(layers, shortcut=shortcut or None), branches=tuple(ways))
    kind = Concatenate if join == "concatenate" else Multiply
    return Part(kind(_rows(branches)), branches=tuple(branches))


def with_branches(part: Part, branches: Branches) -> Part:
    """The same block of other branches."""
    rows = _rows(branches)
    layer: Layer
    if isinstance(part.layer, Residual):
        layer = dataclasses.replace(part.layer, layers=rows[0], shortcut=rows[1] or None)
    else:
        layer = dataclasses.replace(part.layer, branches=rows)  # type: ignore[type-var]
    return Part(layer, branches=tuple(branches))


def _rows(branches: Branches) -> list[list[Layer]]:
    return [[part.layer for part in branch] for branch in branches]
