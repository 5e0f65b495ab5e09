"""Where the model looked: pictures of a page under their heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncore.errors import ModelFileError, NncoreError
from nncore.report.thumbnails import Thumbnail, reduced, reduced_heat, thumbnail
from nncore.training.heat_maps import occlusion_passes

if TYPE_CHECKING:
    from nncore.report.kept import Kept
    from nncore.training.model import Sequential

# Multiply-adds: some seconds on two cores of 2020. A page of pictures takes an EfficientNet-Lite0 a
# third of it. The gradients behind the last convolution cost next to nothing.
_MOST_WORK = 1e11
_FEWEST = 8


@dataclass(frozen=True)
class Heated:
    """Overlays by the index of their image, and what is said of them, or why there are none."""

    overlays: Mapping[int, Thumbnail] = field(default_factory=dict)
    note: str = ""


def heat_maps(
    kept: Kept,
    model: Sequential | None,
    pixels: Mapping[int, NDArray[np.uint8]],
    predicted: Mapping[int, str],
) -> Heated:
    """Heat maps of the answers that were given, as `explain` makes them by itself; nothing but a
    note where that cannot be.

    Parameters
    ----------
    model
        None: it is read from its file.
    pixels
        (H, W, C) by index.
    predicted
        The answers by index, those that matter most first: of a large network they get heat maps
        alone.
    """
    rows = [row for row in predicted if row in pixels]
    if not rows:
        return Heated()
    try:
        model = _loaded(kept) if model is None else model
        if model.features is not None:
            return Heated(note=_FROZEN)
        rows = rows[: _affordable(model)]
        heat = model.explain(np.stack([pixels[row] for row in rows]), [predicted[r] for r in rows])
    except (NncoreError, ValueError, OSError) as error:
        return Heated(note=f"Without heat maps: {error}.")
    rest = sum(row in pixels for row in predicted) - len(rows)
    note = _NOTE.format(_METHODS[model.explaining_method])
    if rest:
        note += f" {rest} pictures are without: the network is large."
    return Heated(_overlays(rows, pixels, heat), note)


_NOTE = (
    "Beside each picture: what the answer rests on ({}); the brighter, the more it raised "
    "the answer's score. It shows what raised the score, not that the answer is right."
)
_METHODS = {
    "gradcam": "Grad-CAM",
    "occlusion": "by covering parts of the picture, since the network has no convolution",
}
_FROZEN = (
    "Without heat maps: they take some 170 passes of the frozen network for each picture; nncore "
    "explain draws them."
)


def _affordable(model: Sequential) -> int:
    """How many images the model can look at within `_MOST_WORK`."""
    from nncore.training.recipes.recipe import multiply_adds_of

    layers = [view.description for view in model.layers]
    assert model.input_shape is not None
    work = multiply_adds_of(layers, model.input_shape)
    if model.explaining_method == "occlusion":
        work *= occlusion_passes(*model.input_shape[:2])
    return max(_FEWEST, int(_MOST_WORK / max(work, 1)))


def _overlays(
    rows: Sequence[int], pixels: Mapping[int, NDArray[np.uint8]], heat: NDArray[np.float32]
) -> dict[int, Thumbnail]:
    from nncore.plots import heat_overlay

    return {
        row: thumbnail(heat_overlay(reduced(pixels[row]), reduced_heat(warmth)))
        for row, warmth in zip(rows, heat, strict=True)
    }


def _loaded(kept: Kept) -> Sequential:
    from nncore.training.model_file import load

    if kept.model_file is None:
        raise ModelFileError(kept.model_missing)
    return load(kept.model_file)
