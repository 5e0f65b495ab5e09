"""Branches that are joined, in float64 NumPy: the end of `reference_layers`."""

from __future__ import annotations

import functools

import numpy as np

from reference_activations import ACTIVATIONS
from reference_layers import (
    F64,
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    LayerNormalization,
    Pool2D,
)


class Block:
    """y = f(what the branches make of x, joined); each is its layers by name, {} for x itself."""

    def __init__(
        self, join: str, outputs: dict[str, F64], shapes: dict[str, tuple[int, ...]]
    ) -> None:
        self.join = join
        self.branches: list[dict[str, Layer]] = [{}]
        self.activation = "linear"
        self.outputs, self.shapes = outputs, shapes
        self.parameters: dict[str, F64] = {}
        self.gradients: dict[str, F64] = {}

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        shapes = []
        for branch in self.branches:
            shape = input_shape
            for name, layer in branch.items():
                shape = self.shapes[name] = layer.build(shape, rng)
            shapes.append(shape)
        return self.joined([np.zeros((1, *shape)) for shape in shapes]).shape[1:]

    def as_images(self, ends: list[F64]) -> list[F64]:
        """(N, C) as (N, 1, 1, C) beside images."""
        rank = max(end.ndim for end in ends)
        return [end.reshape(len(end), *(1,) * (rank - end.ndim), *end.shape[1:]) for end in ends]

    def joined(self, ends: list[F64]) -> F64:
        if self.join == "concatenate":
            return np.concatenate(ends, axis=-1)
        if self.join == "multiply":
            return functools.reduce(np.multiply, self.as_images(ends))
        assert len({end.shape for end in ends}) == 1
        return functools.reduce(np.add, ends)

    def forward(self, x: F64) -> F64:
        self.ends = []
        for branch in self.branches:
            y = x
            for name, layer in branch.items():
                y = self.outputs[name] = layer.forward(y)
            self.ends.append(y)
        self.z = self.joined(self.ends)
        self.y = ACTIVATIONS[self.activation][0](self.z)
        return self.y

    def backward(self, dy: F64) -> F64:
        return self.backward_before_activation(ACTIVATIONS[self.activation][1](dy, self.z, self.y))

    def gradient_of_end(self, number: int, dz: F64) -> F64:
        """By what one branch gives, from that of the joined values."""
        if self.join == "add":
            return dz
        if self.join == "concatenate":
            first = sum(end.shape[-1] for end in self.ends[:number])
            return dz[..., first : first + self.ends[number].shape[-1]]
        ends = self.as_images(self.ends)
        for other, end in enumerate(ends):
            if other != number:
                dz = dz * end
        own = ends[number].shape
        axes = tuple(axis for axis, size in enumerate(dz.shape) if own[axis] != size)
        return dz.sum(axis=axes, keepdims=True).reshape(self.ends[number].shape)

    def backward_before_activation(self, dz: F64) -> F64:
        total = 0.0
        for number, branch in enumerate(self.branches):
            dx = self.gradient_of_end(number, dz)
            for layer in reversed(branch.values()):
                dx = layer.backward(dx)
            total = total + dx
        return total


Layer = (
    Dense | Conv2D | Pool2D | Flatten | Activation | BatchNormalization | LayerNormalization | Block
)
