"""The seven works of the benchmarks: what is trained, on what, and how fast the machine could be.

A work is a network, a batch size and a data set, described once for every contender. Shapes are
those of Keras and nncore: images (height, width, channels), dense kernels (in, out), convolution
kernels (kernel height, kernel width, in, out).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Shape: TypeAlias = tuple[int, ...]

CLASSES = 10


@dataclass(frozen=True)
class Conv:
    """Convolution with stride 1 and bias, then ReLU. padding: "same" or "valid"."""

    filters: int
    size: int
    padding: str = "valid"


@dataclass(frozen=True)
class Pool:
    """The maximum of each 2x2 window; an odd last row or column is dropped."""


@dataclass(frozen=True)
class Flatten:
    """(H, W, C) to (H * W * C,), channels fastest."""


@dataclass(frozen=True)
class Dense:
    """Dense layer with bias, then ReLU unless it is the last one."""

    units: int
    relu: bool = True


Layer: TypeAlias = Conv | Pool | Flatten | Dense


@dataclass(frozen=True)
class LayerFacts:
    """One layer in its place: shapes of one sample, and multiply-adds of its forward pass."""

    layer: Layer
    input_shape: Shape
    output_shape: Shape
    kernel_shape: Shape | None  # None: no weights
    multiply_adds: int


@dataclass(frozen=True)
class Work:
    """A training task.

    Attributes
    ----------
    images
        Samples of the data set, a multiple of `batch`, so that every step has the same size.
    check_epochs
        Epochs after which the contenders' losses are compared.
    learning_rate
        Small enough that rounding errors do not grow: at 0.01 the losses of the convolutional works
        drift apart by 0.1 to 1% within 100 steps, whoever computes them.
    """

    name: str
    input_shape: Shape
    layers: tuple[Layer, ...]
    batch: int
    images: int
    check_epochs: int
    learning_rate: float

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return self.images // self.batch

    @property
    def is_mlp(self) -> bool:
        return all(isinstance(layer, Dense) for layer in self.layers)

    def facts(self) -> Iterator[LayerFacts]:
        """The layers with their shapes, in order."""
        shape = self.input_shape
        for layer in self.layers:
            facts = _facts(layer, shape)
            yield facts
            shape = facts.output_shape

    def step_flops(self) -> int:
        """Floating-point operations that one training step needs (a multiply-add is 2).

        Forward, weight gradient and input gradient take 2 per multiply-add each; nobody asks for
        the input gradient of the first layer. Bias, activation, pooling, loss and update are left
        out, and so is what pooling makes superfluous (zeros of the gradient): a limit for those who
        compute densely.
        """
        weighted = [facts.multiply_adds for facts in self.facts() if facts.kernel_shape]
        return self.batch * (4 * weighted[0] + 6 * sum(weighted[1:]))

    def limit_seconds(self, gflops: float) -> float:
        """Time of one step at a machine's measured peak of fused multiply-adds."""
        return self.step_flops() / (gflops * 1e9)


def _facts(layer: Layer, shape: Shape) -> LayerFacts:
    if isinstance(layer, Dense):
        (inputs,) = shape
        kernel = (inputs, layer.units)
        return LayerFacts(layer, shape, (layer.units,), kernel, math.prod(kernel))
    if isinstance(layer, Flatten):
        return LayerFacts(layer, shape, (math.prod(shape),), None, 0)
    height, width, channels = shape
    if isinstance(layer, Pool):
        return LayerFacts(layer, shape, (height // 2, width // 2, channels), None, 0)
    if layer.padding == "valid":
        height, width = height - layer.size + 1, width - layer.size + 1
    output = (height, width, layer.filters)
    conv_kernel = (layer.size, layer.size, channels, layer.filters)
    return LayerFacts(layer, shape, output, conv_kernel, height * width * math.prod(conv_kernel))


_LOGITS = Dense(CLASSES, relu=False)
_MLP_RATE, _CONV_RATE = 0.01, 0.001

_WORKS = (
    Work(
        "digits",
        (64,),
        (Dense(32), _LOGITS),
        batch=32,
        images=1792,
        check_epochs=10,
        learning_rate=_MLP_RATE,
    ),
    Work(
        "mlp128",
        (784,),
        (Dense(128), _LOGITS),
        batch=32,
        images=8192,
        check_epochs=1,
        learning_rate=_MLP_RATE,
    ),
    Work(
        "mlp512",
        (784,),
        (Dense(512), Dense(512), _LOGITS),
        batch=64,
        images=4096,
        check_epochs=1,
        learning_rate=_MLP_RATE,
    ),
    Work(
        "lenet",
        (28, 28, 1),
        (
            *(Conv(6, 5, "same"), Pool()),
            *(Conv(16, 5), Pool()),
            *(Flatten(), Dense(120), Dense(84), _LOGITS),
        ),
        batch=32,
        images=4096,
        check_epochs=1,
        learning_rate=_CONV_RATE,
    ),
    Work(
        "cnn28",
        (28, 28, 1),
        (Conv(32, 3), Pool(), Conv(64, 3), Pool(), Flatten(), _LOGITS),
        batch=128,
        images=2048,
        check_epochs=2,
        learning_rate=_CONV_RATE,
    ),
    Work(
        "cifar",
        (32, 32, 3),
        (Conv(32, 3), Pool(), Conv(64, 3), Pool(), Conv(64, 3), Flatten(), Dense(64), _LOGITS),
        batch=32,
        images=1024,
        check_epochs=1,
        learning_rate=_CONV_RATE,
    ),
    Work(
        "photo64",
        (64, 64, 3),
        (
            *(Conv(32, 3, "same"), Conv(32, 3, "same"), Pool()),
            *(Conv(64, 3, "same"), Conv(64, 3, "same"), Pool()),
            *(Conv(128, 3, "same"), Pool()),
            *(Flatten(), _LOGITS),
        ),
        batch=32,
        images=128,
        check_epochs=2,
        learning_rate=_CONV_RATE,
    ),
)
WORKS = {work.name: work for work in _WORKS}


def make_data(work: Work, seed: int = 0) -> tuple[F32, NDArray[np.int32]]:
    """Images (N, *input_shape) and labels (N,) that can be learned, from noise.

    Pixels are bytes over 255. Each class has a random picture of its own, mixed half and half with
    each image's noise: the loss falls within a few steps, so that a contender that does other work
    than the rest shows.
    """
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, work.images, dtype=np.int32)
    pictures = random.integers(0, 256, (CLASSES, *work.input_shape), dtype=np.int32)
    noise = random.integers(0, 256, (work.images, *work.input_shape), dtype=np.int32)
    images = ((pictures[labels] + noise) // 2).astype(np.uint8)
    return images.astype(np.float32) / np.float32(255), labels


def make_weights(work: Work, seed: int = 0) -> list[F32]:
    """Kernel and bias of each layer in order: He-uniform kernels, zero biases."""
    random = np.random.default_rng([seed, 1])
    weights = []
    for facts in work.facts():
        if facts.kernel_shape is None:
            continue
        limit = math.sqrt(6 / math.prod(facts.kernel_shape[:-1]))
        weights.append(random.uniform(-limit, limit, facts.kernel_shape).astype(np.float32))
        weights.append(np.zeros(facts.kernel_shape[-1], np.float32))
    return weights
