"""The whole ONNX file: graph, input and output, and what of a model has no place in a graph.

Opset 13 (ONNX 1.8, 2020): the oldest in which all that is needed means what it does now (softmax is
over one axis from there on, and reductions and Unsqueeze have kept their form). Runtimes in
browsers, on phones and in converters lag years behind; all read it. What later opsets have as one
operation (layer normalization, GELU, hard-swish) is written as the few that it stands for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from nncore import _core
from nncore.errors import ExportError
from nncore.interop.export.network import TrainedNetwork
from nncore.interop.export.onnx_nodes import OnnxNodes, import_onnx
from nncore.interop.export.program import Program, program_of
from nncore.layers import Shape
from nncore.layers.efficientnet_lite import VARIANTS

OPSET, IR_VERSION = 13, 7
_LARGEST = 1 << 31  # bytes of a protocol buffer
_LICENCE = (
    "nncore, which wrote this file, is under the Apache License 2.0 and claims nothing for what it "
    "writes. The weights are for whoever trained them to license."
)
_PRETRAINED = (
    " They go back to those of EfficientNet-Lite, which its authors have put under the Apache "
    "License 2.0 and trained on ImageNet, whose pictures have terms of their own."
)


def onnx_bytes(network: TrainedNetwork, dtype: str = "uint8") -> bytes:
    """The content of an ONNX file of `network`.

    Input ``images``, `dtype` (N, H, W, C) for any N; output ``probabilities``, float32 (N, K).
    What is in the metadata is described in docs/export.md.

    Raises
    ------
    MissingExtraError
        The package onnx is not installed.
    ExportError
        More than a protocol buffer holds, or as `program_of`.
    """
    program = program_of(network, dtype)
    nodes = OnnxNodes()
    start = "images"
    if dtype != "uint8" and len(network.input_shape) == 3:
        start = nodes.node("Transpose", "images", perm=[0, 3, 1, 2])
    end = nodes.add_program(program.start, start, program.operations)
    return model_bytes(
        nodes,
        ("images", dtype, network.input_shape),
        (end, "probabilities", program.end.shape),
        network.name,
        _metadata(network, dtype),
    )


def channels_first_bytes(program: Program, batch: int | str = "N") -> bytes:
    """A bare network: input ``x`` float32 (`batch`, C, H, W), output ``y``; no metadata."""
    shape = program.start.shape
    nodes = OnnxNodes()
    end = nodes.add_program(program.start, "x", program.operations)
    given = ("x", "float32", (*shape[2:], *shape[:2]))
    return model_bytes(nodes, given, (end, "y", program.end.shape), "network", {}, batch)


def model_bytes(
    nodes: OnnxNodes,
    given: tuple[str, str, Shape],
    result: tuple[str, str, Shape],
    name: str,
    metadata: Mapping[str, str],
    batch: int | str = "N",
) -> bytes:
    """The model of these nodes, checked by the package onnx.

    Parameters
    ----------
    given
        The input's name, type and shape without N.
    result
        The last node's output, the name that it shall have, and its shape without N.
    batch
        N: a name for any number, or a number.
    """
    onnx = import_onnx()
    helper, types = onnx.helper, onnx.TensorProto
    inner, outer, shape = result
    assert nodes.nodes[-1].output[0] == inner
    nodes.nodes[-1].output[0] = outer
    source, dtype, taken = given
    kinds = {"uint8": types.UINT8, "float32": types.FLOAT}
    graph = helper.make_graph(
        nodes.nodes,
        "network",
        [helper.make_tensor_value_info(source, kinds[dtype], [batch, *taken])],
        [helper.make_tensor_value_info(outer, types.FLOAT, [batch, *shape])],
        nodes.constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="nncore",
        producer_version=_core.__version__,
        doc_string=name,
    )
    helper.set_model_props(model, dict(metadata))
    if model.ByteSize() >= _LARGEST:
        raise ExportError("this network needs more than the 2 GiB that an ONNX file can hold")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _metadata(network: TrainedNetwork, dtype: str) -> dict[str, str]:
    known = {
        "classes": json.dumps(list(network.classes), ensure_ascii=False),
        "nncore_version": _core.__version__,
        "license": _LICENCE + (_PRETRAINED if network.name in VARIANTS else ""),
        "reading": _reading(network, dtype),
    }
    if network.preprocessing is not None:
        known["preprocessing"] = json.dumps(dict(network.preprocessing))
    return known


def _reading(network: TrainedNetwork, dtype: str) -> str:
    """What has to happen to a picture before the graph, in words."""
    found = network.preprocessing
    if dtype != "uint8" or found is None:
        return f"images: {dtype} {_axes(network.input_shape)}, prepared as for training"
    background = ", ".join(map(str, found["alpha_background"]))
    fit = {
        "stretch": "scaled to it whatever the aspect ratio",
        "crop": "scaled until they cover it, what sticks out cut off at both ends",
        "pad": f"scaled until they lie within it, the rest filled with ({background})",
    }
    return (
        f"pictures: turned upright as EXIF says, laid on ({background}) where transparent, "
        f"{found['color']}, {found['height']}x{found['width']} pixels (height x width), "
        f"{fit[found['fit']]}, by the filter {found['resize']}; then uint8 "
        f"{_axes(network.input_shape)}: 255 is white; mean and deviation are in the graph"
    )


def _axes(shape: Sequence[int]) -> str:
    return "(N, H, W, C)" if len(shape) == 3 else "(N, features)"
