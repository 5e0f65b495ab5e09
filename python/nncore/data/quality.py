"""Pictures that little can be seen on: of one colour, too dark, too bright, blurred or tiny.

Judged by the pixels at the model's size, since that is what it learns from, and by the size of the
file. What is unusual is told by the other pictures of the set: digits may be 8 x 8, and drawings
blurred. N images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncore.data.pictures.decode import UnusableImageError
from nncore.data.pictures.facts import image_facts

if TYPE_CHECKING:
    from nncore.data.dataset import ImageDataset
    from nncore.data.mapped import Pixels

F64 = NDArray[np.float64]

ONE_COLOR = 5.0
"""A deviation of the gray levels, 0 to 255, below which a picture is of one colour."""
DARK = 51.0
"""A picture is too dark where 99% of its gray levels are below."""
BRIGHT = 204.0
"""A picture is too bright where 99% of its gray levels are above."""
TINY = 0.5
"""A file is tiny if its shorter side is less than this part of the model's size, and of the median
of all files."""
_FEWEST = 20  # pictures, to tell what is unusual
_FENCE = 3.0  # quartile distances
_BLOCK = 256
# Of red, green and blue in gray, as Pillow has them.
_GRAY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Flaw:
    """What is wrong with the image at `position`: "one colour", "too dark", "too bright", "blurred"
    or "tiny"; the value that shows it, and the limit that it is beyond. `reason` says it all in
    words."""

    position: int
    problem: str
    value: float
    limit: float
    reason: str


def find_flaws(data: ImageDataset) -> list[Flaw]:
    """Everything that is wrong with the images of a data set, in their order."""
    side = min(data.preprocessing.input_shape[:2])
    found = [*_of_pixels(data.images), *_of_sizes(data.paths, side)]
    return sorted(found, key=lambda flaw: flaw.position)


def _of_pixels(images: Pixels) -> Iterator[Flaw]:
    if len(images) == 0:
        return
    blocks = (np.asarray(images[i : i + _BLOCK]) for i in range(0, len(images), _BLOCK))
    deviation, low, high, sharp = np.concatenate([_measures(block) for block in blocks], axis=1)
    flat = deviation < ONE_COLOR
    limit = _fence(sharp[~flat])
    for position in range(len(images)):
        if flat[position]:
            yield _flaw(position, "one colour", deviation[position], ONE_COLOR)
            continue
        if high[position] < DARK:
            yield _flaw(position, "too dark", high[position], DARK)
        elif low[position] > BRIGHT:
            yield _flaw(position, "too bright", low[position], BRIGHT)
        if sharp[position] < limit:
            yield _flaw(position, "blurred", sharp[position], limit)


# Of each problem what its value is.
_SHOWN_BY = {
    "one colour": "its gray levels, 0 to 255, deviate by {value:.3g}, less than {limit:.3g}",
    "too dark": "99% of its gray levels, 0 to 255, are up to {value:.3g}, below {limit:.3g}",
    "too bright": "99% of its gray levels, 0 to 255, are from {value:.3g}, above {limit:.3g}",
    "blurred": "its sharpness is {value:.3g}, by the other pictures at least {limit:.3g} is usual",
}


def _flaw(position: int, problem: str, value: float, limit: float) -> Flaw:
    why = _SHOWN_BY[problem].format(value=value, limit=limit)
    return Flaw(position, problem, float(value), limit, f"{problem}: {why}")


def _measures(images: NDArray[np.uint8]) -> F64:
    """Of each image (4, n): deviation of the gray levels, the first and the last percentile of
    them, and the sharpness: the variance of the Laplacian, as a part of that of the levels."""
    gray = images[..., 0].astype(np.float64) if images.shape[3] == 1 else images @ _GRAY
    flat = gray.reshape(len(gray), -1)
    low, high = np.percentile(flat, (1, 99), axis=1)
    variance = flat.var(axis=1)
    inner = gray[:, 1:-1, 1:-1]
    laplacian = (
        gray[:, :-2, 1:-1] + gray[:, 2:, 1:-1] + gray[:, 1:-1, :-2] + gray[:, 1:-1, 2:] - 4 * inner
    )
    edges = laplacian.reshape(len(gray), -1)
    sharp = edges.var(axis=1) if edges.shape[1] else np.ones(len(gray))
    return np.stack([np.sqrt(variance), low, high, sharp / np.maximum(variance, 1e-9)])


def _fence(sharp: F64) -> float:
    """Below which a picture is blurred: three quartile distances under the lower quartile of the
    logarithms (the outer fence of Tukey, 1977); 0 where the pictures are too few to tell."""
    if len(sharp) < _FEWEST:
        return 0.0
    low, high = np.quantile(np.log(np.maximum(sharp, 1e-12)), (0.25, 0.75))
    return float(np.exp(low - _FENCE * (high - low)))


def _of_sizes(paths: Sequence[str], side: int) -> Iterator[Flaw]:
    sizes = {i: size for i, path in enumerate(paths) if path and (size := _size(path))}
    if not sizes:
        return
    median = float(np.median([min(size) for size in sizes.values()]))
    limit = TINY * min(side, median)
    for position, (width, height) in sizes.items():
        if (shorter := min(width, height)) < limit:
            reason = (
                f"{width}x{height} pixels: small beside the others, whose shorter side is "
                f"{median:g} as a rule, and enlarged to the {side} that the model sees"
            )
            yield Flaw(position, "tiny", float(shorter), limit, reason)


def _size(path: str) -> tuple[int, int] | None:
    """Width and height in pixels; None for what is no file any more."""
    try:
        facts = image_facts(path)
    except UnusableImageError:
        return None
    return facts.width, facts.height
