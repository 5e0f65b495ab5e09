"""The model file: one .safetensors with weights, names, preprocessing and training facts.

Tensors are float32 and named "<layer>/<parameter>". The file's metadata holds one JSON text under
"nncore":

    digests         of the tensors and of the header, see `model_digests.py`; with "sealed", the
                    last entry. Files that are older have neither and cannot be checked
    format_version  1
    nncore_version  the version that wrote it
    architecture    name, input_shape, layers (as `Layer.to_dict`), layer_names
    classes         names in the order of the outputs, or null
    preprocessing   as `Preprocessing.to_dict`, or null (trained on float arrays)
    loss, optimizer of the training, or null
    temperature     of a calibrated model: what outputs are divided by before softmax. The tensor
                    "calibration.true_probability" is what sets with a stated coverage come from,
                    see `prediction_sets.py`
    unknown         of a calibrated model, where it can tell unknown pictures: images, false_alarms,
                    threshold; beside it the tensors "calibration.centre", "calibration.whitening"
                    and "calibration.class_means", see `novelty.py`
    training        as `TrainingFacts`, or null
    features        only of a model on frozen features: the network's file name, SHA-256 and
                    settings (as `Features.to_dict`); the tensors "features/mean" and "features/std"
                    are what its features are standardised by
    state           null, or what resuming needs: position (as `Position.to_dict`; its losses are
                    the float64 tensor "position.iteration_loss"), optimizer (null, or method,
                    steps, slots and shows_average as in `OptimizerState`, whose arrays are the
                    tensors "optimizer/<layer>/<parameter>/<slot>"), history (null, or
                    `History.facts` with the names of its columns, the float64 tensors
                    "history.<column>"; older files have `History.to_dict`). Beside a history also
                    best (null, or the names of those parameters of the best epoch that are other
                    ones now, the tensors "best/<layer>/<parameter>") and stopped (whether a
                    callback has ended the training)

Nothing in a file is trusted: sizes are compared with the tensors that are really there before any
memory is asked for, and nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nncore.data.content_kinds import SAFETENSORS
from nncore.data.labels.class_map import ClassMap
from nncore.data.preprocessing import Preprocessing
from nncore.data.sources.wrong_kind import file_kind
from nncore.errors import ModelFileError
from nncore.files.atomic import atomic_write_bytes
from nncore.files.home import place
from nncore.files.near_paths import path_meant
from nncore.files.regular_files import open_regular
from nncore.layers import Layer, Shape
from nncore.optimizers import Optimizer
from nncore.training.model_digests import (
    DIGESTS,
    SEALED,
    UNSEALED,
    header_is_whole,
    is_sealed,
    sealed,
    tensors_are_whole,
)
from nncore.training.model_names import check_model_name
from nncore.training.position import TrainingFacts
from nncore.training.resume_point import ResumePoint

FORMAT_VERSION = 1
_LARGEST_HEADER = 100_000_000  # bytes, as of the safetensors library
CONTRADICTIONS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What reading a description raises that is not what nncore writes."""

_FIELDS = (
    "format_version",
    "nncore_version",
    "architecture",
    "classes",
    "preprocessing",
    "loss",
    "optimizer",
    "training",
    "state",
)


