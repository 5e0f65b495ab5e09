"""What is exported: a network with its weights and all that belongs to its probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import ExportError
from nncore.layers import Shape
from nncore.layers.stack import LayerStack

F32 = NDArray[np.float32]
INPUTS = ("uint8", "float32")


@dataclass(frozen=True)
class TrainedNetwork:
    """A network that gives probabilities.

    Attributes
    ----------
    name
        Of the model.
    layers
        Its descriptions.
    input_shape
        Of one image, (H, W, C), or (features,).
    weights
        Parameters by their full names, in the order of the layers.
    mean, std
        What bytes are brought to, where 255 is 1: (x / 255 - mean) / std. None: x / 255.
    bytes_refused
        Why the network cannot take bytes; None where it can.
    loss, temperature
        As of `Sequential`.
    classes
        Names in the order of the outputs.
    preprocessing
        How pictures become images, as `Preprocessing.to_dict`; None where nobody knows.
    """

    name: str
    layers: LayerStack
    input_shape: Shape
    weights: Mapping[str, F32]
    mean: Sequence[float] | None
    std: Sequence[float] | None
    bytes_refused: str | None
    loss: str
    temperature: float
    classes: Sequence[str]
    preprocessing: Mapping[str, Any] | None

    def check_weights(self) -> None:
        """ExportError where a weight is not finite."""
        for name, value in self.weights.items():
            if not np.isfinite(value).all():
                raise ExportError(
                    f"{name} holds NaN or infinity, so the model is not worth exporting; train it "
                    "again"
                )
