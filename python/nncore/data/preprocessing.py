"""How a picture becomes the model's input: recorded with the data set and in the model file."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from nncore.arguments import check_int

COLORS = ("rgb", "gray")
RESIZES = ("bilinear-antialias",)
FITS = ("stretch", "crop", "pad")
SIXTEEN_BITS = ("scale",)
FLOATS = ("range",)
MAX_SIDE = 16384


@dataclass(frozen=True)
class Preprocessing:
    """Everything that decoding a picture depends on.

    Parameters
    ----------
    height, width
        Size of the model's input in pixels.
    color
        ``"rgb"``, or ``"gray"``: ITU-R 601 luma, 0.299 R + 0.587 G + 0.114 B.
    resize
        ``"bilinear-antialias"``: a triangle filter widened by the reduction factor (Pillow's
        BILINEAR), plain bilinear when enlarging. A JPEG at least six times the model's size in
        both directions is first reduced inside the JPEG decoder (by 2, 4 or 8, never below three
        times the model's size), which changes the result by a third of a level of 255 on average.
    fit
        What happens to pictures of another aspect ratio. ``"stretch"``: they are scaled to
        height x width all the same. ``"crop"``: they are scaled until they cover it, and what
        sticks out is cut off at both ends, in one step (Pillow's `ImageOps.fit`). ``"pad"``: they
        are scaled until they lie within it, in whole pixels, and the rest is filled at both ends.
    alpha_background
        Red, green, blue (0..255) behind transparent pixels and beside padded pictures; white by
        default.
    sixteen_bit
        ``"scale"``: 16 bits per channel, gray (also 32-bit integers up to 65535) or colour (PNG and
        TIFF), become round(value / 257).
    floating_point
        ``"range"``: white is the first of 1, 255 and 65535 that no pixel of the picture exceeds,
        black is 0. Where pixels are negative or above 65535 (or 32-bit integers are), the
        picture's own smallest and largest value are black and white. NaN is black.
    mean, std
        None, or one number per channel, on the scale of the network's input where uint8 255 is
        1.0; the network computes (x / 255 - mean) / std.

    Raises
    ------
    TypeError
        A field of the wrong type.
    ValueError
        An unknown name or a number out of range; the field is named.
    """

    height: int
    width: int
    color: str
    resize: str = "bilinear-antialias"
    fit: str = "stretch"
    alpha_background: tuple[int, int, int] = (255, 255, 255)
    sixteen_bit: str = "scale"
    floating_point: str = "range"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            object.__setattr__(self, name, check_int(name, getattr(self, name), 1, MAX_SIDE))
        for name, known in (
            ("color", COLORS),
            ("resize", RESIZES),
            ("fit", FITS),
            ("sixteen_bit", SIXTEEN_BITS),
            ("floating_point", FLOATS),
        ):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a string, not {value!r}")
            if value not in known:
                raise ValueError(f"{name} is {value!r}; known: {', '.join(known)}")
        background = check_background("alpha_background", self.alpha_background)
        object.__setattr__(self, "alpha_background", background)
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std must be given together or both be None")
        for name in ("mean", "std"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, self._per_channel(name, getattr(self, name)))

    def _per_channel(self, name: str, values: Any) -> tuple[float, ...]:
        if not isinstance(values, (tuple, list)) or not all(
            isinstance(value, (int, float)) and not isinstance(value, bool) for value in values
        ):
            raise TypeError(f"{name} must be a tuple of numbers, not {values!r}")
        if len(values) != self.channels:
            raise ValueError(
                f"{name} needs {self.channels} numbers for color={self.color!r}, not {len(values)}"
            )
        for value in values:
            if not math.isfinite(value) or (name == "std" and value <= 0):
                raise ValueError(
                    f"{name} holds {value}; it must be finite"
                    + (" and above 0" if name == "std" else "")
                )
        return tuple(float(value) for value in values)

    @property
    def channels(self) -> int:
        """1 for gray, 3 for rgb."""
        return 1 if self.color == "gray" else 3

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one image."""
        return (self.height, self.width, self.channels)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form with every field; tuples become lists."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """Inverse of `to_dict`; strict, because a guessed field would change every prediction.

        Raises
        ------
        TypeError
            Not a dict, or a field of the wrong type.
        ValueError
            A field is missing, unknown or out of range.
        """
        if not isinstance(values, dict):
            raise TypeError(f"preprocessing must be a dict, not {type(values).__name__}")
        # Not in the first model files. What it says was then done, or refused.
        values = {"floating_point": "range", **values}
        known = [field.name for field in fields(cls)]
        missing = [name for name in known if name not in values]
        unknown = [str(name) for name in values if name not in known]
        if missing or unknown:
            raise ValueError(
                "preprocessing has "
                + " and ".join(
                    f"{kind} fields: {', '.join(names)}"
                    for kind, names in (("missing", missing), ("unknown", unknown))
                    if names
                )
            )
        return cls(**values)


def check_background(name: str, value: Any) -> tuple[int, int, int]:
    """(red, green, blue), 0 to 255, that transparent pictures are laid on."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} must be three integers, not {value!r}")
    if len(value) != 3:
        raise ValueError(f"{name} must be three integers, not {value!r}")
    red, green, blue = (check_int(name, level, 0, 255) for level in value)
    return red, green, blue
