"""The network of a work as an ONNX model that gives probabilities."""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from works import CLASSES, F32, Conv, Dense, Flatten, Pool, Work


def onnx_model(work: Work, weights: list[F32]) -> bytes:
    """A model of one input "x" (1, C, H, W) or (1, features) and one output "y" (1, classes).

    Images come channels first, as ONNX has them; rows of the first dense layer are put in that
    order.
    """
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []
    remaining = iter(weights)
    image: tuple[int, ...] | None = None
    value = "x"

    def add(operator: str, *constants: F32, **attributes: object) -> None:
        nonlocal value
        names = [f"constant{len(tensors) + i}" for i in range(len(constants))]
        tensors.extend(
            numpy_helper.from_array(np.ascontiguousarray(constant), name)
            for constant, name in zip(constants, names, strict=True)
        )
        result = f"value{len(nodes)}"
        nodes.append(helper.make_node(operator, [value, *names], [result], **attributes))
        value = result

    for facts in work.facts():
        match facts.layer:
            case Conv(_, size, padding):
                kernel, bias = next(remaining), next(remaining)
                pads = [size // 2 if padding == "same" else 0] * 4
                add("Conv", kernel.transpose(3, 2, 0, 1), bias, pads=pads)
                add("Relu")
            case Pool():
                add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
            case Flatten():
                image = facts.input_shape
                add("Flatten")
            case Dense(_, relu):
                kernel, bias = next(remaining), next(remaining)
                if image is not None:
                    order = np.arange(math.prod(image)).reshape(image).transpose(2, 0, 1)
                    kernel, image = kernel[order.ravel()], None
                add("Gemm", kernel, bias)
                if relu:
                    add("Relu")
    add("Softmax", axis=1)
    shape = [1, *channels_first(work.input_shape)]
    graph = helper.make_graph(
        nodes,
        work.name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, [1, CLASSES])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(H, W, C) as (C, H, W); (features,) as it is."""
    return (shape[2], shape[0], shape[1]) if len(shape) == 3 else shape
