"""Pictures as part of a page: small ones, as data URIs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

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
    from PIL import Image

    gray = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    if gray.dtype != np.uint8 or not (gray.ndim == 2 or (gray.ndim == 3 and gray.shape[2] == 3)):
        raise ValueError(
            f"a thumbnail is made of uint8 (H, W), (H, W, 1) or (H, W, 3), not of {pixels.dtype} "
            f"{pixels.shape}"
        )
    picture: Any = Image.fromarray(np.ascontiguousarray(gray))
    scale = side / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    few = max(picture.size) <= _EXACT_UP_TO
    if scale < 1:
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if few:
        picture.save(buffer, "PNG", optimize=True)
    else:
        picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    kind = "png" if few else "jpeg"
    text = base64.b64encode(buffer.getvalue()).decode()
    return Thumbnail(f"data:image/{kind};base64,{text}", width, height, few)
