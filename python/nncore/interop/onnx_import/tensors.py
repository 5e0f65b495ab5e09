"""Tensors of an ONNX file as arrays: in the file itself, or in one beside it.

TensorProto.dims 1, .data_type 2, .float_data 4, .int32_data 5, .int64_data 7, .name 8,
    .raw_data 9, .double_data 10, .uint64_data 11, .external_data 13, .data_location 14
StringStringEntryProto.key 1, .value 2
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import ModelFileError
from nncore.files.regular_files import open_regular
from nncore.interop.protocol_buffers import (
    Message,
    integer,
    integers,
    messages,
    text,
)

_DIMS, _DATA_TYPE, _NAME, _RAW, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 8, 9, 13, 14
_FLOATS, _INT32S, _INT64S, _DOUBLES, _UINT64S = 4, 5, 7, 10, 11
_IN_ANOTHER_FILE = 1
_KEY, _VALUE = 1, 2
_MOST_AXES = 8

DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    4: np.dtype("<u2"),
    5: np.dtype("<i2"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    9: np.dtype("?"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
    12: np.dtype("<u4"),
    13: np.dtype("<u8"),
}


def read_tensor(message: Message, model: Path) -> tuple[str, NDArray[Any]]:
    """Name and numbers of a TensorProto; other files are looked for beside the file `model`.

    Raises
    ------
    ModelFileError, ValueError
        It claims something that its bytes do not bear out.
    """
    name = text(message, _NAME)
    shape = integers(message, _DIMS)
    kind = integer(message, _DATA_TYPE)
    if kind not in DTYPES:
        raise ModelFileError(f"tensor {name!r} has ONNX's type {kind}, which nncore does not know")
    if any(length < 0 for length in shape) or len(shape) > _MOST_AXES:
        raise ModelFileError(f"tensor {name!r} has the shape {tuple(shape)}")
    dtype, count = DTYPES[kind], math.prod(shape)
    if integer(message, _DATA_LOCATION) == _IN_ANOTHER_FILE:
        numbers = np.frombuffer(_external(message, name, model, count * dtype.itemsize), dtype)
    else:
        numbers = _numbers(message, dtype)
    if numbers.size != count:
        raise ModelFileError(
            f"tensor {name!r} holds {numbers.size} numbers, not the {count} of its shape "
            f"{tuple(shape)}"
        )
    return name, numbers.reshape(shape)


def _numbers(message: Message, dtype: np.dtype[Any]) -> NDArray[Any]:
    raw = messages(message, _RAW)
    if raw:
        if len(raw[-1]) % dtype.itemsize:
            raise ValueError(f"{len(raw[-1])} bytes are no whole {dtype} numbers")
        return np.frombuffer(raw[-1], dtype)
    if dtype == np.float32:
        return np.frombuffer(b"".join(messages(message, _FLOATS)), dtype)
    if dtype == np.float64:
        return np.frombuffer(b"".join(messages(message, _DOUBLES)), dtype)
    if dtype == np.float16:  # as their bits
        return np.array(integers(message, _INT32S), np.int64).astype(np.uint16).view(np.float16)
    field = {"<i8": _INT64S, "<u8": _UINT64S, "<u4": _UINT64S}.get(dtype.str, _INT32S)
    return np.array(integers(message, field), np.int64).astype(dtype)


def _external(message: Message, name: str, model: Path, size: int) -> bytes:
    """`size` bytes of a file in the folder of the file `model`."""
    said = {text(entry, _KEY): text(entry, _VALUE) for entry in messages(message, _EXTERNAL_DATA)}
    location = said.get("location", "")
    folder = model.parent
    path = folder / location
    inside = Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder))
    # The cache of a hub has links to both files, which lie together. Not Path.resolve, which raises
    # where links go round in a circle.
    folders = (os.path.realpath(folder), os.path.dirname(os.path.realpath(model)))
    linked = any(Path(os.path.realpath(path)).is_relative_to(one) for one in folders)
    if not location or os.path.isabs(location) or not inside or not linked:
        raise ModelFileError(
            f"tensor {name!r} is said to be in {location!r}, which is not in the folder of the "
            "ONNX file"
        )
    offset, length = int(said.get("offset", 0)), int(said.get("length", size))
    if length != size or offset < 0:
        raise ModelFileError(
            f"tensor {name!r} has {size} bytes, not {length} at {offset} in {location}"
        )
    try:
        descriptor, status = open_regular(path)
        with open(descriptor, "rb") as file:
            found = b""
            if offset + size <= status.st_size:  # else not even room for what is asked for
                file.seek(offset)
                found = file.read(size)
    except OSError as error:
        raise ModelFileError(
            f"its weights are in {location}, which cannot be read: {error.strerror}"
        ) from error
    if len(found) != size:
        raise ModelFileError(f"its weights are in {location}, which is truncated")
    return found
