"""Where a model looked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int
from nncore.layers import Layer
from nncore.training.answering_model import AnsweringModel
from nncore.training.answers.probabilities import logits_of
from nncore.training.heat_maps import (
    Probes,
    asked_method,
    check_finite,
    check_method,
    default_window,
    explained_classes,
    occlusion,
)
from nncore.training.images.inputs import IMAGES_AT_ONCE, Inputs

if TYPE_CHECKING:
    from nncore.training.images.arrays import ImagesOrMapped

F32 = NDArray[np.float32]


class ExplainingModel(AnsweringModel):
    """A model that explains its answers by heat maps."""

    def __init__(self, layers: Sequence[Layer], name: str | None, inputs: Inputs) -> None:
        super().__init__(layers, name, inputs)
        self._probes = Probes()

    @property
    def explaining_method(self) -> str:
        """How `explain` looks unless it is told: "gradcam", or "occlusion" where no convolution is
        there to be looked at.

        Raises
        ------
        ValueError
            The model is not built.
        """
        shape = tuple(self._built_network().input_shape)
        return "occlusion" if self._stack.last_convolution(shape) is None else "gradcam"

    def explain(
        self,
        x: Any,
        label: Any = None,
        method: str | None = None,
        layer: str | None = None,
        *,
        window: int | None = None,
    ) -> F32:
        """Where the model looked: a heat map of each image for one class.

        Parameters
        ----------
        x
            As in `predict`.
        label
            The class to explain: its name or number, or a sequence of these, one per image. None:
            the most probable class of each.
        method
            None: `explaining_method`.
            "gradcam": what the layers up to the last convolution found, weighted by how the class's
            score depends on it (Selvaraju et al., "Grad-CAM", ICCV 2017); one pass, as coarse as
            that layer. "occlusion": how far the score falls where the image is covered; some 170
            passes, for networks of any kind (Zeiler and Fergus, ECCV 2014). The score is what
            stands before the softmax (of a last layer that is one, occlusion takes the logarithm).
        layer
            For gradcam: the name of another layer that gives an image, as `summary` shows it; those
            in blocks are called "residual/conv2d". None: the last convolution, with the
            normalization and activation right behind it, or the block that it is in.
        window
            For occlusion: side in pixels of the square that covers the image; None: a fifth of
            the shorter side.

        Returns
        -------
        float32 (H, W), or (N, H, W)
            Of one image, or of several in their order; as large as the model's inputs. 0 to 1, its
            largest value; all 0 where nothing speaks for the class.

        Raises
        ------
        DataError
            As of `predict`.
        ValueError, TypeError
            An unknown label, method or layer; a network without convolutions (gradcam) or whose
            inputs are no images; and what `predict` raises.

        Notes
        -----
        A heat map shows what raised a score, not why, and not that the answer is right; see
        `docs/explain.md`.

        Examples
        --------
        >>> heat = model.explain("cat.jpg")                               # doctest: +SKIP
        >>> nn.plots.heat_overlay(picture, heat)                          # doctest: +SKIP
        """
        from nncore.training.answers.predictions import is_one_image

        check_method(method, layer, window)
        method = method or asked_method(layer, window) or self.explaining_method
        images = self._gathered(x).images
        if len(images.shape) != 4:
            raise ValueError(
                f"a heat map is of an image (H, W, C), but this model takes rows of "
                f"{images.shape[1]} numbers"
            )
        labels = explained_classes(label, self._classes(), len(images))
        if labels is None:
            labels = self._probabilities(images).argmax(axis=1).astype(np.int32)
        if method == "gradcam":
            maps = self._by_gradients(images, labels, layer)
        else:
            maps = self._by_covering(images, labels, window)
        check_finite(maps)
        return maps[0] if is_one_image(x, images.shape[1:]) else maps

    # -- inside

    def _by_gradients(
        self, images: ImagesOrMapped, labels: NDArray[np.int32], layer: str | None
    ) -> F32:
        network, maps = self._built_network(), np.empty(images.shape[:3], np.float32)
        probe = self._probes.of(self._stack, tuple(network.input_shape), layer)
        for start in range(0, len(images), IMAGES_AT_ONCE):
            block = slice(start, start + IMAGES_AT_ONCE)
            pixels = self._inputs.of_new(images[block])
            maps[block] = network.explain(probe, pixels, labels[block])
        return maps

    def _by_covering(
        self, images: ImagesOrMapped, labels: NDArray[np.int32], window: int | None
    ) -> F32:
        _, height, width, _ = images.shape
        side = default_window(height, width) if window is None else window
        side = check_int("window", side, 1, min(height, width))
        maps = [
            occlusion(images[at], self._scores_of(int(number)), side)
            for at, number in enumerate(labels)
        ]
        return np.stack(maps)

    def _scores_of(self, number: int) -> Callable[[NDArray[Any]], F32]:
        """From images to what stands before the softmax for one class."""
        network, last = self._built_network(), self._stack.output_activation()

        def scores(images: NDArray[Any]) -> F32:
            outputs = network.forward(self._inputs.of_new(images))
            return logits_of(outputs, last)[:, number]

        return scores
