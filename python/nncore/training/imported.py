"""Networks of ONNX files as models to be trained further."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from nncore.data.reading.settings import check_size
from nncore.errors import ModelFileError
from nncore.files.home import place
from nncore.training.images.inputs import PixelInputs
from nncore.training.model import Sequential

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.interop.onnx_import.network_of_graph import Imported
    from nncore.interop.onnx_import.steps import Part
    from nncore.layers import Shape


def from_onnx(
    path: str | os.PathLike[str],
    *,
    output: str | None = None,
    size: int | tuple[int, int] | None = None,
) -> Sequential:
    """The network of an ONNX file as a model of nncore's layers, which can be trained further.

    It takes float32 images (N, H, W, C) as the file's own network takes them, whether that has NCHW
    or NHWC; mean, deviation and the order of colours are the caller's. (`nncore.backbone` puts a
    new head on a network, and knows how pictures are to be prepared for it.) Nothing but nncore is
    needed. Where ONNX Runtime is installed, what both give for a picture is compared.

    Batch normalizations stay layers of their own, with their statistics, unless the exporter has
    made them part of the convolutions.

    Parameters
    ----------
    path
        The ``.onnx`` file. Weights that it keeps in other files must be in its folder.
    output
        Name of the tensor to end with, an output or any inner one that holds a row of numbers per
        image; by default the last output.
    size
        Side or (height, width) of the images where the file takes any; by default 224.

    Returns
    -------
    Sequential
        Built, with the weights of the file.

    Raises
    ------
    ModelFileError
        The file is missing or broken, or nncore has no layers for something in it: the message
        names node and operation. As frozen features (`Features`) ONNX Runtime can still run it.
    ValueError
        `output` or `size` contradict the file.

    Warns
    -----
    UserWarning
        The comparison with ONNX Runtime could not be made.

    Examples
    --------
    >>> model = nn.from_onnx("resnet18.onnx")
    >>> model.fit(x, y, epochs=3, batch_size=8, optimizer=nn.SGD(1e-3, momentum=0.9))
    """
    path = place(path)
    imported, content = read_import(path, output, size)
    if imported.result.is_image or imported.result.order is not None:
        what = "an image" if imported.result.is_image else "a flattened image"
        raise ModelFileError(
            f"{path}: gives {what} of {imported.result.shape} and no row of classes; nn.backbone "
            "puts a head on it, or name another tensor by output="
        )
    model = built(path, imported.parts, imported.input_shape)
    note = check_import(path, content, imported, model)
    if note is not None:
        warnings.warn(note, stacklevel=2)
    return model


def built(path: Path, parts: Sequence[Part], input_shape: Shape, seed: int = 0) -> Sequential:
    """A model of the layers in the file; what has no numbers in it is drawn from `seed`.

    Raises
    ------
    ModelFileError
        The engine refuses them: they are too large, or not finite.
    """
    from nncore.interop.onnx_import.naming import named_parameters

    try:
        model = Sequential([part.layer for part in parts], path.stem)
        model.build(input_shape, seed)
        model.set_parameters(named_parameters(parts, input_shape))
        model._inputs = PixelInputs(taught=True)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{path}: holds a network that nncore cannot make: {error}") from error
    return model


def read_import(
    path: Path, output: str | None, size: int | tuple[int, int] | None
) -> tuple[Imported, bytes]:
    """The network of the file, and the file's content; errors as of `from_onnx`."""
    from nncore.interop.onnx_import.network_of_graph import import_network
    from nncore.interop.onnx_session import read_file

    if output is not None and not isinstance(output, str):
        raise TypeError(f"output must be the name of a tensor, not {output!r}")
    model = read_file(path)
    return import_network(path, model, output, check_size(size)), model


def check_import(path: Path, model: bytes, imported: Imported, network: Sequential) -> str | None:
    """Compare the whole network with ONNX Runtime; what to tell where that cannot be done."""
    from nncore.interop.onnx_agreement import compare

    return compare(path, model, imported, network._built_network().forward)
