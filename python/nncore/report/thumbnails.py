"""Pictures as part of a page: small ones, as data URIs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 112  # pixels of the longer side, where the picture has as many
_EXACT_UP_TO = 48  # pixels of a side: below, each one can be seen, and PNG is small
_JPEG_QUALITY = 80


@dataclass(frozen=True)
class Thumbnail:
    """A picture for ``<img src=uri width height>``; one of few pixels is drawn without blur."""

    uri: str
    width: int
    height: int
    few_pixels: bool


def thumbnail(pixels: NDArray[np.uint8], side: int = SIDE) -> Thumbnail:
    """A picture as it is, or made smaller.

    Parameters
    ----------
    pixels : uint8 (H, W), (H, W, 1) or (H, W, 3)
        The picture.
    side
        Larger ones are reduced to this longer side; smaller ones are shown at it.

    Raises
    ------
    ValueError
        Another shape or type.
    """
    small = reduced(pixels, side)
    height, width = small.shape[:2]
    scale = side / max(height, width)
    few = max(pixels.shape[:2]) <= _EXACT_UP_TO
    kind = "png" if few else "jpeg"
    text = base64.b64encode(_encoded(small, few)).decode()
    return Thumbnail(
        f"data:image/{kind};base64,{text}",
        max(1, round(width * scale)),
        max(1, round(height * scale)),
        few,
    )


def reduced(pixels: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.uint8]:
    """A picture, as `thumbnail` takes it, whose longer side is not longer than `side`: (H, W) or
    (H, W, 3)."""
    from PIL import Image

    plain = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    if plain.dtype != np.uint8 or not (
        plain.ndim == 2 or (plain.ndim == 3 and plain.shape[2] == 3)
    ):
        raise ValueError(
            f"a thumbnail is made of uint8 (H, W), (H, W, 1) or (H, W, 3), not of {pixels.dtype} "
            f"{pixels.shape}"
        )
    if max(plain.shape[:2]) <= side:
        return plain
    picture = Image.fromarray(np.ascontiguousarray(plain))
    return np.asarray(picture.resize(_size(plain.shape, side), Image.Resampling.LANCZOS))


def reduced_heat(heat: NDArray[np.float32], side: int = SIDE) -> NDArray[np.float32]:
    """A heat map (H, W), 0 to 1, as small as `reduced` makes its picture."""
    from PIL import Image

    if max(heat.shape) <= side:
        return heat
    # Of means, so that nothing exceeds 1.
    small = Image.fromarray(heat).resize(_size(heat.shape, side), Image.Resampling.BOX)
    means: NDArray[np.float32] = np.asarray(small)
    return means.clip(0, 1)


def _size(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Width and height of what is `side` long on its longer side."""
    height, width = (max(1, round(length * side / max(shape[:2]))) for length in shape[:2])
    return width, height


def _encoded(pixels: NDArray[np.uint8], exact: bool) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if exact:
        picture.save(buffer, "PNG", optimize=True)
    else:
        picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()
