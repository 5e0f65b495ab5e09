"""Fixed scaling of values: Rescaling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nncore.arguments import check_number
from nncore.layers.base import Layer, Shape

if TYPE_CHECKING:
    from nncore import _core

Factors = float | tuple[float, ...]

_LARGEST = 3.4028234663852886e38  # of float32


@dataclass(frozen=True)
class Rescaling(Layer):
    """``y = x * scale + offset``, in training and prediction alike; nothing of it is trained.

    As the first layer it carries the scaling of float inputs with the model:
    ``Rescaling(1 / 127.5, -1)`` takes values from 0 to 255 to [-1, 1]. Byte images (uint8, files)
    need none: they reach the first layer scaled to [0, 1] already.

    Parameters
    ----------
    scale, offset
        A number, or one per channel (the last axis).
    name
        By default "rescaling", "rescaling_1", ...

    Raises
    ------
    ValueError, TypeError
        Not finite (as float32) or no numbers; in `output_shape`, as many as there are no channels.
    """

    scale: Factors
    offset: Factors = 0.0
    name: str | None = None

    def __post_init__(self) -> None:
        for field in ("scale", "offset"):
            self._set(field, _factors(f"Rescaling: {field}", getattr(self, field)))
        super().__post_init__()

    def output_shape(self, input_shape: Shape) -> Shape:
        for field in ("scale", "offset"):
            value = getattr(self, field)
            if isinstance(value, tuple) and len(value) != input_shape[-1]:
                raise ValueError(
                    f"Rescaling: {field} has {len(value)} values, but inputs of shape "
                    f"{input_shape} have {input_shape[-1]} channels"
                )
        return input_shape

    def add_to(self, network: _core.Builder, name: str, input_shape: Shape) -> None:
        network.add_rescaling(name, _values(self.scale), _values(self.offset))


def _factors(what: str, value: object) -> Factors:
    if isinstance(value, Iterable) and not isinstance(value, str):
        values = tuple(check_number(what, v, low=-_LARGEST, high=_LARGEST) for v in value)
        if not values:
            raise ValueError(f"{what} must be a number or one per channel, not empty")
        return values
    return check_number(what, value, low=-_LARGEST, high=_LARGEST)


def _values(value: Factors) -> list[float]:
    return list(value) if isinstance(value, tuple) else [value]
