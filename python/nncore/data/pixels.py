"""Pixels of any kind to upright, opaque, 8-bit gray or RGB (Pillow modes L and RGB)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image


def upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF orientation says."""
    from PIL import Image

    try:
        orientation = image.getexif().get(0x0112)
    except Exception:
        return image  # damaged EXIF beside sound pixels: shown as stored, as viewers do
    turns: dict[Any, Image.Transpose] = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    turn = turns.get(orientation)
    return image if turn is None else image.transpose(turn)


def _is_gray(mode: str) -> bool:
    return mode in ("1", "L", "LA", "La", "I", "F") or mode.startswith("I;16")


def flatten(
    image: Image.Image, color: str | None, alpha_background: tuple[int, int, int]
) -> Image.Image:
    """The picture in mode L (`color` "gray") or RGB ("rgb"); None keeps gray pictures gray.

    Raises
    ------
    ValueError
        32-bit integer pixels outside 0..65535 or floats outside 0..1: they have no fixed white.
    """
    from PIL import Image

    mode = image.mode
    if color is None:
        color = "gray" if _is_gray(mode) else "rgb"
    if mode in ("I", "F") or mode.startswith("I;16"):
        image = _to_8_bits(image)
    elif image.has_transparency_data:
        image = image.convert("LA" if _is_gray(mode) else "RGBA")
    if image.mode == "LA" and color == "gray":
        luma = Image.new("RGB", (1, 1), alpha_background).convert("L").getpixel((0, 0))
        canvas = Image.new("L", image.size, luma)
        canvas.paste(image.getchannel("L"), mask=image.getchannel("A"))
        image = canvas
    elif image.mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, alpha_background)
        canvas.paste(image.convert("RGB"), mask=image.getchannel("A"))
        image = canvas
    wanted = "L" if color == "gray" else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Gray of more than 8 bits as L, or LA where one value is declared transparent."""
    from PIL import Image

    values = np.asarray(image)
    if image.mode == "F":
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise ValueError(
                "its floating-point pixels are not within 0 (black) .. 1 (white); "
                "convert it to 8 or 16 bits"
            )
        return Image.fromarray((values * 255 + 0.5).astype(np.uint8))
    if image.mode == "I" and (values.min() < 0 or values.max() > 65535):
        raise ValueError(
            f"its 32-bit pixels ({values.min()} to {values.max()}) are not within 0..65535; "
            "convert it to 8 or 16 bits"
        )
    tags: dict[int, Any] = getattr(image, "tag_v2", {})
    bits = int(tags.get(258, (16,))[0])  # TIFF BitsPerSample: 12-bit scans fill 0..4095 only
    white = (1 << bits) - 1 if 8 < bits < 16 else 65535
    wide = np.minimum(values.astype(np.uint32), white)
    gray = Image.fromarray(((wide * 255 + white // 2) // white).astype(np.uint8))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        gray.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return gray


def resize(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Picture (h, w, 1 or 3) scaled to `size` (height, width) with an antialiasing filter."""
    from PIL import Image

    if pixels.shape[:2] == size:
        return pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return as_array(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def as_array(image: Image.Image) -> NDArray[np.uint8]:
    """Pixels (h, w, 1 or 3) of a picture in mode L or RGB."""
    pixels = np.asarray(image)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
