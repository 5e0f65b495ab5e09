"""How a network takes images: its one input, what a caller says of it, and what is guessed.

n images, H x W pixels, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.data.preprocessing import Preprocessing
from nncore.errors import ModelFileError
from nncore.interop.known_inputs import KnownScale

LAYOUTS = ("NCHW", "NHWC")
COLORS = ("rgb", "bgr", "gray")
# Of the pictures that most published networks for images were trained on, red, green, blue, where
# 255 is 1.0 (Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", 2015; the
# numbers are those of torchvision's models).
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_SIDE = 224  # where the network takes any size
_DTYPES = {
    "tensor(uint8)": np.uint8,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}


@dataclass(frozen=True)
class ImageInput:
    """The input of a network for images.

    Attributes
    ----------
    name
        Of the tensor.
    dtype
        "uint8", "float16", "float32" or "float64".
    batch
        How many images the network takes at once, no more and no less.
    layout, color
        One of `LAYOUTS` and of `COLORS`.
    prepared
        Size, mean and deviation; the latter are None for networks that take uint8.
    """

    name: str
    dtype: str
    batch: int
    layout: str
    color: str
    prepared: Preprocessing

    def tensor(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """What the network is given for n <= `batch` images uint8 (n, H, W, C), RGB or gray."""
        inputs: NDArray[Any] = images[..., ::-1] if self.color == "bgr" else images
        if self.prepared.mean is not None and self.prepared.std is not None:
            mean, std = np.array([self.prepared.mean, self.prepared.std], np.float32)
            inputs = ((inputs / np.float32(255) - mean) / std).astype(self.dtype)
        if self.layout == "NCHW":
            inputs = inputs.transpose(0, 3, 1, 2)
        missing = self.batch - len(images)
        if missing:
            inputs = np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)])
        return np.ascontiguousarray(inputs)


def settled_input(
    path: Path,
    inputs: Sequence[Any],
    layout: str | None,
    color: str | None,
    size: int | tuple[int, int] | None,
    mean: float | Sequence[float] | None,
    std: float | Sequence[float] | None,
    known: KnownScale | None = None,
) -> tuple[ImageInput, tuple[str, ...]]:
    """The input of the network at `path`, and which of its settings are guessed.

    `inputs` are those of its session; then what the caller says, as of `Features`, and how the
    graph wants its pixels, if it tells.

    Raises
    ------
    ModelFileError
        The network does not take images.
    TypeError, ValueError
        A wrong argument, or one that contradicts the file.
    """
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs)
        raise ModelFileError(
            f"{path}: takes {len(inputs)} inputs ({names}); a network for images takes one"
        )
    (given,) = inputs
    if given.type not in _DTYPES:
        raise ModelFileError(
            f"{path}: its input {given.name!r} is a {given.type}; known are uint8 and "
            "floating-point images"
        )
    dtype = np.dtype(_DTYPES[given.type]).name
    guessed: list[str] = []
    shape = _image_axes(path, given.name, given.shape)
    layout = layout or _layout(shape, guessed)
    batch, height, width, channels = (
        shape if layout == "NHWC" else (shape[0], shape[2], shape[3], shape[1])
    )
    color = _color(path, color, channels, layout, guessed)
    height, width = _size(path, size, (height, width), guessed)
    scale = pixel_scale(path, dtype, layout, color, mean, std, known, guessed)
    read_as = "gray" if color == "gray" else "rgb"
    prepared = Preprocessing(height, width, read_as, mean=scale[0], std=scale[1])
    return ImageInput(given.name, dtype, batch or 1, layout, color, prepared), tuple(guessed)


def check_choice(name: str, value: object, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        raise ValueError(f"{name} is {value!r}; known: {', '.join(known)}")


def _image_axes(path: Path, name: str, shape: Sequence[Any]) -> list[int | None]:
    """The four axes of the input; None for those that may have any length."""
    if len(shape) != 4:
        axes = ", ".join(str(axis) for axis in shape)
        raise ModelFileError(
            f"{path}: its input {name!r} has the shape ({axes}); images have four axes, NCHW or "
            "NHWC"
        )
    return [axis if isinstance(axis, int) and axis > 0 else None for axis in shape]


def _layout(shape: Sequence[int | None], guessed: list[str]) -> str:
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first == last:
        guessed.append("layout")
    return "NHWC" if last and not first else "NCHW"


def _color(
    path: Path, color: str | None, channels: int | None, layout: str, guessed: list[str]
) -> str:
    known = {1: ("gray",), 3: ("rgb", "bgr"), None: COLORS}
    if channels not in known:
        raise ModelFileError(f"{path}: takes {channels} channels ({layout}); pictures have 1 or 3")
    if color is None:
        if channels != 1:
            guessed.append("color")
        return "gray" if channels == 1 else "rgb"
    if color not in known[channels]:
        raise ValueError(f"color is {color!r}, but {path} takes {channels} channel(s)")
    return color


def _size(
    path: Path,
    size: int | tuple[int, int] | None,
    fixed: tuple[int | None, int | None],
    guessed: list[str],
) -> tuple[int, int]:
    from nncore.data.reading.settings import check_size

    asked = check_size(size)
    if asked is None:
        if None in fixed:
            guessed.append("size")
        return fixed[0] or _SIDE, fixed[1] or _SIDE
    if any(side not in (None, want) for side, want in zip(fixed, asked, strict=True)):
        shown = "x".join("any" if side is None else str(side) for side in fixed)
        raise ValueError(f"size is {asked[0]}x{asked[1]}, but {path} takes {shown}")
    return asked


def pixel_scale(
    path: Path,
    dtype: str,
    layout: str,
    color: str,
    mean: Any,
    std: Any,
    known: KnownScale | None,
    guessed: list[str],
) -> tuple[Any, Any]:
    """Mean and deviation per channel; None and None for networks that take uint8.

    What the caller does not say, the graph may tell; else it is guessed, and `guessed` gets their
    names.
    """
    channels = 1 if color == "gray" else 3
    if dtype == "uint8":
        if mean is not None or std is not None:
            raise ValueError(f"mean and std are not for {path}: it takes uint8 pixels as they are")
    elif mean is None and std is None and known is not None:
        mean, std = known.mean, known.std
    elif mean is None and std is None:
        guessed += ["mean", "std"]
        mean, std = 0.0, 1.0
        if channels == 3 and layout == "NCHW":
            order = 1 if color == "rgb" else -1
            mean, std = IMAGENET_MEAN[::order], IMAGENET_STD[::order]
    else:
        mean, std = 0.0 if mean is None else mean, 1.0 if std is None else std

    def per_channel(value: Any) -> Any:
        single = isinstance(value, (int, float)) and not isinstance(value, bool)
        return (value,) * channels if single else value

    return per_channel(mean), per_channel(std)
