"""Reading a state dict that PyTorch saved in its legacy format, without PyTorch and without trust.

The file is a row of pickles: a magic number, the protocol's version, facts about the machine, the
state dict (whose tensors name their storages), the storages' keys in order; then the storages, each
as a count (int64) and its raw numbers. Unpickling may call whatever a file names, so this reader
resolves five names only, all to code of its own, and compares every claim about sizes with the
bytes that are there. Source of the format: torch/serialization.py (`_legacy_load`).
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import ModelFileError
from nncore.files.home import place
from nncore.interop.weights_bytes import read_weights

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ByteStorage": np.dtype("u1"),
}
_MAX_AXES = 8


def read_state_dict(
    path: str | os.PathLike[str], sha256: str | None = None
) -> dict[str, NDArray[Any]]:
    """The tensors of a state dict by name, as arrays that own their numbers.

    Parameters
    ----------
    path
        A file that ``torch.save(state_dict, path)`` wrote in the format of before PyTorch 1.6.
    sha256
        What the file's digest must be; then nothing of another file is even parsed.

    Raises
    ------
    ModelFileError
        The file is missing, another one, or not just a state dict: it names anything else than
        tensors, contradicts itself or is truncated. Nothing that it names is executed.
    """
    path = place(path)
    data = read_weights(path)
    if sha256 is not None:
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise ModelFileError(
                f"{path}: not the weights that nncore knows: its SHA-256 is {found}, not {sha256}; "
                "install the package again"
            )
    try:
        return _read(io.BytesIO(data), len(data))
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None
    # Whatever else a hostile pickle makes the unpickler raise, RecursionError and MemoryError too.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ModelFileError(f"{path}: not a whole state dict: {reason}") from error


@dataclass(frozen=True)
class _Storage:
    """A row of numbers somewhere behind the pickles."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _Tensor:
    """What a tensor claims to be."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _StateDict(dict[Any, Any]):
    """Stands for `collections.OrderedDict`; what a pickle adds as attributes is dropped."""

    def __setstate__(self, state: object) -> None: ...


def _rebuild_tensor(*given: Any) -> _Tensor:
    """Stands for `torch._utils._rebuild_tensor_v2`."""
    storage, offset, shape, strides = given[:4]
    sizes = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or not all(type(n) is int and n >= 0 for n in sizes):
        raise ModelFileError("a tensor is described in a way that none can be")
    if len(shape) != len(strides) or len(shape) > _MAX_AXES:
        raise ModelFileError(f"a tensor of {len(shape)} axes has {len(strides)} strides")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    # Strides of 0 would let a few bytes claim any size.
    if math.prod(shape) > storage.count or (math.prod(shape) and last >= storage.count):
        raise ModelFileError(
            f"a tensor {tuple(shape)} is larger than its storage of {storage.count} numbers"
        )
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _Unpickler(pickle.Unpickler):
    """Knows the names that a state dict of tensors needs, and no other."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _StateDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise ModelFileError(
            f"it names {module}.{name}, which no state dict needs: it may be hostile, and nothing "
            "of it was executed"
        )

    def persistent_load(self, identity: Any) -> _Storage:
        kind, dtype, key, _location, count = identity[:5]
        if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(key, str):
            raise ModelFileError("it refers to something that is no storage of numbers")
        if type(count) is not int or count < 0 or (len(identity) > 5 and identity[5] is not None):
            raise ModelFileError(f"storage {key!r} is described in a way that none can be")
        return _Storage(key, dtype, count)


def _read(file: io.BytesIO, size: int) -> dict[str, NDArray[Any]]:
    if _Unpickler(file).load() != _MAGIC:
        raise ModelFileError("not a state dict in PyTorch's legacy format")
    if _Unpickler(file).load() != _PROTOCOL:
        raise ModelFileError(f"not protocol {_PROTOCOL} of PyTorch's legacy format")
    facts = _Unpickler(file).load()
    if not isinstance(facts, dict) or facts.get("little_endian") is not True:
        raise ModelFileError("its numbers are not little-endian")
    described = _Unpickler(file).load()
    keys = _Unpickler(file).load()
    if not isinstance(described, dict) or not isinstance(keys, list):
        raise ModelFileError("not a dict of tensors")
    for name, tensor in described.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise ModelFileError(f"{name!r} is no tensor but {type(tensor).__name__}")
    storages = _storages(file, size, keys, described)
    return {
        name: _array(tensor, storages[tensor.storage.key]) for name, tensor in described.items()
    }


def _storages(
    file: io.BytesIO, size: int, keys: list[Any], described: Mapping[str, _Tensor]
) -> dict[str, NDArray[Any]]:
    """The numbers of all storages, by key."""
    claims = {tensor.storage.key: tensor.storage for tensor in described.values()}
    if len({*keys}) != len(keys) or claims.keys() != {*keys}:
        raise ModelFileError("its list of storages is not that of its tensors")
    found = {}
    for key in keys:
        claim = claims[key]
        head = file.read(8)
        count = int.from_bytes(head, "little", signed=True)
        room = (size - file.tell()) // claim.dtype.itemsize
        if len(head) < 8 or count != claim.count or count > room:
            raise ModelFileError(
                f"truncated: storage {key!r} should hold {claim.count} numbers, there is room for "
                f"{max(room, 0)}"
            )
        found[key] = np.frombuffer(file.read(count * claim.dtype.itemsize), claim.dtype)
    if file.read(1):
        raise ModelFileError("something follows its last storage")
    return found


def _array(tensor: _Tensor, numbers: NDArray[Any]) -> NDArray[Any]:
    if numbers.dtype != tensor.storage.dtype or len(numbers) != tensor.storage.count:
        raise ModelFileError(f"storage {tensor.storage.key!r} is described in two ways")
    strides = [step * numbers.itemsize for step in tensor.strides]
    view = np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :], tensor.shape, strides, writeable=False
    )
    result: NDArray[Any] = view.copy()
    return result
