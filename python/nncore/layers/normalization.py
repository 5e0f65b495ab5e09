"""Layers that bring their inputs to mean 0 and variance 1, then scale and shift them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from nncore.layers.base import Layer, Shape

if TYPE_CHECKING:
    from nncore import _core


@dataclass(frozen=True)
class BatchNormalization(Layer):
    """Bring each channel to mean 0 and variance 1 over the batch, then scale and shift it.

    ``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta``, where a channel is the last axis
    of an image or one feature of a row. In training mean and variance are those of the batch, over
    all its images and their pixels; in prediction their moving averages. Directly behind a
    convolution or Dense layer without activation, prediction folds all this into the weights of
    that layer and costs nothing.

    Parameters ``gamma``, ``beta`` are trained; ``moving_mean``, ``moving_variance`` are measured:
    after each step ``moving = momentum * moving + (1 - momentum) * of the batch``. The variance is
    divided by the number of pixels in the batch, as in Keras (PyTorch's moving variance divides by
    one less).
    Source: Ioffe and Szegedy, "Batch Normalization", ICML 2015.

    Parameters
    ----------
    momentum
        Of the moving averages, at least 0 and below 1. (PyTorch's momentum is 1 minus this.) With
        fewer than some hundred steps in all, 0.9 suits better than the default.
    epsilon
        Added to the variance, above 0 and below 1.
    name
        By default "batch_normalization", "batch_normalization_1", ...
    trainable
        If not, nothing of it changes, and training uses the moving averages as prediction does, as
        in Keras; and folds them into the weights before it, as prediction does.
    """

    later_fields: ClassVar = frozenset({"trainable"})

    momentum: float = 0.99
    epsilon: float = 1e-3
    name: str | None = None
    trainable: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        self._check_number("momentum", low=0, below=1)
        self._check_number("epsilon", above=0, below=1)
        super().__post_init__()

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        return {name: input_shape[-1:] for name in names}

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        network.add_batch_normalization(name, self.momentum, self.epsilon)


@dataclass(frozen=True)
class LayerNormalization(Layer):
    """Bring each pixel (or row) to mean 0 and variance 1 over its channels, then scale and shift.

    ``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with one trained ``gamma`` and
    ``beta`` per channel. It does the same in training and in prediction.
    Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.

    Parameters
    ----------
    epsilon
        Added to the variance, above 0 and below 1.
    trainable
        Whether ``gamma`` and ``beta`` are trained.
    name
        By default "layer_normalization", "layer_normalization_1", ...
    """

    later_fields: ClassVar = frozenset({"trainable"})

    epsilon: float = 1e-3
    name: str | None = None
    trainable: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        self._check_number("epsilon", above=0, below=1)
        super().__post_init__()

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {name: input_shape[-1:] for name in ("gamma", "beta")}

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        network.add_layer_normalization(name, self.epsilon)
