"""Pixels of any kind to upright, opaque, 8-bit gray or RGB (Pillow modes L and RGB)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from nncore.data.pictures.depth import is_deep, to_8_bits
from nncore.data.pictures.lab import lab_to_rgb

if TYPE_CHECKING:
    from PIL import Image


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """How to turn the picture so that it is upright, as its EXIF orientation says."""
    try:
        orientation = image.getexif().get(0x0112)
    except Exception:
        return None  # damaged EXIF beside sound pixels: shown as stored, as viewers do
    if orientation is None or orientation == 1:
        return None
    from PIL import Image

    turns: dict[Any, Image.Transpose] = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return turns.get(orientation)


def turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    """The picture after `turn_of`."""
    return image if turn is None else image.transpose(turn)


def flatten(
    image: Image.Image, color: str | None, alpha_background: tuple[int, int, int]
) -> Image.Image:
    """The picture in mode L (`color` "gray") or RGB ("rgb"); None keeps gray pictures gray."""
    from PIL import Image

    if color is None:
        color = "gray" if is_gray(image.mode) else "rgb"
    if is_deep(image.mode):
        image = to_8_bits(image)
    elif image.mode == "LAB":
        image = lab_to_rgb(image)
    elif image.mode == "P" and image.palette is None:
        image = image.convert("RGB")  # damaged, and read all the same: asked for more it fails
    elif image.mode not in ("LA", "RGBA") and image.has_transparency_data:
        image = image.convert("LA" if is_gray(image.mode) else "RGBA")
    if image.mode == "LA" and color == "gray":
        canvas = Image.new("L", image.size, luma(alpha_background))
        canvas.paste(image.getchannel("L"), mask=image.getchannel("A"))
        image = canvas
    elif image.mode in ("LA", "RGBA"):
        # Nothing is copied that need not be: the picture may be huge.
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        canvas = Image.new("RGB", image.size, alpha_background)
        canvas.paste(image, mask=image)
        image = canvas
    wanted = "L" if color == "gray" else "RGB"
    if image.mode == wanted:
        return image
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        image = image.convert("RGB")  # not every mode has a direct way to gray
    return image if image.mode == wanted else image.convert(wanted)


def is_gray(mode: str) -> bool:
    """Whether a picture of this Pillow mode has no colour."""
    return mode in ("1", "L", "LA", "La") or is_deep(mode)


def luma(color: tuple[int, int, int]) -> int:
    """The gray of a colour (red, green, blue), as Pillow converts it."""
    from PIL import Image

    return cast("int", Image.new("RGB", (1, 1), color).convert("L").getpixel((0, 0)))


def as_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """A picture in mode L or RGB of pixels (h, w, 1 or 3)."""
    from PIL import Image

    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def as_array(image: Image.Image) -> NDArray[np.uint8]:
    """Pixels (h, w, 1 or 3) of a picture in mode L or RGB."""
    pixels = np.asarray(image)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
