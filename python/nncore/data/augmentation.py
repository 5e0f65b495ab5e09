"""Augmentation, described: how far the copies of an image that training sees may differ from it.

The copies themselves are made by the C++ core while a batch is loaded, so that they cost no memory
and little time.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int, check_seed

if TYPE_CHECKING:
    from nncore import _core
    from nncore.data.mapped import MappedImages

FILLS = ("edge", "reflect")
# The largest value of each setting that is a number.
_LIMITS = {
    "shift": 1.0,
    "rotation": 180.0,
    "scale": 0.9,
    "brightness": 1.0,
    "contrast": 1.0,
    "erase": 1.0,
}
_MOST_PADDING = 16384


@dataclass(frozen=True)
class Augmentation:
    """Random changes of the training images, other ones in each epoch; none in evaluation.

    What is drawn depends on (seed, epoch, position of the image in the training data) alone: not on
    threads, the instruction set, the batch size or the order of the images. All draws are uniform
    and symmetric about "no change", and each setting's draws stay the same whatever the others are.

    An image is flipped, then scaled and turned about its middle, then moved, all in one bilinear
    interpolation whose positions are rounded to 1/4096 pixel. Flips and moves alone are exact. Then
    come brightness and contrast, at last the erased rectangle. uint8 images stay uint8 throughout,
    rounded and clipped; float images are not clipped.

    Parameters
    ----------
    shift
        Largest move, up or down as a share of the height, left or right of the width; 0 to 1.
        By whole pixels.
    rotation
        Largest angle in degrees, to either side; 0 to 180.
    scale
        The content grows or shrinks by a factor from 1 - scale to 1 + scale; 0 to 0.9.
    horizontal_flip, vertical_flip
        Mirror every second image, on average, left to right or top to bottom.
    brightness
        All values are multiplied by a factor from 1 - brightness to 1 + brightness; 0 to 1.
    contrast
        Differences from the image's mean (over pixels and channels) are multiplied by a factor from
        1 - contrast to 1 + contrast; 0 to 1.
    crop_padding
        Pixels put around the image before a piece of its size is cut out at random: a move by at
        most that many pixels, added to `shift`.
    erase
        Longest sides of a rectangle that is blotted out (cutout), as a share of height and width;
        0 to 1. Both sides are drawn from 0 to that, the place is anywhere in the image.
    fill
        What stands outside the image and, if a number, in the erased rectangle: a value, by default
        0 (for uint8 images black); "edge", the nearest pixel; "reflect", the image mirrored at its
        sides, the outermost pixel twice. With the latter two the image's mean is put into the
        rectangle.

    Raises
    ------
    TypeError, ValueError
        A setting is no such number; the message names it.

    See Also
    --------
    nncore.plots.augmented : a sheet of images and their copies.
    """

    shift: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    crop_padding: int = 0
    erase: float = 0.0
    fill: float | str = 0.0

    def __post_init__(self) -> None:
        for name, high in _LIMITS.items():
            object.__setattr__(self, name, _number(name, getattr(self, name), 0.0, high))
        for name in ("horizontal_flip", "vertical_flip"):
            value = getattr(self, name)
            if not isinstance(value, (bool, np.bool_)):
                raise TypeError(f"Augmentation: {name} must be True or False, not {value!r}")
            object.__setattr__(self, name, bool(value))
        padding = check_int("Augmentation: crop_padding", self.crop_padding, 0, _MOST_PADDING)
        object.__setattr__(self, "crop_padding", padding)
        if isinstance(self.fill, str):
            if self.fill not in FILLS:
                raise ValueError(
                    f"Augmentation: fill must be a number, {' or '.join(map(repr, FILLS))}, "
                    f"not {self.fill!r}"
                )
        else:
            object.__setattr__(self, "fill", _number("fill", self.fill, -math.inf, math.inf))

    @classmethod
    def preset(cls, strength: str) -> Augmentation:
        """The settings of `nncore train --augment`: "off", "light", "medium" or "strong".

        None of them mirrors images: letters, digits and road signs lose their meaning by it.

        Raises
        ------
        ValueError
            Another word.
        """
        if strength not in PRESETS:
            raise ValueError(f"strength must be one of {', '.join(PRESETS)}, not {strength!r}")
        return PRESETS[strength]

    @property
    def changes_nothing(self) -> bool:
        """Whether every copy is the image itself."""
        return dataclasses.replace(self, fill=0.0) == Augmentation()

    def check_images(self, images: _core.Images | MappedImages) -> None:
        """Refuse what cannot be augmented.

        Raises
        ------
        ValueError
            Flat samples rather than images (N, H, W, C), or a fill outside 0 to 255 for uint8.
        """
        if images.ndim != 4:
            raise ValueError(
                f"augmentation needs images (N, H, W, C), not samples of the shape "
                f"{images.shape[1:]}; give images and begin the network with Flatten()"
            )
        if (
            images.dtype == np.uint8
            and not isinstance(self.fill, str)
            and not 0 <= self.fill <= 255
        ):
            raise ValueError(
                f"Augmentation: fill must be from 0 to 255 for uint8 images, not {self.fill:g}"
            )

    def apply(
        self,
        images: _core.Images | MappedImages,
        seed: int = 0,
        epoch: int = 0,
        indices: Sequence[int] | NDArray[np.integer[Any]] | None = None,
    ) -> _core.Images:
        """The copies that training with `seed` sees in its epoch number `epoch` (from 0).

        Parameters
        ----------
        images
            uint8 or float32 (N, H, W, C): all training images, in their order.
        seed, epoch
            What the draws depend on, besides the position of each image.
        indices
            Which images, by position; by default all.

        Returns
        -------
        uint8 or float32 (len(indices), H, W, C)
            Like `images`.

        Raises
        ------
        TypeError, ValueError
            Images of another dtype or shape, or a position that does not exist.
        """
        from nncore import _core

        seed, epoch = check_seed(seed), check_int("epoch", epoch, 0, 2**32 - 1)
        self.check_images(images)
        chosen = np.arange(len(images)) if indices is None else np.asarray(indices)
        if chosen.ndim != 1 or not (chosen.size and np.issubdtype(chosen.dtype, np.integer)):
            raise ValueError(f"indices must be positions of images, not {indices!r}")
        if chosen.min() < 0 or chosen.max() >= len(images):
            raise ValueError(
                f"indices must be from 0 to {len(images) - 1}, not {chosen.min()} to {chosen.max()}"
            )
        # Only these are read where the images lie in a file.
        contiguous: Any = np.ascontiguousarray(images[chosen])
        return _core.augment(contiguous, chosen.astype(np.int32), seed, epoch, self.for_core())

    def for_core(self) -> _core.Augmentation:
        """The engine's counterpart."""
        from nncore import _core

        settings = dataclasses.asdict(self)
        fill = settings.pop("fill")
        if isinstance(fill, str):
            return _core.Augmentation(**settings, fill=fill)
        return _core.Augmentation(**settings, fill="constant", fill_value=fill)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values; `from_dict` reads them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Augmentation:
        """Inverse of `to_dict`; TypeError or ValueError for anything else."""
        return cls(**description)


def _number(name: str, value: object, low: float, high: float) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"Augmentation: {name} must be a number, not {value!r}")
    number = float(value)
    if not (math.isfinite(number) and low <= number <= high):
        limits = f"from {low:g} to {high:g}" if math.isfinite(high) else "finite"
        raise ValueError(f"Augmentation: {name} must be {limits}, not {value}")
    return number


PRESETS: Mapping[str, Augmentation] = {
    "off": Augmentation(),
    "light": Augmentation(
        shift=0.05, rotation=5, scale=0.05, brightness=0.1, contrast=0.1, fill="edge"
    ),
    "medium": Augmentation(
        shift=0.1, rotation=10, scale=0.1, brightness=0.2, contrast=0.2, fill="edge"
    ),
    "strong": Augmentation(
        shift=0.15, rotation=15, scale=0.2, brightness=0.3, contrast=0.3, erase=0.3, fill="edge"
    ),
}
