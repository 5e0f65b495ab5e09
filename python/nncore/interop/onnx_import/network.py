"""The network in the making: steps so far, and the tensors that are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.interop.onnx_import.graph import Node
from nncore.interop.onnx_import.steps import Part, Step, Unavailable, Value
from nncore.layers import Shape


class Network:
    """Steps and tensors, which the operations add to.

    Parameters
    ----------
    first
        The input.
    constants
        Tensors that do not depend on it.
    batch, opset
        Images at once, where the file fixes that, else 1; version of the operations.
    """

    def __init__(
        self, first: Value, name: str, constants: Mapping[str, NDArray[Any]], batch: int, opset: int
    ) -> None:
        self.steps: list[Step] = [Step("the input", ())]
        self.values: dict[str, Value] = {name: first}
        self.constants = dict(constants)
        self.batch, self.opset = batch, opset
        # Sources of the concatenations so far, by their step.
        self.concatenations: dict[int, tuple[int, ...]] = {}

    # -- what a node takes

    def value(self, node: Node, place: int = 0) -> Value:
        """Its input number `place`, which must depend on the image and have no zeros around."""
        value = self.padded_value(node, place)
        if any(value.pads):
            raise Unavailable(
                f"{node}: nncore pads only before convolutions and pools, not before it"
            )
        return value

    def padded_value(self, node: Node, place: int = 0) -> Value:
        found = self.values.get(self._name(node, place))
        if found is None:
            raise Unavailable(f"{node}: nncore takes it only of what depends on the image")
        return found

    def is_value(self, node: Node, place: int) -> bool:
        return self._name(node, place) in self.values

    def constant(self, node: Node, place: int) -> NDArray[Any] | None:
        """Its input number `place`; None if it is left out."""
        name = self._name(node, place)
        if not name:
            return None
        if name in self.values:
            raise Unavailable(f"{node}: nncore takes its input {name!r} only as a constant")
        return self.constants[name]

    def required(self, node: Node, place: int) -> NDArray[Any]:
        found = self.constant(node, place)
        if found is None:
            raise Unavailable(f"{node}: lacks its input number {place}")
        return found

    def number(self, node: Node, place: int, attribute: str, default: float) -> float:
        """A single number, which is an input or, in older versions, an attribute."""
        if attribute in node.attributes:
            return float(node.attributes[attribute])
        found = self.constant(node, place)
        return default if found is None else float(found.ravel()[0])

    def _name(self, node: Node, place: int) -> str:
        return node.inputs[place] if len(node.inputs) > place else ""

    # -- what comes of it

    def add(
        self,
        node: Node,
        source: Value,
        *parts: Part,
        axes: tuple[str, ...] | None = None,
        order: NDArray[np.intp] | None = None,
    ) -> Value:
        """The result of layers behind `source`; its shape is what they say."""
        shape: Shape = source.shape
        try:
            for part in parts:
                shape = part.layer.output_shape(shape)
        except ValueError as error:
            raise Unavailable(f"{node}: {error}") from None
        step = self.new_step(Step(str(node), (source.step,), parts))
        return Value(step, shape, source.axes if axes is None else axes, order)

    def new_step(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1

    def size(self, value: Value) -> int:
        """Numbers per image."""
        return math.prod(value.shape)
