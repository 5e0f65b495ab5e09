"""Files of named arrays, .npz and .safetensors: written, and read without trust."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import ExportError, ModelFileError
from nncore.files.home import place
from nncore.interop.export.frameworks import parameters_of
from nncore.interop.export.network import TrainedNetwork
from nncore.interop.weights_bytes import read_weights
from nncore.layers import Shape

_ZIP_SIGNATURE = b"PK\x03\x04"


@dataclass(frozen=True)
class Stored:
    """An array in a file: what it claims to be, and how to read it."""

    shape: Shape
    read: Callable[[], NDArray[Any]]


def weight_bytes(network: TrainedNetwork, suffix: str, framework: str) -> bytes:
    """The content of a file of that kind (".npz", ".safetensors") with all weights.

    Raises
    ------
    ExportError
        PyTorch has no order for something, or two parameters would have one name.
    """
    arrays: dict[str, NDArray[np.float32]] = {}
    for parameter in parameters_of(network):
        name = parameter.name_in(framework)
        if name in arrays:
            raise ExportError(
                f"two parameters would be called {name!r}: give the layers names that differ in "
                "more than dots"
            )
        value = parameter.written(network.weights[parameter.name], framework)
        arrays[name] = np.ascontiguousarray(value)
    if suffix == ".npz":
        file = io.BytesIO()
        np.savez(file, **arrays)  # type: ignore[arg-type]
        return file.getvalue()
    from safetensors.numpy import save

    return bytes(save(arrays))


def stored_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, Stored], bool]:
    """What the file at `path` holds, by name, and whether it stands in the order of writing.

    Raises
    ------
    ModelFileError
        There is no such file, or it is neither a whole .npz nor .safetensors.
    """
    path = place(path)
    data = read_weights(path)
    try:
        if data.startswith(_ZIP_SIGNATURE):
            return _arrays_of_zip(data), True
        return _arrays_of_safetensors(data), False
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise _not_whole(path, error) from error


def arrays_of_mapping(arrays: Mapping[str, Any]) -> dict[str, Stored]:
    """The same of arrays in memory, or of anything that NumPy makes arrays of."""
    return {str(name): _in_memory(np.asarray(value)) for name, value in arrays.items()}


def _in_memory(array: NDArray[Any]) -> Stored:
    return Stored(array.shape, lambda: array)


def _arrays_of_zip(data: bytes) -> dict[str, Stored]:
    """Only the headers are read: a few bytes may unfold to any size."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    found = {}
    for entry in archive.infolist():
        if not entry.filename.endswith(".npy"):
            raise ValueError(f"it holds {entry.filename!r}, which is no array")

        def read(entry: zipfile.ZipInfo = entry) -> NDArray[Any]:
            with archive.open(entry) as file:
                array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
            return array

        with archive.open(entry) as file:
            shape = _shape_in_header(file)
        found[entry.filename.removesuffix(".npy")] = Stored(shape, read)
    return found


def _shape_in_header(file: Any) -> Shape:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"an array of the format version {version}")
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never unpickled")
    return tuple(shape)


def _arrays_of_safetensors(data: bytes) -> dict[str, Stored]:
    import safetensors
    from safetensors.numpy import load

    try:
        return arrays_of_mapping(load(data))
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error


def _not_whole(path: os.PathLike[str], error: Exception) -> ModelFileError:
    return ModelFileError(
        f"{os.fspath(path)}: not a whole .npz or .safetensors file ({error}); weights of other "
        "kinds of files can be given as a dict of arrays"
    )
