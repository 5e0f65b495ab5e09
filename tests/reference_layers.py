"""Layers in float64 and plain NumPy, of which `reference_network.ReferenceNetwork` is made.

Each is one class with `forward` (which remembers what `backward` needs) and `backward`; none shares
code with nncore.

Shapes: N images; x is (N, ...), y the layer's output, dx and dy their gradients.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reference_activations import ACTIVATIONS

F64 = NDArray[np.float64]


class Dense:
    """y = f(x @ kernel + bias), x (N, in), kernel (in, out), bias (out,)."""

    def __init__(self, units: int, activation: str, use_bias: bool) -> None:
        self.units, self.activation, self.use_bias = units, activation, use_bias

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        (inputs,) = input_shape
        gain = 6.0 if self.activation == "relu" else 3.0
        limit = math.sqrt(gain / inputs)
        self.parameters = {"kernel": rng.uniform(-limit, limit, (inputs, self.units))}
        if self.use_bias:
            self.parameters["bias"] = np.zeros(self.units)
        self.gradients = {name: np.zeros_like(p) for name, p in self.parameters.items()}
        return (self.units,)

    def forward(self, x: F64) -> F64:
        self.x = x
        self.z = x @ self.parameters["kernel"] + self.parameters.get("bias", 0.0)
        self.y = ACTIVATIONS[self.activation][0](self.z)
        return self.y

    def backward(self, dy: F64) -> F64:
        return self.backward_before_activation(ACTIVATIONS[self.activation][1](dy, self.z, self.y))

    def backward_before_activation(self, dz: F64) -> F64:
        self.gradients["kernel"] = self.x.T @ dz
        if self.use_bias:
            self.gradients["bias"] = dz.sum(axis=0)
        return dz @ self.parameters["kernel"].T


class Flatten:
    """(N, H, W, C) to (N, H * W * C)."""

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        self.parameters: dict[str, F64] = {}
        self.gradients: dict[str, F64] = {}
        return (math.prod(input_shape),)

    def forward(self, x: F64) -> F64:
        self.x_shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: F64) -> F64:
        return dy.reshape(self.x_shape)


class Activation:
    """y = f(x), any shape."""

    def __init__(self, activation: str) -> None:
        self.activation = activation

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        self.parameters: dict[str, F64] = {}
        self.gradients: dict[str, F64] = {}
        return input_shape

    def forward(self, x: F64) -> F64:
        self.z = x
        self.y = ACTIVATIONS[self.activation][0](x)
        return self.y

    def backward(self, dy: F64) -> F64:
        return self.backward_before_activation(ACTIVATIONS[self.activation][1](dy, self.z, self.y))

    def backward_before_activation(self, dz: F64) -> F64:
        return dz


class Rescaling:
    """y = x * scale + offset, one each or one per channel."""

    def __init__(self, scale, offset) -> None:
        self.scale, self.offset = np.array(scale, np.float32), np.array(offset, np.float32)

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        self.parameters: dict[str, F64] = {}
        self.gradients: dict[str, F64] = {}
        return input_shape

    def forward(self, x: F64) -> F64:
        return x * self.scale.astype(np.float64) + self.offset

    def backward(self, dy: F64) -> F64:
        return dy * self.scale


def windows(x: F64, rows: int, columns: int, strides: tuple[int, int]) -> F64:
    """(N, H, W, C) to (N, out H, out W, C, rows, columns): every window, without padding."""
    every = np.lib.stride_tricks.sliding_window_view(x, (rows, columns), axis=(1, 2))
    return every[:, :: strides[0], :: strides[1]]


def margins(size, reach, strides, padding, pad, pad_after) -> list[tuple[int, int]]:
    """(top, bottom), (left, right) that padding "valid", "same" or "explicit" adds."""
    if padding == "same":
        total = [
            max((math.ceil(n / s) - 1) * s + k - n, 0)
            for n, s, k in zip(size, strides, reach, strict=True)
        ]
        return [(t // 2, t - t // 2) for t in total]
    if padding == "explicit":
        return list(zip(pad, pad_after, strict=True))
    return [(0, 0), (0, 0)]


def add_windows(dx: F64, d_windows: F64, strides: tuple[int, int]) -> None:
    """Add the gradient of `windows` to dx, in place."""
    _, out_h, out_w, _, rows, columns = d_windows.shape
    for i in range(rows):
        for j in range(columns):
            dx[
                :,
                i : i + (out_h - 1) * strides[0] + 1 : strides[0],
                j : j + (out_w - 1) * strides[1] + 1 : strides[1],
            ] += d_windows[..., i, j]


class Conv2D:
    """y[n, i, j, o] = f(sum of x[n, i * s + k, j * s + l, c] * kernel[k, l, c, o] + bias[o]).

    A kernel that is dilated or in groups is computed as the larger one with zeros that it stands
    for.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides,
        padding,
        pad,
        activation,
        use_bias,
        dilation,
        groups,
        pad_after=None,
    ) -> None:
        self.filters, self.strides = filters, strides
        self.own_size, self.dilation, self.groups = kernel_size, dilation, groups
        self.kernel_size = [(k - 1) * d + 1 for k, d in zip(kernel_size, dilation, strict=True)]
        self.padding, self.pad, self.pad_after = padding, pad, pad_after or pad
        self.activation, self.use_bias = activation, use_bias

    def places(self) -> NDArray[np.intp]:
        """Where in the large kernel (flat) each number of the own kernel stands."""
        rows, columns, inputs, filters = self.parameters["kernel"].shape
        row, column, c, o = np.indices((rows, columns, inputs, filters))
        group = o // (filters // self.groups)
        at = (row * self.dilation[0], column * self.dilation[1], group * inputs + c, o)
        return np.ravel_multi_index(at, self.large_shape)

    def large_kernel(self) -> F64:
        large = np.zeros(self.large_shape)
        large.flat[self.places()] = self.parameters["kernel"]
        return large

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        *size, channels = input_shape
        self.margins = margins(
            size, self.kernel_size, self.strides, self.padding, self.pad, self.pad_after
        )
        self.large_shape = (*self.kernel_size, channels, self.filters)
        shape = (*self.own_size, channels // self.groups, self.filters)
        limit = math.sqrt(6.0 / math.prod(shape[:3]))
        self.parameters = {"kernel": rng.uniform(-limit, limit, shape)}
        if self.use_bias:
            self.parameters["bias"] = np.zeros(self.filters)
        self.gradients = {name: np.zeros_like(p) for name, p in self.parameters.items()}
        return (
            *(
                (n + sum(m) - k) // s + 1
                for n, m, k, s in zip(
                    size, self.margins, self.kernel_size, self.strides, strict=True
                )
            ),
            self.filters,
        )

    def forward(self, x: F64) -> F64:
        self.padded = np.pad(x, [(0, 0), *self.margins, (0, 0)])
        self.windows = windows(self.padded, *self.kernel_size, self.strides)
        self.z = np.einsum("nijckl,klco->nijo", self.windows, self.large_kernel(), optimize=True)
        self.z += self.parameters.get("bias", 0.0)
        self.y = ACTIVATIONS[self.activation][0](self.z)
        return self.y

    def backward(self, dy: F64) -> F64:
        return self.backward_before_activation(ACTIVATIONS[self.activation][1](dy, self.z, self.y))

    def backward_before_activation(self, dz: F64) -> F64:
        large = np.einsum("nijckl,nijo->klco", self.windows, dz, optimize=True)
        self.gradients["kernel"] = large.flat[self.places()]
        if self.use_bias:
            self.gradients["bias"] = dz.sum(axis=(0, 1, 2))
        dx = np.zeros_like(self.padded)
        d_windows = np.einsum("nijo,klco->nijckl", dz, self.large_kernel())
        add_windows(dx, d_windows, self.strides)
        (top, bottom), (left, right) = self.margins
        return dx[:, top : dx.shape[1] - bottom, left : dx.shape[2] - right]


class Pool2D:
    """The largest value (the first of equals) or the mean of each window.

    What a window holds beside the image is left out, or counts as zeros in the mean.
    """

    def __init__(
        self,
        kind: str,
        pool_size=None,
        strides=None,
        padding="valid",
        pad=(0, 0),
        pad_after=(0, 0),
        counts_padding=False,
    ) -> None:
        self.kind, self.pool_size, self.strides = kind, pool_size, strides
        self.padding = padding, pad, pad_after
        self.counts_padding = counts_padding

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        self.parameters: dict[str, F64] = {}
        self.gradients: dict[str, F64] = {}
        *size, channels = input_shape
        self.flat = self.pool_size is None
        if self.flat:
            self.pool_size = self.strides = tuple(size)
        self.margins = margins(size, self.pool_size, self.strides, *self.padding)
        if self.flat:
            return (channels,)
        sizes = zip(size, self.margins, self.pool_size, self.strides, strict=True)
        return (*((n + sum(m) - k) // s + 1 for n, m, k, s in sizes), channels)

    def windows(self, x: F64, beside: float) -> F64:
        padded = np.pad(x, [(0, 0), *self.margins, (0, 0)], constant_values=beside)
        self.padded_shape = padded.shape
        return windows(padded, *self.pool_size, self.strides)

    def forward(self, x: F64) -> F64:
        view = self.windows(x, -np.inf if self.kind == "max" else 0.0)
        flat = view.reshape(*view.shape[:4], -1)
        self.view_shape = view.shape
        if self.kind == "max":
            self.weights = np.eye(flat.shape[-1])[flat.argmax(axis=-1)]
            flat = np.maximum(flat, -1e300)
        else:
            inside = self.windows(np.ones_like(x), 0.0).reshape(flat.shape)
            count = flat.shape[-1] if self.counts_padding else inside.sum(axis=-1, keepdims=True)
            self.weights = inside / count
        y = (flat * self.weights).sum(axis=-1)
        return y.reshape(len(y), -1) if self.flat else y

    def backward(self, dy: F64) -> F64:
        dx = np.zeros(self.padded_shape)
        dy = dy.reshape(self.view_shape[:4])
        add_windows(dx, (dy[..., None] * self.weights).reshape(self.view_shape), self.strides)
        (top, bottom), (left, right) = self.margins
        return dx[:, top : dx.shape[1] - bottom, left : dx.shape[2] - right]


class BatchNormalization:
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, per channel (the last axis).

    Mean and variance are the batch's while `training`, else their moving averages.
    """

    training = False

    def __init__(self, momentum: float, epsilon: float) -> None:
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        zeros, ones = np.zeros(input_shape[-1:]), np.ones(input_shape[-1:])
        self.parameters = {
            "gamma": ones.copy(),
            "beta": zeros.copy(),
            "moving_mean": zeros.copy(),
            "moving_variance": ones.copy(),
        }
        self.gradients = {name: np.zeros_like(p) for name, p in self.parameters.items()}
        return input_shape

    def forward(self, x: F64) -> F64:
        self.axes = tuple(range(x.ndim - 1))
        self.mean, self.variance = x.mean(axis=self.axes), x.var(axis=self.axes)
        mean, variance = self.mean, self.variance
        if not self.training:
            mean, variance = self.parameters["moving_mean"], self.parameters["moving_variance"]
        self.deviation = np.sqrt(variance + self.epsilon)
        self.normalized = (x - mean) / self.deviation
        return self.parameters["gamma"] * self.normalized + self.parameters["beta"]

    def backward(self, dy: F64) -> F64:
        n, axes = self.normalized, self.axes
        self.gradients["gamma"] = (dy * n).sum(axis=axes)
        self.gradients["beta"] = dy.sum(axis=axes)
        dn = dy * self.parameters["gamma"]
        if not self.training:
            return dn / self.deviation
        return (dn - dn.mean(axis=axes) - n * (dn * n).mean(axis=axes)) / self.deviation

    def move_averages(self) -> None:
        for name, of_batch in (("mean", self.mean), ("variance", self.variance)):
            moving = self.parameters[f"moving_{name}"]
            moving *= self.momentum
            moving += (1 - self.momentum) * of_batch


class LayerNormalization:
    """The same over the last axis of each pixel or row."""

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
        size = input_shape[-1:]
        self.parameters = {"gamma": np.ones(size), "beta": np.zeros(size)}
        self.gradients = {name: np.zeros_like(p) for name, p in self.parameters.items()}
        return input_shape

    def forward(self, x: F64) -> F64:
        self.deviation = np.sqrt(x.var(axis=-1, keepdims=True) + self.epsilon)
        self.normalized = (x - x.mean(axis=-1, keepdims=True)) / self.deviation
        return self.parameters["gamma"] * self.normalized + self.parameters["beta"]

    def backward(self, dy: F64) -> F64:
        n, axes = self.normalized, tuple(range(dy.ndim - 1))
        self.gradients["gamma"] = (dy * n).sum(axis=axes)
        self.gradients["beta"] = dy.sum(axis=axes)
        dn = dy * self.parameters["gamma"]
        means = dn.mean(axis=-1, keepdims=True), (dn * n).mean(axis=-1, keepdims=True)
        return (dn - means[0] - n * means[1]) / self.deviation
