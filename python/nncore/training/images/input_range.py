"""Whether images hold values like those that a model was trained on; what contradicts it is said.

Bytes (uint8) are scaled by the network, floats are used as they are. Pictures as floats from 0 to
255 where 0 to 1 is meant, or the other way round, have the right shape and give wrong answers.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore.data.mapped import MappedImages
from nncore.layers import BatchNormalization, Flatten, LayerNormalization, Rescaling

if TYPE_CHECKING:
    from nncore.data.preprocessing import Preprocessing
    from nncore.layers import Layer
    from nncore.training.images.arrays import ImagesOrMapped

_LARGE = 30.0  # no standardised value, and few rates of learning, reach so far
_SMALL = 0.05  # what scaling twice leaves of a range
_BYTE = np.dtype(np.uint8)
_FEW = 64  # images that tell whether bytes are bytes

Limits = tuple[float, float]
ANY: Limits = (float(np.finfo(np.float32).min), float(np.finfo(np.float32).max))


@dataclass(frozen=True)
class InputRange:
    """What a model was trained on: bytes, or floats from `low` to `high`."""

    bytes: bool
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def of(cls, images: ImagesOrMapped) -> InputRange:
        """That of training images."""
        if images.dtype == np.uint8:
            return cls(True)
        array = np.asarray(images)
        return cls(False, float(array.min()), float(array.max()))

    def at_first_layer(self, preprocessing: Preprocessing | None) -> tuple[float, float]:
        """From where to where the values go that the first layer has seen."""
        if not (self.bytes and preprocessing and preprocessing.mean and preprocessing.std):
            return self.low, self.high
        pairs = list(zip(preprocessing.mean, preprocessing.std, strict=True))
        return min(-mean / std for mean, std in pairs), max((1 - mean) / std for mean, std in pairs)

    def bytes_refused(self) -> str | None:
        """Why bytes, which become 0 to 1, cannot stand for these; None where they can."""
        if self._is_unit:
            return None
        return (
            f"this model was trained on floats from {self.low:.4g} to {self.high:.4g}, and bytes "
            'become 0 to 1: export it for floats as they are, by input="float32" (--input float32)'
        )

    def plain(self, dtype: np.dtype[Any], preprocessing: Preprocessing | None) -> Limits | None:
        """Between which floats nothing can contradict it; None where a closer look is needed."""
        if dtype == _BYTE:
            return ANY if self._is_unit else None
        if self.bytes and preprocessing is not None and preprocessing.mean:
            return None
        return self._plain_floats

    @cached_property
    def _is_unit(self) -> bool:
        """Whether bytes suit it, which become 0 to 1."""
        return self.bytes or (self.low >= -0.1 and self.high <= 2)

    @cached_property
    def _plain_floats(self) -> Limits | None:
        # Where the usual is large, small values are odd, too.
        if max(abs(self.low), abs(self.high)) > _LARGE:
            return None
        return _tolerated(self.low, self.high)

    def contradiction(
        self, images: ImagesOrMapped, preprocessing: Preprocessing | None
    ) -> str | None:
        """What is odd about images for a model that was trained on these, and what to do."""
        low, high = self.at_first_layer(preprocessing)
        trained = (
            "bytes (uint8)" if self.bytes else f"floats from {self.low:.4g} to {self.high:.4g}"
        )
        if images.dtype == np.uint8:
            if self._is_unit:
                return None
            return (
                "x is uint8, which the network scales to the range 0 to 1, but it was trained on "
                f"{trained}: prepare these images as those were"
            )
        array = np.asarray(images)
        first, last = float(array.min()), float(array.max())
        found = f"x holds floats from {first:.4g} to {last:.4g}, but the network was trained on"
        most = max(abs(first), abs(last))
        lowest, highest = _tolerated(low, high)
        if first < lowest or last > highest:
            what = _advice(first, last, self.bytes, normalized=low < -0.3)
            return f"{found} {trained}{self._meant(low, high)}: {what}"
        if first == last:
            return None
        usual = max(abs(low), abs(high))
        if usual > _LARGE and 50 * most < usual and (array != np.rint(array)).any():
            return f"{found} {trained}: bring them to the same range"
        if self.bytes and low < -0.3 and first >= 0 and 0.2 < last <= 1:
            return (
                f"{found} {trained}, whose mean and deviation the network takes off, so that their "
                f"range is{_span(low, high)}; with floats it does not: give uint8, or take them "
                "off in the same way"
            )
        return None

    def _meant(self, low: float, high: float) -> str:
        return f", for which the range of floats is{_span(low, high)}" if self.bytes else ""


def _tolerated(low: float, high: float) -> Limits:
    """Between which values images of another day may be. None of those that a model knows was below
    zero: then -1 to 1 is another range."""
    width = (high - low) or 1.0
    return low - (width / 4 if low >= 0 else width), high + width


def warn_of_values(
    known: InputRange, images: ImagesOrMapped, preprocessing: Preprocessing | None
) -> None:
    """A UserWarning where images contradict what a model was trained on."""
    said = known.contradiction(images, preprocessing)
    if said is not None:
        warnings.warn(said, stacklevel=2)


def warn_of_training_values(images: ImagesOrMapped, layers: Sequence[Layer]) -> None:
    """A UserWarning where images can hardly be trained on by layers that know none yet."""
    if _has_channels_first(images.shape) and not isinstance(layers[0], Flatten):
        warnings.warn(
            f"x has shape {tuple(images.shape)}, which is read as images of "
            f"{images.shape[1]}x{images.shape[2]} pixels with {images.shape[3]} channels: if the "
            f"{images.shape[1]} is the number of channels, move it last by x.transpose(0, 2, 3, 1)",
            stacklevel=2,
        )
    scaled = _scaled(layers)
    if scaled is None:
        return
    scale, rescaled = scaled
    if images.dtype == np.uint8:
        if rescaled is not None and scale < _SMALL:
            warnings.warn(
                f"x is uint8, which the network scales to the range 0 to 1 by itself, and the "
                f"layer Rescaling scales that once more, to a range of {scale:.2g}: leave the "
                "layer out, or give floats",
                stacklevel=2,
            )
        elif not isinstance(images, MappedImages) and images[:_FEW].max() == images.max() == 1:
            warnings.warn(
                "x is uint8 and holds nothing but 0 and 1, in a range where 255 is white: "
                "multiply by 255, or give floats (.astype('float32'))",
                stacklevel=2,
            )
        return
    if rescaled is not None:
        return
    array = np.asarray(images)
    low, high = float(array.min()), float(array.max())
    if max(abs(low), abs(high)) > _LARGE:
        warnings.warn(
            f"x holds floats from {low:.4g} to {high:.4g}, which are used as they are; training "
            f"goes best in a range such as 0 to 1: {_advice(low, high, True)}",
            stacklevel=2,
        )


def _has_channels_first(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[1] in (1, 3) and shape[2] >= 8 and shape[3] >= 8


def _scaled(layers: Sequence[Layer]) -> tuple[float, Rescaling | None] | None:
    """By what the first layers multiply, and the one that does; None where they suit any range."""
    scale, rescaled = 1.0, None
    for layer in layers:
        if isinstance(layer, (BatchNormalization, LayerNormalization)):
            return None
        if isinstance(layer, Rescaling):
            rescaled = layer
            factors = layer.scale if isinstance(layer.scale, tuple) else (layer.scale,)
            scale *= max(map(abs, factors))
        elif not isinstance(layer, Flatten):
            break
    return scale, rescaled


def _span(low: float, high: float) -> str:
    return f" {low:.3g} to {high:.3g}"


def _advice(low: float, high: float, bytes_help: bool, normalized: bool = False) -> str:
    if bytes_help and normalized:  # divided by 255 they would be as wrong
        return "give uint8, of which the network takes mean and deviation off"
    if low < 0 or high > 255.5:
        return "bring them to that range" if not bytes_help else "scale them, for example to 0 to 1"
    if bytes_help:
        return "give uint8 (scaled by the network), or divide by 255"
    return "divide by 255, or prepare them as those were"
