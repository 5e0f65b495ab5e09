"""An imported network as the body of a new model: its classifier taken off, a new head put on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncore.data.preprocessing import Preprocessing
from nncore.errors import ModelFileError
from nncore.interop.image_input import pixel_scale
from nncore.interop.known_inputs import known_scale
from nncore.layers import (
    Activation,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    Shape,
)
from nncore.layers.stack import with_trainable
from nncore.regularizers import Regularizer
from nncore.training.imported import built, check_import, read_import
from nncore.training.model import Sequential

if TYPE_CHECKING:
    from nncore.interop.onnx_import.network_of_graph import Imported
    from nncore.interop.onnx_import.steps import Part

# What may stand behind the last layer with weights of a classifier.
_BEHIND = (Activation, Dropout, Flatten, GlobalAveragePool2D)
# How many classes ImageNet has, with and without one for the background; and all of its nouns.
_IMAGENET_CLASSES = (1000, 1001, 21841, 21843)


@dataclass(frozen=True)
class OnnxBackbone:
    """The network of an ONNX file, and how pictures are prepared for it.

    Attributes
    ----------
    path, content
        The file.
    imported
        Its network.
    preprocessing
        Of pictures.
    notes
        What to tell: what was guessed.
    """

    path: Path
    content: bytes
    imported: Imported
    preprocessing: Preprocessing
    notes: tuple[str, ...]

    @classmethod
    def open(
        cls,
        path: Path,
        size: int | tuple[int, int] | None = None,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        fit: str = "crop",
    ) -> OnnxBackbone:
        """Read the file; errors and arguments as of `nncore.backbone`."""
        imported, content = read_import(path, None, size)
        shape = imported.input_shape
        if len(shape) != 3 or shape[2] not in (1, 3):
            raise ModelFileError(f"{path}: takes inputs of the shape {shape} and no pictures")
        color = "gray" if shape[2] == 1 else "rgb"
        dtype = imported.input.dtype
        guessed: list[str] = []
        scale = pixel_scale(
            path,
            "float32" if dtype is None else dtype.name,
            imported.layout,
            color,
            mean,
            std,
            known_scale(imported.graph),
            guessed,
        )
        if scale[0] is None:  # it takes bytes, and our layers the same numbers
            scale = ((0.0,) * shape[2], (1 / 255,) * shape[2])
        prepared = Preprocessing(shape[0], shape[1], color, fit=fit, mean=scale[0], std=scale[1])
        return cls(path, content, imported, prepared, _notes(path, guessed, prepared))

    def model(
        self,
        classes: int,
        trainable: bool,
        kernel_regularizer: Regularizer | float | None,
        seed: int,
    ) -> tuple[Sequential, tuple[str, ...]]:
        """The network without its classifier, then a head; and what to tell about it."""
        from nncore.interop.onnx_import.fusing import without_normalizations

        imported = self.imported
        whole = [*imported.parts, *_pooled(imported.result.is_image)]
        shape = imported.input_shape
        note = check_import(self.path, self.content, imported, built(self.path, whole, shape))
        body = without_classifier(without_normalizations(imported.parts), shape)
        while body and not trainable and isinstance(body[-1].layer, Dropout):
            body = body[:-1]
        if not any(part.parameters or part.branches for part in body):
            raise ModelFileError(f"{self.path}: nothing is left of it without its classifier")
        body = [*body, *_pooled(len(_output_shape(body, shape)) == 3)]
        head = Dense(classes, kernel_regularizer=kernel_regularizer, name="head_dense")
        fixed = [
            dataclasses.replace(part, layer=with_trainable(part.layer, trainable)) for part in body
        ]
        model = built(self.path, [*fixed, _part(head)], shape, seed)
        model._set_preprocessing(self.preprocessing)
        return model, (*self.notes, *([] if note is None else [note]))


def without_classifier(parts: Sequence[Part], shape: Shape) -> list[Part]:
    """Up to the last Dense layer; or to the convolution that gives ImageNet's classes.

    Networks without either give features already.
    """
    layers = [part.layer for part in parts]
    dense = [at for at, layer in enumerate(layers) if isinstance(layer, Dense)]
    if dense:
        return list(parts[: dense[-1]])
    end = len(layers)
    while end > 0 and isinstance(layers[end - 1], _BEHIND):
        end -= 1
    last = layers[end - 1] if end else None
    if (
        isinstance(last, Conv2D)
        and last.kernel_size == (1, 1)
        and last.filters in _IMAGENET_CLASSES
    ):
        return list(parts[: end - 1])
    return list(parts)


def _output_shape(parts: Sequence[Part], shape: Shape) -> Shape:
    for part in parts:
        shape = part.layer.output_shape(shape)
    return shape


def _pooled(is_image: bool) -> list[Part]:
    return [_part(GlobalAveragePool2D())] if is_image else []


def _part(layer: Layer) -> Part:
    from nncore.interop.onnx_import.steps import Part

    return Part(layer)


def _notes(path: Path, guessed: Sequence[str], prepared: Preprocessing) -> tuple[str, ...]:
    if "mean" not in guessed:
        return ()
    mean, std = (", ".join(f"{x:.4g}" for x in _numbers(v)) for v in (prepared.mean, prepared.std))
    return (
        f"{path}: does not say which mean and deviation it was trained with; guessed are {mean} "
        f"and {std}, where 255 is 1; wrong ones cost much of the accuracy: say them by mean= and "
        "std= (--features-mean, --features-std)",
    )


def _numbers(values: Any) -> list[float]:
    return list(dict.fromkeys(values))
