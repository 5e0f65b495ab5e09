"""Layers in a row, made fewer: activations, biases and factors go into the layer before them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nncore.interop.onnx_import.branches import with_branches
from nncore.interop.onnx_import.steps import Part, f32
from nncore.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    Rescaling,
    Residual,
)

_KERNELS = (Conv2D, DepthwiseConv2D, Dense)
# What a Residual computes together with its sum.
_OF_SUMS = ("relu", "relu6", "leaky_relu", "hard_sigmoid", "sigmoid", "tanh")


def fused(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The same function with fewer layers."""
    found: list[Part] = []
    for part in parts:
        together = _together(found[-1], part) if found else None
        if together is None:
            found.append(part)
        else:
            found[-1] = together
    return tuple(found)


def without_normalizations(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The same function with each batch normalization in the weights of the layer before it.

    Its statistics are part of them then, and stay. Others, with no such layer before them, become
    fixed factors.
    """
    found: list[Part] = []
    for part in parts:
        if part.branches:
            part = with_branches(part, [without_normalizations(one) for one in part.branches])
        elif isinstance(part.layer, BatchNormalization):
            scale, offset = _as_line(part)
            if found and _is_linear(found[-1].layer):
                found[-1] = _scaled(found[-1], scale, offset)
                continue
            part = Part(Rescaling(_factors(scale), _factors(offset)))
        found.append(part)
    return fused(found)


def _as_line(part: Part) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and offset of a batch normalization in prediction."""
    assert isinstance(part.layer, BatchNormalization)
    gamma, beta, mean, variance = (
        part.parameters[name].astype(np.float64)
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + part.layer.epsilon)
    return scale, beta - mean * scale


def _together(first: Part, second: Part) -> Part | None:
    layer, behind = first.layer, second.layer
    if isinstance(behind, Activation):
        return _with_activation(first, behind.activation)
    if not isinstance(behind, Rescaling):
        return None
    if isinstance(layer, Rescaling):
        scale = _array(layer.scale) * _array(behind.scale)
        offset = _array(layer.offset) * _array(behind.scale) + _array(behind.offset)
        return Part(dataclasses.replace(layer, scale=_factors(scale), offset=_factors(offset)))
    if _is_linear(layer):
        return _scaled(first, _array(behind.scale), _array(behind.offset))
    return None


def _with_activation(part: Part, activation: str) -> Part | None:
    layer = part.layer
    if isinstance(layer, Residual):
        fits = layer.activation == "linear" and activation in _OF_SUMS
    else:
        fits = _is_linear(layer) and (activation != "softmax" or isinstance(layer, Dense))
    if not fits:
        return None
    with_it = dataclasses.replace(layer, activation=activation)  # type: ignore[type-var]
    return dataclasses.replace(part, layer=with_it)


def _is_linear(layer: Layer) -> bool:
    """Whether it has a kernel and nothing behind it."""
    return isinstance(layer, _KERNELS) and layer.activation == "linear"


def _scaled(part: Part, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> Part:
    """A layer with a kernel, and what is done to each of its channels behind it."""
    kernel = part.parameters["kernel"]
    bias = part.parameters.get("bias", np.zeros(kernel.shape[-1], np.float32))
    found = {
        "kernel": f32(kernel.astype(np.float64) * scale),
        "bias": f32(bias.astype(np.float64) * scale + offset),
    }
    layer = dataclasses.replace(part.layer, use_bias=True)  # type: ignore[type-var]
    return Part(layer, found)


def _array(factors: float | tuple[float, ...]) -> NDArray[np.float64]:
    return np.asarray(factors, np.float64)


def _factors(values: NDArray[np.float64]) -> float | tuple[float, ...]:
    return tuple(values.tolist()) if values.ndim else float(values)
