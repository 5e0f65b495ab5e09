"""A heat map laid over its picture."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_number
from nncore.errors import MissingExtraError
from nncore.files.atomic import atomic_write_bytes
from nncore.files.own_folders import SOFTWARE
from nncore.plots._figure import as_bytes

# Its lightness rises with the heat, for every kind of colour vision and on gray paper, too.
_COLORS = "inferno"
# Of red, green and blue in gray (ITU-R BT.601), as Pillow has it.
_LUMA = (0.299, 0.587, 0.114)


_SIDE = 224  # Small pictures are enlarged to about that.


def enlarged(
    image: NDArray[np.uint8], heat: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A picture (H, W, C) and its heat map (H, W), large enough to be looked at: pixels as squares,
    the heat smooth."""
    from PIL import Image

    height, width, _ = image.shape
    times = max(1, round(_SIDE / min(height, width)))
    large = image.repeat(times, axis=0).repeat(times, axis=1)
    size = (width * times, height * times)
    smooth = Image.fromarray(np.asarray(heat, np.float32)).resize(size, Image.Resampling.BILINEAR)
    return large, np.clip(np.asarray(smooth), 0, 1)


def heat_overlay(
    image: Any,
    heat: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    opacity: float = 0.75,
) -> NDArray[np.uint8]:
    """A picture in gray under the colours of a heat map: dark red is warm, yellow is hot.

    The picture loses its colours so that every colour is that of the heat.

    Parameters
    ----------
    image : uint8 or float (H, W), (H, W, 1) or (H, W, 3)
        Of float values the smallest becomes black, the largest white.
    heat : float (H, W)
        0 to 1, as `Sequential.explain` gives it for the picture.
    path : path, optional
        Where to write the overlay: .png.
    opacity : float
        How much of a pixel with heat 1 is colour, 0 to 1; others have less of it, by their heat.

    Returns
    -------
    uint8 (H, W, 3)
        In a notebook ``PIL.Image.fromarray(overlay)`` shows it.

    Raises
    ------
    ValueError, TypeError
        Arrays of other shapes, heat outside of 0 to 1, a bad opacity, or another extension.
    OSError
        `path` cannot be written.
    """
    if path is not None and Path(path).suffix.lower() != ".png":
        raise ValueError(
            f"cannot write an overlay to {os.fspath(path)!r}: its name must end in .png"
        )
    opacity = check_number("opacity", opacity, low=0, high=1)
    gray = _gray(np.asarray(image))
    warmth = np.asarray(heat, np.float64)
    if warmth.shape != gray.shape:
        raise ValueError(
            f"heat has shape {warmth.shape} and the image {gray.shape}: they must be equally large"
        )
    if not ((warmth >= 0) & (warmth <= 1)).all():
        raise ValueError(f"heat must be from 0 to 1, got {warmth.min():.4g} to {warmth.max():.4g}")
    colors = _table()[np.rint(255 * warmth).astype(np.intp)]
    share = (opacity * warmth)[..., np.newaxis]
    result: NDArray[np.uint8] = np.rint(
        gray[..., np.newaxis] * (1 - share) + colors * share
    ).astype(np.uint8)
    if path is not None:
        atomic_write_bytes(path, _png(result))
    return result


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    mark, stream = PngInfo(), io.BytesIO()
    mark.add_text("Software", SOFTWARE)  # by which it is known among pictures
    Image.fromarray(pixels).save(stream, "PNG", pnginfo=mark)
    return stream.getvalue()


def _gray(image: NDArray[Any]) -> NDArray[np.float64]:
    """(H, W), 0 to 255."""
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or not image.size:
        raise ValueError(
            f"an image must have the shape (H, W), (H, W, 1) or (H, W, 3), not {image.shape}"
        )
    values = as_bytes(image).astype(np.float64)
    return (values * _LUMA).sum(axis=2) if values.ndim == 3 else values


def _table() -> NDArray[np.float64]:
    """(256, 3), 0 to 255."""
    try:
        from matplotlib import colormaps
    except ImportError as error:
        raise MissingExtraError(
            f"the colours of heat maps are matplotlib's, which cannot be imported ({error}): run "
            "`python -m pip install matplotlib`"
        ) from error
    table: NDArray[np.float64] = 255.0 * colormaps[_COLORS](np.arange(256))[:, :3]
    return table
