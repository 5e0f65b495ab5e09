"""Where a model looked: heat maps of images, by gradients or by covering parts of them.

N images of (H, W, C); a heat map is float32 (H, W), from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int, listed
from nncore.data.labels.class_map import ClassMap
from nncore.layers import Shape
from nncore.layers.stack import LayerStack

if TYPE_CHECKING:
    from nncore import _core

F32 = NDArray[np.float32]

METHODS = ("gradcam", "occlusion")

# Copies of an image, each with another part covered, that are predicted together.
_COVERED_AT_ONCE = 64


class Probes:
    """The last layer that was looked at, so that the next images find it ready."""

    def __init__(self) -> None:
        self._kept: tuple[LayerStack, Shape, _core.Probe] | None = None

    def of(self, stack: LayerStack, input_shape: Shape, layer: str | None) -> _core.Probe:
        """What looks at `layer`, or where that is None behind the last convolution.

        Raises
        ------
        ValueError
            There is no convolution, no layer is called so, or it gives no image.
        """
        name = stack.last_convolution(input_shape) if layer is None else layer
        if name is None:
            raise ValueError(
                "this network has no convolution whose output could be looked at: use "
                "method='occlusion'"
            )
        kept = self._kept
        if kept is None or (*kept[:2], kept[2].layer) != (stack, input_shape, name):
            kept = self._kept = (stack, input_shape, stack.new_probe(input_shape, name))
        return kept[2]


def asked_method(layer: object, window: object) -> str | None:
    """The method that one of these arguments asks for; None where neither is given."""
    if layer is not None:
        return "gradcam"
    return None if window is None else "occlusion"


def check_method(method: str | None, layer: object, window: object) -> None:
    """ValueError where there is no such method, or it has not that argument."""
    if method is not None and method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if method == "occlusion" and layer is not None:
        raise ValueError("layer is for method='gradcam': occlusion looks at no layer")
    if method != "occlusion" and layer is not None and window is not None:
        raise ValueError("layer is for method='gradcam', window for method='occlusion': not both")
    if method == "gradcam" and window is not None:
        raise ValueError("window is for method='occlusion'")


def explained_classes(label: Any, classes: ClassMap, images: int) -> NDArray[np.int32] | None:
    """Numbers of the classes to explain, one for each image; None where `label` names none.

    Raises
    ------
    ValueError, TypeError
        An unknown class, or another number of them than of images.
    """
    if label is None:
        return None
    label = listed(label)
    if isinstance(label, (str, int, np.integer)):
        return np.full(images, _class_number(label, classes), np.int32)
    if not isinstance(label, Sequence | np.ndarray):
        raise TypeError(f"label must be a class name or number, or one per image, not {label!r}")
    if len(label) != images:
        raise ValueError(f"{len(label)} labels for {images} images; give one for all, or one each")
    return np.array([_class_number(one, classes) for one in label], np.int32)


def _class_number(label: object, classes: ClassMap) -> int:
    if isinstance(label, str):
        return classes.index(label)
    return check_int("label", label, 0, len(classes) - 1)


def check_finite(maps: F32, first: int = 0) -> None:
    """ValueError naming the first image whose heat map holds NaN or infinity."""
    finite = np.isfinite(maps).all(axis=(1, 2))
    if not finite.all():
        raise ValueError(
            f"the heat map of x[{first + int(np.argmin(finite))}] is not finite: the network's "
            "weights or the inputs are too large"
        )


def default_window(height: int, width: int) -> int:
    """Side of the square that covers a part of an image: a fifth of the shorter side."""
    return max(1, round(min(height, width) / 5))


def occlusion_passes(height: int, width: int) -> int:
    """How many images are predicted for the map of one, by the default window."""
    window = default_window(height, width)
    return 1 + len(_starts(height, window)) * len(_starts(width, window))


def occlusion(
    image: NDArray[Any],
    scores: Callable[[NDArray[Any]], NDArray[np.float32]],
    window: int,
) -> F32:
    """Where covering `image` lowers a score: by how much, on the mean of all squares on a pixel.

    A square of the image's mean colour moves over it, by a third of its side. What raises the score
    counts as 0. Source: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks",
    ECCV 2014, section 4.2.

    Parameters
    ----------
    image : uint8 or float32 (H, W, C)
        The image.
    scores
        From images (n, H, W, C) to the score of each, (n,).
    window
        Side of the square, at most H and W.

    Returns
    -------
    float32 (H, W)
        From 0 to 1, the largest; all 0 where covering lowers the score nowhere.
    """
    height, width, _ = image.shape
    color = image.mean(axis=(0, 1), dtype=np.float64)
    if image.dtype == np.uint8:
        color = np.rint(color)
    places = [(y, x) for y in _starts(height, window) for x in _starts(width, window)]
    whole = float(scores(image[np.newaxis])[0])
    total, times = np.zeros((height, width)), np.zeros((height, width))
    for start in range(0, len(places), _COVERED_AT_ONCE):
        block = places[start : start + _COVERED_AT_ONCE]
        covered = np.repeat(image[np.newaxis], len(block), axis=0)
        for copy, (y, x) in zip(covered, block, strict=True):
            copy[y : y + window, x : x + window] = color
        for lost, (y, x) in zip(whole - scores(covered).astype(np.float64), block, strict=True):
            total[y : y + window, x : x + window] += lost
            times[y : y + window, x : x + window] += 1
    mean = np.maximum(total / times, 0.0)
    largest = mean.max()
    result: F32 = (mean / largest if largest > 0 else mean).astype(np.float32)
    return result


def _starts(side: int, window: int) -> list[int]:
    """Where squares begin, so that they reach both ends."""
    return sorted({*range(0, side - window, max(1, window // 3)), side - window})
