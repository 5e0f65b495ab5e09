"""Networks that others trained on a million photos, as models to be trained further."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

from nncore.arguments import check_int, check_seed
from nncore.data.preprocessing import Preprocessing
from nncore.files.home import place
from nncore.layers import Dense
from nncore.layers.efficientnet_lite import VARIANTS, efficientnet_lite
from nncore.layers.stack import with_trainable
from nncore.regularizers import Regularizer
from nncore.training.images.inputs import PixelInputs
from nncore.training.model import Sequential
from nncore.training.onnx_backbone import OnnxBackbone

# (x - 127) / 128 of a byte, on the scale where 255 is 1.
_MEAN, _STD = 127 / 255, 128 / 255


# Long because: its arguments are explained here.
def backbone(
    name: str | os.PathLike[str] = "efficientnet-lite0",
    classes: int = 2,
    *,
    trainable: bool = False,
    kernel_regularizer: Regularizer | float | None = None,
    fit: str = "crop",
    seed: int = 0,
    size: int | tuple[int, int] | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
) -> Sequential:
    """A model that knows photos already: pretrained layers, then a new Dense layer, the head.

    The weights are those of EfficientNet-Lite, trained on ImageNet by its authors, from the package
    that the extra ``[pretrained]`` brings (Apache License 2.0; whether the terms of
    ImageNet's pictures concern you is yours to judge). Once the model is saved, its file holds all
    of them, and the package is not needed any more.

    With fixed layers, as by default, `fit` computes what they make of each picture once, and trains
    the head on that: seconds for some hundred pictures. Batch normalizations are part of the
    convolutions' weights; their statistics stay as they are.

    Parameters
    ----------
    name
        "efficientnet-lite0", "-lite1" or "-lite2", for pictures of 224, 240 and 260 pixels. Or the
        path of an ``.onnx`` file: its network (as of `from_onnx`) up to its own classifier, which
        is the last Dense layer and what is behind it.
    classes
        Number of outputs, at least 2.
    trainable
        Whether the pretrained layers are trained, too; then take a low learning rate, such as
        ``Adam(1e-4)``, and some epochs.
    kernel_regularizer
        Penalty of the head, such as ``L2(1e-3)``.
    fit
        How pictures of another aspect ratio become square: "crop", as when the network was trained,
        "pad" where what is to be seen reaches the edges, or "stretch" (see `Preprocessing`). Data
        sets are read with the same `fit`.
    seed
        Of the head's first weights.
    size
        Of an ONNX file that takes any: side or (height, width) of the pictures; by default 224.
    mean, std
        Of an ONNX file: what its pixels are to have, as of `Features`; by default what the graph
        tells, else guessed, with a warning.

    Returns
    -------
    Sequential
        Built; its `preprocessing` says how pictures are to be read: 224x224 RGB, cropped.

    Raises
    ------
    ValueError, TypeError
        An unknown name, or a wrong argument.
    MissingExtraError
        The package with the weights is not installed.
    ModelFileError
        Its file is not the one that nncore knows.

    Examples
    --------
    >>> model = nn.backbone("efficientnet-lite0", classes=3)
    >>> photos = nn.ImageDataset.from_folder("photos/", preprocessing=model.preprocessing)
    >>> train, val, _ = photos.split(val=0.2, seed=0)
    >>> model.fit(train, validation_data=val, epochs=30, optimizer=nn.Adam(1e-3))
    """
    if not isinstance(trainable, bool):
        raise TypeError(f"trainable must be True or False, not {trainable!r}")
    classes, seed = check_int("classes", classes, 2), check_seed(seed)
    if is_onnx_file(name):
        opened = OnnxBackbone.open(place(name), size, mean, std, fit)
        model, notes = opened.model(classes, trainable, kernel_regularizer, seed)
        for note in notes:
            warnings.warn(note, stacklevel=2)
        return model
    # Not at the top: whoever reads a model has no business with pickles.
    from nncore.interop.pretrained import pretrained_parameters

    if not isinstance(name, str) or name not in VARIANTS:
        known = ", ".join(VARIANTS)
        raise ValueError(f"unknown backbone {name!r}; known: {known}, or the path of an .onnx file")
    if (size, mean, std) != (None, None, None):
        raise ValueError(f"size, mean and std are for ONNX files; those of {name} are known")
    variant = VARIANTS[name]
    side = variant.size
    preprocessing = Preprocessing(side, side, "rgb", fit=fit, mean=(_MEAN,) * 3, std=(_STD,) * 3)
    body = [with_trainable(layer, trainable) for layer in efficientnet_lite(variant)]
    head = Dense(classes, kernel_regularizer=kernel_regularizer, name="head_dense")
    model = Sequential([*body, head], name=name)
    model.build((side, side, 3), seed)
    model.set_parameters(pretrained_parameters(name))
    model._inputs = PixelInputs(taught=True)
    model._set_preprocessing(preprocessing)
    return model


def is_onnx_file(name: object) -> bool:
    """Whether a backbone is named by the path of its file."""
    return isinstance(name, os.PathLike) or (
        isinstance(name, str) and name.lower().endswith(".onnx")
    )
