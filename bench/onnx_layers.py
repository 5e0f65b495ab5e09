"""A network as an ONNX graph, from nncore's description of its layers, with the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

F32 = NDArray[np.float32]


class Graph:
    """Nodes and constants; `add` gives the name of the new value."""

    def __init__(self, weights: Mapping[str, F32]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, F32] = {}

    def add(self, operator: str, *inputs: str | F32, **attributes: object) -> str:
        names = []
        for given in inputs:
            if isinstance(given, str):
                names.append(given)
                continue
            names.append(f"constant{len(self.constants)}")
            self.constants[names[-1]] = np.asarray(given, np.float32, order="C")
        result = f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [result], **attributes))
        return result

    def stack(self, layers: list[dict[str, Any]], x: str, prefix: str = "") -> str:
        """What the layers make of the value `x`."""
        for layer in layers:
            x = self._activation(layer, self._layer(layer, x, prefix + layer["name"]))
        return x

    def _layer(self, layer: dict[str, Any], x: str, name: str) -> str:
        kind = layer["type"]
        if kind in ("Conv2D", "DepthwiseConv2D"):
            kernel = self.weights[f"{name}/kernel"].transpose(3, 2, 0, 1)
            bias = [self.weights[f"{name}/bias"]] if layer["use_bias"] else []
            return self.add(
                "Conv",
                x,
                kernel,
                *bias,
                strides=list(layer["strides"]),
                auto_pad="SAME_UPPER",
                group=len(kernel) if kind == "DepthwiseConv2D" else layer.get("groups", 1),
            )
        if kind == "BatchNormalization":
            names = ("gamma", "beta", "moving_mean", "moving_variance")
            values = [self.weights[f"{name}/{one}"] for one in names]
            return self.add("BatchNormalization", x, *values, epsilon=layer["epsilon"])
        if kind == "Dense":
            return self.add("Gemm", x, self.weights[f"{name}/kernel"], self.weights[f"{name}/bias"])
        if kind == "Residual":
            shortcut = self.stack(layer.get("shortcut") or [], x, f"{name}/")
            return self.add("Add", shortcut, self.stack(layer["layers"], x, f"{name}/"))
        if kind == "MaxPool2D":
            return self.add(
                "MaxPool",
                x,
                kernel_shape=list(layer["pool_size"]),
                strides=list(layer["strides"]),
                auto_pad="SAME_UPPER",
            )
        if kind == "GlobalAveragePool2D":
            return self.add("Flatten", self.add("GlobalAveragePool", x))
        if kind == "Activation":
            return x
        raise ValueError(f"no node for {layer}")

    def _activation(self, layer: dict[str, Any], x: str) -> str:
        kind = layer.get("activation") or "linear"
        if kind == "relu6":
            return self.add("Clip", x, np.float32(0), np.float32(6))  # type: ignore[arg-type]
        if kind == "relu":
            return self.add("Relu", x)
        assert kind == "linear", layer
        return x


def onnx_bytes(
    layers: list[dict[str, Any]], weights: Mapping[str, F32], side: int, *, softmax: bool
) -> bytes:
    """A model of one input "x" (N, 3, `side`, `side`); its output is what the last layer gives."""
    graph = Graph(weights)
    result = graph.stack(layers, "x")
    if softmax:
        result = graph.add("Softmax", result, axis=1)
    batch = "N"
    made = helper.make_graph(
        graph.nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, [batch, None])],
        [numpy_helper.from_array(value, name) for name, value in graph.constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
