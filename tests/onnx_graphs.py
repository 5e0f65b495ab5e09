"""ONNX graphs for tests, node by node, with random weights; as exporters write them.

Sizes are small and weights are scaled so that numbers stay near 1 through many layers.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class OnnxGraph:
    """A graph in the making; methods append nodes and give the name of their result.

    Parameters
    ----------
    shape
        Of the input "x"; None and texts for axes of any length.
    opset
        Version of the operations.
    """

    def __init__(
        self,
        shape: Sequence[int | str | None] = ("n", 3, 32, 32),
        *,
        opset: int = 17,
        seed: int = 0,
        dtype: int = 1,
        producer: str = "pytorch",
    ) -> None:
        self.shape, self.opset, self.dtype, self.producer = list(shape), opset, dtype, producer
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.channels = {"x": shape[1] if len(shape) < 4 or shape[1] in (1, 3) else shape[3]}
        self.numbers = itertools.count()

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node of any kind; its name is that of a scope, as PyTorch names them."""
        from onnx import helper

        number = next(self.numbers)
        output = f"/{kind.lower()}{number}/{kind}_output_0"
        name = f"/{kind.lower()}{number}/{kind}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=name, **attributes))
        known = [self.channels[one] for one in inputs if one in self.channels]
        self.channels[output] = next(iter(known), None)
        return output

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        from onnx import numpy_helper

        name = f"weights.{next(self.numbers)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def normal(self, *shape: int, scale: float = 1.0) -> NDArray[np.float64]:
        return self.rng.normal(size=shape) * scale

    def conv(
        self,
        x: str,
        filters: int,
        size: int = 3,
        stride: int = 1,
        pad: int | Sequence[int] | None = None,
        groups: int = 1,
        bias: bool = True,
        **attributes: Any,
    ) -> str:
        """A convolution, "same" by symmetric padding unless `pad` says otherwise."""
        channels = self.channels[x] // groups
        kernel = self.normal(
            filters, channels, size, size, scale=(2 / (channels * size * size)) ** 0.5
        )
        inputs = [x, self.constant(kernel)]
        if bias:
            inputs.append(self.constant(self.normal(filters, scale=0.1)))
        pads = [size // 2] * 4 if pad is None else [pad] * 4 if isinstance(pad, int) else list(pad)
        if "auto_pad" not in attributes:
            attributes["pads"] = pads
        found = self.op(
            "Conv",
            *inputs,
            kernel_shape=[size, size],
            strides=[stride, stride],
            group=groups,
            **attributes,
        )
        self.channels[found] = filters
        return found

    def batch_norm(self, x: str, **attributes: Any) -> str:
        n = self.channels[x]
        values = [
            self.rng.uniform(0.5, 1.5, n),
            self.normal(n, scale=0.1),
            self.normal(n, scale=0.1),
            self.rng.uniform(0.5, 1.5, n),
        ]
        given = {"epsilon": 1e-5, "momentum": 0.9} | attributes
        return self.op("BatchNormalization", x, *map(self.constant, values), **given)

    def gemm(self, x: str, units: int, inputs: int | None = None, **attributes: Any) -> str:
        n = self.channels[x] if inputs is None else inputs
        weights = self.constant(self.normal(units, n, scale=n**-0.5))
        found = self.op(
            "Gemm", x, weights, self.constant(self.normal(units)), transB=1, **attributes
        )
        self.channels[found] = units
        return found

    def concat(self, *inputs: str) -> str:
        found = self.op("Concat", *inputs, axis=1)
        self.channels[found] = sum(self.channels[one] for one in inputs)
        return found

    def classifier(self, x: str, classes: int = 7) -> str:
        """Mean over the pixels, flattened, and a dense layer."""
        return self.gemm(self.op("Flatten", self.op("GlobalAveragePool", x), axis=1), classes)

    def write(self, path: Path, *outputs: str) -> Path:
        """The model as a file, checked by the package onnx."""
        import onnx
        from onnx import helper

        ends = [helper.make_tensor_value_info(name, 1, [None, None]) for name in outputs]
        start = helper.make_tensor_value_info("x", self.dtype, self.shape)
        graph = helper.make_graph(self.nodes, "main_graph", [start], ends, self.constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=8,
            producer_name=self.producer,
        )
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())
        return path