@dataclass(frozen=True)
class ModelContents:
    """All that goes into a model file.

    Attributes
    ----------
    name, layers, layer_names, input_shape
        The architecture.
    tensors : dict of str to float32
        Parameters by "<layer>/<parameter>", and what inputs and calibration store beside them.
    classes, preprocessing, loss, optimizer, facts
        As of `Sequential`; None where not known.
    features
        Record of the frozen features, or None.
    resume
        What resuming needs, or None.
    temperature
        As of `Sequential`.
    assurances
        What the description says of them, see `Assurances.to_dict`.
    """

    name: str
    layers: Sequence[Layer]
    layer_names: Sequence[str]
    input_shape: Shape
    tensors: Mapping[str, NDArray[Any]]
    classes: ClassMap | None
    preprocessing: Preprocessing | None
    features: Mapping[str, Any] | None
    loss: str | None
    optimizer: Optimizer | None
    facts: TrainingFacts | None
    resume: ResumePoint | None = None
    temperature: float = 1.0
    assurances: Mapping[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """The JSON text of the file, as a dict."""
        from nncore import _core

        return {
            DIGESTS: UNSEALED,
            "format_version": FORMAT_VERSION,
            "nncore_version": _core.__version__,
            "architecture": {
                "name": self.name,
                "input_shape": list(self.input_shape),
                "layers": [layer.to_dict() for layer in self.layers],
                "layer_names": list(self.layer_names),
            },
            "classes": None if self.classes is None else list(self.classes.names),
            "preprocessing": None if self.preprocessing is None else self.preprocessing.to_dict(),
            **({} if self.features is None else {"features": dict(self.features)}),
            "loss": self.loss,
            **({} if self.temperature == 1.0 else {"temperature": self.temperature}),
            **self.assurances,
            "optimizer": None if self.optimizer is None else self.optimizer.to_dict(),
            "training": None if self.facts is None else dataclasses.asdict(self.facts),
            "state": None if self.resume is None else self.resume.to_dict(),
            SEALED: True,
        }


class ModelFileNotFoundError(ModelFileError, FileNotFoundError):
    """There is no file of that name."""

    def __str__(self) -> str:
        return str(self.args[-1])


def serialize(contents: ModelContents) -> bytes:
    """The bytes of a model file.

    Raises
    ------
    ValueError
        A weight is NaN or infinite.
    """
    from safetensors.numpy import save as save_tensors

    tensors = dict(contents.tensors)
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds NaN or infinity, so the model is not worth saving")
    if contents.resume is not None:
        tensors |= contents.resume.tensors()
    text = json.dumps(contents.describe(), ensure_ascii=False, allow_nan=False)
    return sealed(save_tensors(tensors, metadata={"nncore": text}))


def write_model_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write the bytes of `serialize`, whole or not at all; OSError that names the culprit, or
    ValueError where the file's name promises another format."""
    target = place(path)
    check_model_name(target)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a folder, not a file for the model", str(target))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(target.parent))
    atomic_write_bytes(target, data)


@dataclass(frozen=True)
class Header:
    """What stands before the tensors of a model file.

    Attributes
    ----------
    data
        Its bytes, with those of its length.
    described
        The description.
    entries : mapping of str to dict
        What the file says of each tensor: dtype, shape, data_offsets.
    """

    data: bytes
    described: dict[str, Any]
    entries: Mapping[str, Any]

    @property
    def sealed(self) -> bool:
        """Whether the file carries digests, so that damage can be found."""
        return is_sealed(self.described)


def read_header(path: Path) -> Header:
    """The header of the model file at `path`; nothing behind it is read.

    Raises
    ------
    ModelFileError
        There is no such file, or its header is not that of a whole model file of this format
        version.
    """
    with _opened(path) as file:
        return _read_header(path, file)


def read_model_file(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The description and the tensors of the file at `path`.

    Raises
    ------
    ModelFileError
        There is no such file, or it is no whole model file of this format version.
    """
    import safetensors
    from safetensors.numpy import load as load_tensors

    with _opened(path) as file:
        header = _read_header(path, file)
        file.seek(0)
        data = file.read()
    start = len(header.data)
    if data[:start] != header.data:
        raise ModelFileError(f"{path}: was changed while it was read; try again")
    if header.sealed and not tensors_are_whole(header.data, memoryview(data)[start:]):
        raise _damaged(path, "its tensors are not those that were written")
    try:
        # The library checks the header against the length of the file, entry by entry.
        tensors = load_tensors(data)
    except (safetensors.SafetensorError, ValueError, TypeError, KeyError) as error:
        raise _not_whole(path, reason(error)) from error
    return header.described, tensors


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with open(open_regular(path)[0], "rb") as file:
            yield file
    except FileNotFoundError:
        message = f"{path}: there is no such model file{path_meant(path)}"
        raise ModelFileNotFoundError(message) from None
    except IsADirectoryError as error:
        raise ModelFileError(
            f"{path}: is a folder; give the file, such as {path / 'best.safetensors'}"
        ) from error
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error


def _read_header(path: Path, file: IO[bytes]) -> Header:
    size = os.fstat(file.fileno()).st_size
    first = file.read(8)
    length = int.from_bytes(first, "little")
    if len(first) < 8:
        raise _not_whole(path, f"it has {size} bytes")
    if not 2 <= length <= min(size - 8, _LARGEST_HEADER):
        raise _not_whole(path, f"a header of {length:,} bytes in a file of {size:,}")
    data = first + file.read(length)
    try:
        entries = _json(data[8:])
        metadata = entries.pop("__metadata__", None) or {}
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (*CONTRADICTIONS, RecursionError) as error:
        raise _not_whole(path, f"invalid header: {reason(error)}") from error
    if len(data) + end != size:
        raise _not_whole(path, f"{size:,} bytes where its header needs {len(data) + end:,}")
    described = _described(path, metadata)
    if is_sealed(described) and not header_is_whole(data):
        raise _damaged(path, "its header is not the one that was written")
    return Header(data, described, entries)


def _described(path: Path, metadata: Any) -> dict[str, Any]:
    """The description in the metadata of a header."""
    if not isinstance(metadata, dict) or "nncore" not in metadata:
        raise ModelFileError(
            f"{path}: a safetensors file, but not a model of nncore (no 'nncore' in its metadata)"
        )
    try:
        described = _json(metadata["nncore"])
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path}: its 'nncore' metadata is not JSON: {error}") from error
    version = described.get("format_version") if isinstance(described, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:
        raise ModelFileError(
            f"{path}: model format version {version!r}, but this nncore reads version "
            f"{FORMAT_VERSION}; use the nncore version that wrote it "
            f"({described.get('nncore_version') if isinstance(described, dict) else None!r})"
        )
    missing = [name for name in _FIELDS if name not in described]
    if missing:
        raise ModelFileError(f"{path}: its 'nncore' metadata lacks {', '.join(missing)}")
    return dict(described)


def _json(text: str | bytes) -> Any:
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite_float)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits} is beyond all numbers that are written")
    return value


def _not_whole(path: Path, why: str) -> ModelFileError:
    kind = file_kind(path)
    if kind is not None and kind is not SAFETENSORS:
        return ModelFileError(
            f"{path}: is {kind.name}, no model of nncore; give a .safetensors file, or for a "
            "command the folder of a run"
        )
    return ModelFileError(
        f"{path}: not a whole safetensors file ({why}); it may be truncated or of another kind: "
        "copy or train it again"
    )


def _damaged(path: Path, what: str) -> ModelFileError:
    return ModelFileError(f"{path}: damaged: {what}; copy or train it again")


def check_tensors(expected: Mapping[str, Shape], tensors: Mapping[str, NDArray[Any]]) -> None:
    """ModelFileError where `tensors` are not just those `expected`, finite float32."""
    if expected.keys() != tensors.keys():
        missing = sorted(expected.keys() - tensors.keys())
        unknown = sorted(tensors.keys() - expected.keys())
        raise ModelFileError(f"weights missing: {missing}; weights of no layer: {unknown}")
    for name, shape in expected.items():
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype != np.float32:
            raise ModelFileError(
                f"{name} is {tensor.dtype} {tensor.shape}, but the layers need float32 {shape}"
            )
        if not np.isfinite(tensor).all():
            raise ModelFileError(f"{name} holds NaN or infinity; train the model again")


def reason(error: Exception) -> str:
    """What went wrong, for a message."""
    return f"no {error}" if isinstance(error, KeyError) else str(error)
