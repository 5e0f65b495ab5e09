"""Pictures scaled to the model's size: stretched, cropped or padded, by an antialiasing filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncore.data.pictures.pixels import as_array, as_image, luma, turned

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Fit:
    """How pictures of another aspect ratio come to a size: `how` is the `fit` of `Preprocessing`;
    `background` (red, green, blue) fills what a padded picture leaves open."""

    how: str
    background: tuple[int, int, int]

    def scaled(
        self,
        image: Image.Image,
        size: tuple[int, int],
        whole: tuple[float, float] | None = None,
        turn: Image.Transpose | None = None,
    ) -> Image.Image:
        """A picture in mode L or RGB at `size` (height, width), after `turn`.

        A decoder that reduces pictures rounds their sides up to whole pixels: `whole` is what
        (height, width) of the picture are exactly. Without minding that, it would be shifted and
        stretched by up to a pixel.
        """
        from PIL import Image

        given = (image.height, image.width)
        exact: tuple[float, float] = whole or given
        target = size[::-1] if _lies_down(turn) else size
        if self.how == "pad":
            target = _within(exact, target)
        top, left = _cut_off(exact, target) if self.how == "crop" else (0.0, 0.0)
        box = (left, top, exact[1] - left, exact[0] - top)
        if given != target or box != (0, 0, *image.size):
            image = image.resize(target[::-1], Image.Resampling.BILINEAR, box)
        return self._filled(turned(image, turn), size)

    def resize(self, pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
        """Pixels (h, w, 1 or 3) at `size` (height, width)."""
        if pixels.shape[:2] == size:
            return pixels
        return as_array(self.scaled(as_image(pixels), size))

    def _filled(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        """The picture in the middle of one of `size`; half a pixel more to the left, or up."""
        from PIL import Image

        height, width = size
        if image.size == (width, height):
            return image
        color = self.background if image.mode == "RGB" else luma(self.background)
        canvas = Image.new(image.mode, (width, height), color)
        canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
        return canvas


def _lies_down(turn: Image.Transpose | None) -> bool:
    """Whether height and width change places by it."""
    from PIL import Image

    kinds = Image.Transpose
    return turn in (kinds.TRANSPOSE, kinds.TRANSVERSE, kinds.ROTATE_90, kinds.ROTATE_270)


def _within(whole: tuple[float, float], size: tuple[int, int]) -> tuple[int, int]:
    """The largest (height, width) of the aspect ratio of `whole` in `size`, in whole pixels."""
    height, width = size
    if whole[1] * height >= whole[0] * width:
        return max(int(whole[0] * width / whole[1] + 0.5), 1), width
    return height, max(int(whole[1] * height / whole[0] + 0.5), 1)


def _cut_off(whole: tuple[float, float], size: tuple[int, int]) -> tuple[float, float]:
    """What a picture of (height, width) `whole` loses above and on the left, to have the aspect
    ratio of `size`. At least a pixel is left, by however much that falls short of it."""
    height, width = size
    if whole[1] * height >= whole[0] * width:
        return 0.0, (whole[1] - max(whole[0] * width / height, 1.0)) / 2
    return (whole[0] - max(whole[1] * height / width, 1.0)) / 2, 0.0
