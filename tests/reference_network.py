"""A float64 network in plain NumPy: the oracle against which the C++ engine is tested.

It has the methods of `nncore._core.Network` and shares no code with nncore. (Its first weights are
its own: it ignores the initializer.) A new kind of layer is one more class in `reference_layers`
and one more `add_...` method. Slow and simple on purpose.

Shapes: N images, K classes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reference_activations import log_softmax, softmax
from reference_blocks import Block, Layer
from reference_layers import (
    F64,
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    LayerNormalization,
    Pool2D,
    Rescaling,
)


class SGD:
    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate


class ReferenceNetwork:
    """`nncore._core.Network` in float64; images uint8 or floats, targets (N,) or (N, K)."""

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        self.input_shape = tuple(input_shape)
        self.layers: dict[str, Layer] = {}  # in order; those of a block are in the block
        self.every: dict[str, Layer] = {}  # those as well
        self.blocks: list[tuple[str, Block]] = []  # begun and not ended
        self.penalties: dict[str, tuple[float, float]] = {}  # l1 and l2 by layer
        self.mean: F64 | None = None
        self.std: F64 | None = None
        self.outputs: dict[str, F64] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    # -- description

    def add(self, name: str, layer: Layer) -> None:
        self.every[name] = layer
        (self.blocks[-1][1].branches[-1] if self.blocks else self.layers)[name] = layer

    def add_dense(
        self,
        name: str,
        units: int,
        activation: str = "linear",
        use_bias: bool = True,
        kernel_initializer: str = "",
        l1: float = 0.0,
        l2: float = 0.0,
    ) -> None:
        self.add(name, Dense(units, activation, use_bias))
        self.penalties[name] = (l1, l2)

    def add_conv2d(
        self,
        name: str,
        filters: int,
        kernel_size: tuple[int, int],
        strides: tuple[int, int] = (1, 1),
        padding: str = "valid",
        pad: tuple[int, int] = (0, 0),
        activation: str = "linear",
        use_bias: bool = True,
        dilation_rate: tuple[int, int] = (1, 1),
        groups: int = 1,
        kernel_initializer: str = "",
        l1: float = 0.0,
        l2: float = 0.0,
        pad_after: tuple[int, int] | None = None,
    ) -> None:
        self.add(
            name,
            Conv2D(
                filters,
                kernel_size,
                strides,
                padding,
                pad,
                activation,
                use_bias,
                dilation_rate,
                groups,
                pad_after,
            ),
        )
        self.penalties[name] = (l1, l2)

    def add_max_pool2d(
        self,
        name: str,
        pool_size: tuple[int, int],
        strides: tuple[int, int],
        padding: str = "valid",
        pad: tuple[int, int] = (0, 0),
        pad_after: tuple[int, int] = (0, 0),
    ) -> None:
        self.add(name, Pool2D("max", pool_size, strides, padding, pad, pad_after))

    def add_average_pool2d(
        self,
        name: str,
        pool_size: tuple[int, int],
        strides: tuple[int, int],
        padding: str = "valid",
        pad: tuple[int, int] = (0, 0),
        pad_after: tuple[int, int] = (0, 0),
        counts_padding: bool = False,
    ) -> None:
        self.add(
            name,
            Pool2D("average", pool_size, strides, padding, pad, pad_after, counts_padding),
        )

    def add_global_average_pool2d(self, name: str) -> None:
        self.add(name, Pool2D("average"))

    def add_flatten(self, name: str) -> None:
        self.add(name, Flatten())

    def add_activation(self, name: str, activation: str) -> None:
        self.add(name, Activation(activation))

    def add_dropout(self, name: str, rate: float) -> None:
        """Of inference alone, where nothing is dropped."""
        self.add(name, Activation("linear"))

    def add_batch_normalization(self, name: str, momentum: float, epsilon: float) -> None:
        self.add(name, BatchNormalization(momentum, epsilon))

    def add_layer_normalization(self, name: str, epsilon: float) -> None:
        self.add(name, LayerNormalization(epsilon))

    def begin_block(self, name: str, join: str) -> None:
        self.blocks.append((name, Block(join, self.outputs, self.shapes)))

    def next_branch(self) -> None:
        self.blocks[-1][1].branches.append({})

    def end_block(self, activation: str = "linear") -> None:
        name, block = self.blocks.pop()
        block.activation = activation
        self.add(name, block)

    def add_rescaling(self, name: str, scale: list[float], offset: list[float]) -> None:
        self.add(name, Rescaling(scale, offset))

    def build(self, seed: int) -> ReferenceNetwork:
        rng = np.random.default_rng(seed)
        shape = self.input_shape
        for name, layer in self.layers.items():
            shape = self.shapes[name] = layer.build(shape, rng)
        (self.output_size,) = shape
        return self

    def set_input_normalization(self, mean: F64, std: F64) -> None:
        self.mean, self.std = np.asarray(mean, np.float64), np.asarray(std, np.float64)

    def layer_names(self) -> list[str]:
        return list(self.every)

    def layer_output_shape(self, layer: str) -> tuple[int, ...]:
        return self.shapes[layer]

    def stages(self) -> list[str]:
        return [f"{name}: {type(layer).__name__}" for name, layer in self.every.items()]

    # -- parameters and gradients, named "<layer>/<parameter>"

    def parameter_names(self) -> list[str]:
        return [f"{name}/{p}" for name, layer in self.every.items() for p in layer.parameters]

    @property
    def parameter_count(self) -> int:
        return sum(self.get_parameter(name).size for name in self.parameter_names())

    def get_parameter(self, name: str) -> F64:
        layer, _, parameter = name.rpartition("/")
        return self.every[layer].parameters[parameter].copy()

    def set_parameter(self, name: str, value: F64) -> None:
        layer, _, parameter = name.rpartition("/")
        value = np.array(value, np.float64)
        if value.shape != self.every[layer].parameters[parameter].shape:
            raise ValueError(f"{name}: shape {value.shape}")
        self.every[layer].parameters[parameter] = value

    def get_gradient(self, name: str) -> F64:
        layer, _, parameter = name.rpartition("/")
        return self.every[layer].gradients[parameter].copy()

    def set_gradient(self, name: str, value: F64) -> None:
        layer, _, parameter = name.rpartition("/")
        self.every[layer].gradients[parameter] = np.array(value, np.float64)

    # -- computation

    def inputs(self, images: NDArray) -> F64:
        """The images as the first layer sees them."""
        if images.dtype != np.uint8:
            return images.astype(np.float64)
        x = images.astype(np.float64) / 255.0
        return x if self.mean is None else (x - self.mean) / self.std

    def forward(self, images: NDArray, training: bool = False) -> F64:
        for layer in self.every.values():
            if isinstance(layer, BatchNormalization):
                layer.training = training
        x = self.inputs(images)
        for name, layer in self.layers.items():
            x = self.outputs[name] = layer.forward(x)
        return x

    def layer_output(self, layer: str) -> F64:
        return self.outputs[layer].copy()

    def look(self, layer: str, images: NDArray, classes: NDArray) -> tuple[F64, F64]:
        """What a layer gives in inference, and how each image's score for its class changes with
        that; the score is what stands before the last activation."""
        self.forward(images)
        asked, gradients = self.every[layer], []
        backward = asked.backward
        asked.backward = lambda dy: backward(gradients.append(dy) or dy)
        try:
            *before, last = self.layers.values()
            scores = getattr(last, "backward_before_activation", last.backward)
            dx = scores(self.true_outputs(classes))
            for one in reversed(before):
                dx = one.backward(dx)
        finally:
            del asked.backward
        (gradient,) = gradients
        return self.layer_output(layer), gradient

    def true_outputs(self, targets: NDArray) -> F64:
        """Targets (N, K) from class indices (N,)."""
        if targets.ndim == 2:
            return targets.astype(np.float64)
        return np.eye(self.output_size)[targets]

    def log_probabilities(self, outputs: F64) -> F64:
        """log softmax of the outputs; where they are a softmax already, of what went into it."""
        last = list(self.layers.values())[-1]
        fused = getattr(last, "activation", None) == "softmax"
        return log_softmax(last.z if fused else outputs)

    def sample_losses(self, outputs: F64, true: F64, loss: str) -> F64:
        """(N,) the loss of each image, before any mean or sum over the batch."""
        if loss == "cross_entropy":
            logs = self.log_probabilities(outputs)
            return -np.where(true == 0, 0.0, true * logs).sum(axis=1)
        if loss == "focal":
            logs = self.log_probabilities(outputs)
            return -np.where(true == 0, 0.0, true * (1 - np.exp(logs)) ** 2 * logs).sum(axis=1)
        return ((true - outputs) ** 2).sum(axis=1)

    def compute_gradients(self, images: NDArray, targets: NDArray, loss: str) -> float:
        outputs, true = self.forward(images, training=True), self.true_outputs(targets)
        losses = self.sample_losses(outputs, true, loss)
        layers = list(self.layers.values())
        last = layers[-1]
        if loss in ("cross_entropy", "focal"):
            # The same formula with and without a softmax layer: it is the gradient at the logits.
            fused = getattr(last, "activation", None) == "softmax"
            p = outputs if fused else softmax(outputs)
            if loss == "cross_entropy":
                dy = (p * true.sum(axis=1, keepdims=True) - true) / len(true)
            else:
                # By each p first, then through the softmax.
                dp = true * (2 * (1 - p) * np.log(p) - (1 - p) ** 2 / p)
                dy = p * (dp - (dp * p).sum(axis=1, keepdims=True)) / len(true)
            dx = last.backward_before_activation(dy) if fused else last.backward(dy)
        else:
            dy = 2.0 * (outputs - true) / (len(true) if loss == "mse" else 1)
            dx = last.backward(dy)
        for layer in reversed(layers[:-1]):
            dx = layer.backward(dx)
        for name, (l1, l2) in self.penalties.items():
            kernel = self.every[name].parameters["kernel"]
            self.every[name].gradients["kernel"] += l1 * np.sign(kernel) + 2.0 * l2 * kernel
        return float(losses.sum() if loss == "sse" else losses.mean()) + self.penalty()

    def penalty(self) -> float:
        """What the penalties of the kernels add to the loss of a batch."""
        return sum(
            l1 * float(np.abs(kernel).sum()) + l2 * float((kernel * kernel).sum())
            for kernel, l1, l2 in (
                (self.every[name].parameters["kernel"], *rates)
                for name, rates in self.penalties.items()
            )
        )

    def apply_gradients(self, optimizer: SGD) -> None:
        for layer in self.every.values():
            for name, gradient in layer.gradients.items():
                layer.parameters[name] = layer.parameters[name] - optimizer.learning_rate * gradient
            if isinstance(layer, BatchNormalization):
                layer.move_averages()

    def train_steps(
        self,
        images: NDArray,
        targets: NDArray,
        indices: NDArray[np.int32],
        batch_size: int,
        loss: str,
        optimizer: SGD,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        losses, correct = [], []
        for start in range(0, len(indices), batch_size):
            batch = indices[start : start + batch_size]
            losses.append(self.compute_gradients(images[batch], targets[batch], loss))
            outputs = self.outputs[list(self.layers)[-1]]
            true = self.true_outputs(targets[batch])
            correct.append(int((outputs.argmax(axis=1) == true.argmax(axis=1)).sum()))
            if not math.isfinite(losses[-1]):
                break
            self.apply_gradients(optimizer)
        return np.array(losses, np.float64), np.array(correct, np.int64)

    def evaluate(self, images: NDArray, targets: NDArray, loss: str) -> tuple[F64, F64]:
        outputs = self.forward(images)
        return outputs, self.sample_losses(outputs, self.true_outputs(targets), loss)
