"""What is known of how a network wants its pixels, from what its graph says.

The mean and the deviation that a network was trained with stand in no field of an ONNX file. But
some networks scale their pixels themselves, and some are known by their first convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import ModelFileError
from nncore.interop.onnx_import.graph import Graph, Node, read_graph

Scale = tuple[float, float]

# (x - 127) / 128 of a byte, on the scale where 255 is 1.
EFFICIENTNET_LITE: Scale = (127 / 255, 128 / 255)
_AS_BYTES: Scale = (0.0, 1 / 255)
_AS_SHARES: Scale = (0.0, 1.0)
# The middle of each of the first filters of the first convolution, as a share of its length and
# without its sign: the same whether the batch normalization behind it is part of it or not.
_LITE_STEMS: Mapping[str, tuple[float, ...]] = {
    "EfficientNet-Lite0": (
        *(0.3140, 0.4682, 0.4802, 0.0487, 0.2794, 0.0005),
        *(0.0614, 0.3766, 0.4890, 0.0579, 0.0329, 0.0202),
    ),
    "EfficientNet-Lite1": (
        *(0.4586, 0.4424, 0.0000, 0.3735, 0.3579, 0.0385),
        *(0.3372, 0.0169, 0.4881, 0.3648, 0.0023, 0.2399),
    ),
    "EfficientNet-Lite2": (
        *(0.0185, 0.0175, 0.0000, 0.0435, 0.2986, 0.0061),
        *(0.4746, 0.2912, 0.5274, 0.7276, 0.4830, 0.0305),
    ),
}
_FILTERS = 12
_CLOSE = 1e-3
_PASSING = ("Cast", "Identity", "Transpose")
_SCALING = ("Add", "Div", "Mul", "Sub")


@dataclass(frozen=True)
class KnownScale:
    """Mean and deviation where a pixel of 255 is 1, and how they are known."""

    mean: float
    std: float
    why: str


def known_scale_of(path: Path, model: bytes) -> KnownScale | None:
    """The same of the file at `path`, whose content is `model`."""
    try:
        return known_scale(read_graph(path, model))
    except ModelFileError:
        return None  # whoever opens it says what is wrong with it


def known_scale(graph: Graph) -> KnownScale | None:
    """How the network wants its pixels, where the graph tells."""
    if len(graph.inputs) != 1 or graph.inputs[0].dtype == np.uint8:
        return None
    node, line = _first_steps(graph, graph.inputs[0].name)
    if line is not None:
        scale, offset = (np.abs(one) for one in line)
        if not (np.isfinite(scale).all() and np.isfinite(offset).all() and scale.all()):
            return None
        # Scaled by itself: of 0 to 255, where a step of 1 makes little, or much is subtracted.
        as_bytes = scale.max() < 0.1 or (offset / scale).max() > 2
        mean, std = _AS_BYTES if as_bytes else _AS_SHARES
        return KnownScale(mean, std, "the network scales its pixels itself")
    if node is not None and node.op == "Conv" and len(node.inputs) > 1:
        name = stem_name(graph.constants.get(node.inputs[1]))
        if name is not None:
            return KnownScale(*EFFICIENTNET_LITE, f"its first convolution is that of {name}")
    return None


def stem_name(kernel: NDArray[Any] | None) -> str | None:
    """Whose first convolution has this kernel (out, in, rows, columns)."""
    if kernel is None or kernel.shape != (32, 3, 3, 3):
        return None
    found = stem_mark(kernel)
    for name, mark in _LITE_STEMS.items():
        if np.abs(found - mark).max() < _CLOSE:
            return name
    return None


def stem_mark(kernel: NDArray[Any]) -> NDArray[np.float64]:
    """What `_LITE_STEMS` holds."""
    filters = kernel[:_FILTERS].reshape(_FILTERS, -1).astype(np.float64)
    lengths = np.linalg.norm(filters, axis=1)
    middle: NDArray[np.float64] = np.abs(filters[:, filters.shape[1] // 2])
    return middle / np.where(lengths > 0, lengths, 1)


def _first_steps(
    graph: Graph, name: str
) -> tuple[Node | None, tuple[NDArray[np.float64], NDArray[np.float64]] | None]:
    """The first node that does more than scale, and scale and offset up to it, if any."""
    scale, offset = np.ones(1), np.zeros(1)
    scaled = False
    constants = {
        **graph.constants,
        **{
            node.outputs[0]: node.attributes["value"]
            for node in graph.nodes
            if node.op == "Constant"
            and node.outputs
            and isinstance(node.attributes.get("value"), np.ndarray)
        },
    }
    for _ in graph.nodes:  # and not for ever, whatever the file says
        takers = [node for node in graph.nodes if name in node.inputs]
        if len(takers) != 1:
            break
        (node,) = takers
        if node.op in _SCALING and len(node.inputs) == 2 and node.inputs[0] == name:
            numbers = constants.get(node.inputs[1])
            if numbers is None or numbers.size not in (1, 3):
                break
            value = numbers.ravel().astype(np.float64)
            if node.op in ("Mul", "Div"):
                with np.errstate(all="ignore"):
                    factor = value if node.op == "Mul" else 1 / value
                    scale, offset = scale * factor, offset * factor
            else:
                offset = offset + (value if node.op == "Add" else -value)
            scaled = True
        elif node.op not in _PASSING:
            return node, (scale, offset) if scaled else None
        if not node.outputs or not node.outputs[0]:
            break
        name = node.outputs[0]
    return None, (scale, offset) if scaled else None
