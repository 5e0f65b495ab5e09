"""Small ONNX networks for tests, and what they give, computed by NumPy in float64."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILTERS, KERNEL, STRIDE, CLASSES = 5, 3, 2, 3
_ONNX = {"float32": 1, "uint8": 2, "float16": 10, "float64": 11}


def weights(channels: int = 3, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """kernel (F, C, 3, 3), bias (F,), dense (F, K), offset (K,)."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> NDArray[np.float32]:
        return rng.normal(size=shape).astype(np.float32)

    return {
        "kernel": draw(FILTERS, channels, KERNEL, KERNEL),
        "bias": draw(FILTERS),
        "dense": draw(FILTERS, CLASSES),
        "offset": draw(CLASSES),
    }


def write_network(
    path: Path,
    *,
    shape: Sequence[int | str | None] = ("batch", 3, 9, 9),
    layout: str = "NCHW",
    dtype: str = "float32",
    outputs: Sequence[str] = ("logits",),
    channels: int = 3,
    seed: int = 0,
) -> Path:
    """Convolution, ReLU ("relu"), mean over the pixels ("pooled"), dense layer ("logits").

    "nhwc" is the ReLU's output, transposed.
    """
    import onnx
    from onnx import TensorProto, helper

    numbers = weights(channels, seed)
    nodes, now = [], "pixels"
    if dtype != "float32":
        nodes.append(helper.make_node("Cast", [now], ["as_float"], to=TensorProto.FLOAT))
        now = "as_float"
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [now], ["nchw"], perm=[0, 3, 1, 2]))
        now = "nchw"
    nodes += [
        helper.make_node(
            "Conv", [now, "kernel", "bias"], ["conv"], strides=[STRIDE, STRIDE], name="conv"
        ),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Transpose", ["relu"], ["nhwc"], perm=[0, 2, 3, 1]),
        helper.make_node("GlobalAveragePool", ["relu"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["pooled"]),
        helper.make_node("Gemm", ["pooled", "dense", "offset"], ["logits"]),
        helper.make_node("ArgMax", ["logits"], ["answer"], axis=1, keepdims=0),
    ]
    shapes = {"logits": ["n", CLASSES], "pooled": ["n", FILTERS], "answer": ["n"]}
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("pixels", _ONNX[dtype], list(shape))],
        [
            helper.make_tensor_value_info(
                name,
                TensorProto.INT64 if name == "answer" else TensorProto.FLOAT,
                shapes.get(name, [None] * 4),
            )
            for name in outputs
        ],
        [onnx.numpy_helper.from_array(value, name) for name, value in numbers.items()],
    )
    # Old enough for every ONNX Runtime that the extra allows.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def relu_maps(inputs: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """ "relu" of prepared images (N, H, W, C), as (N, h, w, F)."""
    numbers = weights(inputs.shape[3], seed)
    kernel, bias = numbers["kernel"].astype(np.float64), numbers["bias"].astype(np.float64)
    rows = (inputs.shape[1] - KERNEL) // STRIDE + 1
    columns = (inputs.shape[2] - KERNEL) // STRIDE + 1
    maps = np.empty((len(inputs), rows, columns, FILTERS))
    for row in range(rows):
        for column in range(columns):
            top, left = row * STRIDE, column * STRIDE
            patch = inputs[:, top : top + KERNEL, left : left + KERNEL]
            maps[:, row, column] = np.einsum("nhwc,fchw->nf", patch, kernel) + bias
    return np.maximum(maps, 0)


def logits(pooled: NDArray[np.float64], channels: int = 3, seed: int = 0) -> NDArray[np.float64]:
    """ "logits" of "pooled"."""
    numbers = weights(channels, seed)
    return pooled @ numbers["dense"].astype(np.float64) + numbers["offset"]
