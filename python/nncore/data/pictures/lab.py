"""CIE L*a*b* to sRGB. Pillow needs LittleCMS for it, or cannot do it at all, by its version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

# White point D50 as ICC profiles and TIFF use it, and XYZ relative to it to linear sRGB, whose
# white is D65 (Bradford adaptation; Lindbloom, "RGB/XYZ matrices").
_D50 = np.array([0.96422, 1.0, 0.82521])
_TO_LINEAR_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)
_BLOCK_PIXELS = 1 << 18  # converted at a time: what is in work needs a hundred bytes a pixel


def lab_to_rgb(image: Image.Image) -> Image.Image:
    """A picture of mode LAB as RGB: L 0..255 stands for 0..100, a and b run from -128 to 127."""
    from PIL import Image

    width, height = image.size
    result = Image.new("RGB", image.size)
    rows = max(_BLOCK_PIXELS // width, 1)
    for top in range(0, height, rows):
        box = (0, top, width, min(top + rows, height))
        # Pillow gives a and b as TIFF has them, signed.
        block = _srgb(np.asarray(image.crop(box)))
        result.paste(Image.fromarray(block), box)
    return result


def _srgb(lab: NDArray[np.uint8]) -> NDArray[np.uint8]:
    a, b = (lab[..., channel].view(np.int8).astype(np.float64) for channel in (1, 2))
    y = (lab[..., 0] * (100 / 255) + 16) / 116
    xyz = np.stack([y + a / 500, y, y - b / 200], -1)
    xyz = np.where(xyz > 6 / 29, xyz**3, (xyz - 4 / 29) * 3 * (6 / 29) ** 2) * _D50
    linear = np.clip(xyz @ _TO_LINEAR_SRGB.T, 0, 1)
    encoded = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    )
    levels: NDArray[np.uint8] = (encoded * 255 + 0.5).astype(np.uint8)
    return levels
