"""From a network to the list of operations between an image and its probabilities."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from nncore import _core
from nncore.errors import ExportError
from nncore.interop.export.network import TrainedNetwork
from nncore.interop.export.operations import (
    Activate,
    Convolution,
    FromBytes,
    Logarithm,
    NearestDistribution,
    Operation,
    Product,
    Scale,
    Value,
)
from nncore.interop.export.recorder import Recorder
from nncore.layers import Shape
from nncore.layers.stack import LayerStack
from nncore.losses import SOFTMAX_LOSSES

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Program:
    """Operations in order, from `start` to `end`."""

    start: Value
    operations: Sequence[Operation]

    @property
    def end(self) -> Value:
        """What the last operation gives."""
        return self.operations[-1].output if self.operations else self.start

    @property
    def multiply_adds(self) -> int:
        """Of one image."""
        return sum(operation.multiply_adds for operation in self.operations)


def program_of(network: TrainedNetwork, dtype: str = "uint8") -> Program:
    """What `network` does to one image of bytes, or of floats as they are.

    Raises
    ------
    ExportError
        The network was trained on floats which bytes cannot be.
    """
    start = Value(0, network.input_shape)
    recorder = Recorder(start, network.weights)
    if dtype == "uint8":
        if network.bytes_refused is not None:
            raise ExportError(network.bytes_refused)
        _add_from_bytes(recorder, network)
    _add_layers(recorder, network.layers)
    _add_head(recorder, network)
    return Program(start, folded(recorder.operations))


def program_of_layers(
    layers: LayerStack, input_shape: Shape, weights: Mapping[str, F32]
) -> Program:
    """What the layers give for floats."""
    return Program(Value(0, input_shape), folded(recorded(layers, input_shape, weights)))


def recorded(
    layers: LayerStack, input_shape: Shape, weights: Mapping[str, F32]
) -> Sequence[Operation]:
    """The operations of the layers, each by itself."""
    recorder = Recorder(Value(0, input_shape), weights)
    _add_layers(recorder, layers)
    return recorder.operations


def folded(operations: Sequence[Operation]) -> list[Operation]:
    """The same with scales, such as batch normalizations make, in the weights before them.

    As the engine does: directly behind a convolution or Dense layer without activation. In float64,
    rounded once.
    """
    uses = Counter(value for operation in operations for value in operation.inputs)
    found: list[Operation] = []
    for operation in operations:
        before = found[-1] if found else None
        if (
            isinstance(operation, Scale)
            and isinstance(before, Convolution | Product)
            and before.output == operation.input
            and uses[before.output] == 1
        ):
            bias = np.zeros(len(operation.factors)) if before.bias is None else before.bias
            with np.errstate(over="ignore"):
                kernel = (before.kernel * operation.factors).astype(np.float32)
                offsets = (bias * operation.factors + operation.offsets).astype(np.float32)
            if np.isfinite(kernel).all() and np.isfinite(offsets).all():
                found[-1] = dataclasses.replace(
                    before, kernel=kernel, bias=offsets, output=operation.output
                )
                continue
        found.append(operation)
    return found


def _add_from_bytes(recorder: Recorder, network: TrainedNetwork) -> None:
    channels = network.input_shape[-1]
    factors, offsets = np.full(channels, 1 / 255), np.zeros(channels)
    if network.mean is not None and network.std is not None:
        factors, offsets = factors / network.std, -np.array(network.mean) / network.std
    recorder.append(
        FromBytes,
        "images",
        network.input_shape,
        factors=factors.astype(np.float32),
        offsets=offsets.astype(np.float32),
    )


def _add_layers(recorder: Recorder, layers: LayerStack) -> None:
    # It has the methods of the engine's builder that layers call.
    builder = cast(_core.Builder, recorder)
    for name, layer in zip(layers.names, layers.layers, strict=True):
        layer.append_to(builder, name, recorder.value.shape)


def _add_head(recorder: Recorder, network: TrainedNetwork) -> None:
    """From the outputs of the last layer to probabilities, calibrated as predictions are.

    The same as `nncore.training.answers.probabilities` does.
    """
    shape = recorder.value.shape
    ends_with_softmax = network.layers.output_activation() == "softmax"
    if not ends_with_softmax and network.loss not in SOFTMAX_LOSSES:
        recorder.append(NearestDistribution, "probabilities", shape)
        return
    if network.temperature != 1.0:
        if ends_with_softmax:
            recorder.append(Logarithm, "probabilities", shape)
        factors = np.full(shape, 1 / network.temperature)
        recorder.append(Scale, "probabilities", shape, factors=factors, offsets=np.zeros(shape))
    elif ends_with_softmax:
        return
    recorder.append(Activate, "probabilities", shape, activation="softmax")
