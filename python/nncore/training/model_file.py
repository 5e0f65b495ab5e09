"""The model file: one .safetensors with weights, names, preprocessing and training facts.

Tensors are float32 and named "<layer>/<parameter>". The file's metadata holds one JSON text under
"nncore":

    format_version  1
    nncore_version  the version that wrote it
    architecture    name, input_shape, layers (as `Layer.to_dict`), layer_names
    classes         names in the order of the outputs, or null
    preprocessing   as `Preprocessing.to_dict`, or null (trained on float arrays)
    loss, optimizer of the training, or null
    training        as `TrainingFacts`, or null
    features        only of a model on frozen features: the network's file name, SHA-256 and
                    settings (as `Features.to_dict`); the tensors "features/mean" and "features/std"
                    are what its features are standardised by
    state           null, or what resuming needs: position (as `Position.to_dict`), history (as
                    `History.to_dict`), optimizer (null, or method, steps, slots and shows_average
                    as in `OptimizerState`, whose arrays are the tensors
                    "optimizer/<layer>/<parameter>/<slot>")

Nothing in a file is trusted: sizes are compared with the tensors that are really there before any
memory is asked for, and nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int
from nncore.atomic import atomic_write_bytes
from nncore.data.class_map import ClassMap
from nncore.data.preprocessing import Preprocessing
from nncore.errors import ModelFileError
from nncore.layers import Shape, layer_from_dict
from nncore.losses import check_loss
from nncore.optimizers import optimizer_from_dict
from nncore.training.features import FrozenInputs, restored_inputs
from nncore.training.fit import Position, TrainingFacts
from nncore.training.history import History
from nncore.training.model import Sequential
from nncore.training.optimizer_state import OptimizerState, read_optimizer_state

if TYPE_CHECKING:
    from nncore import _core
    from nncore.interop.onnx_features import Features

FORMAT_VERSION = 1

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
# Activations of one image: a network without weights could claim any input size.
_MAX_VALUES_PER_IMAGE = 2**28


class ModelFileNotFoundError(ModelFileError, FileNotFoundError):
    """There is no file of that name."""

    def __str__(self) -> str:
        return str(self.args[-1])


@dataclass(frozen=True)
class TrainingState:
    """A model to train on, with the record of its training so far.

    `model.fit(..., history=state.history)` with the old data and settings goes on to the same
    weights as training without a stop.
    """

    model: Sequential
    history: History


def save(model: Sequential, path: str | os.PathLike[str], *, with_state: bool = False) -> None:
    """Write `model` to `path`; see `Sequential.save`.

    `with_state` adds what `load_training_state` needs.
    """
    write_model_file(path, serialize(model, with_state=with_state))


def write_model_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write the bytes of `serialize`, whole or not at all; OSError that names the culprit."""
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a folder, not a file for the model", str(target))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(target.parent))
    atomic_write_bytes(target, data)


def serialize(model: Sequential, *, with_state: bool = False) -> bytes:
    """The content of a model file.

    Raises
    ------
    ValueError
        The model is not built, or a weight is NaN or infinite.
    """
    from safetensors.numpy import save as save_tensors

    network = model._built_network()
    tensors = {name: network.get_parameter(name) for name in network.parameter_names()}
    if model._frozen is not None:
        tensors |= model._frozen.tensors()
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds NaN or infinity, so the model is not worth saving")
    if with_state:
        state = read_optimizer_state(network)
        tensors |= {f"optimizer/{name}": array for name, array in state.arrays.items()}
    text = json.dumps(_describe(model, with_state), ensure_ascii=False, allow_nan=False)
    result: bytes = save_tensors(tensors, metadata={"nncore": text})
    return result


def load(
    path: str | os.PathLike[str], features: Features | str | os.PathLike[str] | None = None
) -> Sequential:
    """Read a model that `Sequential.save` wrote.

    Parameters
    ----------
    path
        The .safetensors file.
    features
        For a model on frozen features: where their ONNX file is, by default beside `path`.

    Raises
    ------
    ModelFileError
        There is no such file (then it is a FileNotFoundError, too), it is truncated, no safetensors
        file, not of nncore, of another format version, or contradicts itself; the message names the
        file and what is wrong. Or the network of its features is missing or another one.
    MissingExtraError
        The model is on frozen features, and ONNX Runtime is not installed.
    ValueError
        `features` were given for a model that has none.
    """
    return _read(Path(path), features)[0]


def load_to_show(path: str | os.PathLike[str]) -> Sequential:
    """`load` that does without the network of frozen features; then nothing can be predicted."""
    return _read(Path(path), need_features=False)[0]


def load_training_state(
    path: str | os.PathLike[str], features: Features | str | os.PathLike[str] | None = None
) -> TrainingState:
    """Read a `last.safetensors`, to go on with its training.

    Raises
    ------
    ModelFileError
        As `load`, or the file holds a model without a training state.
    """
    model, described, optimizer_state = _read(Path(path), features)
    if described["state"] is None:
        raise ModelFileError(
            f"{os.fspath(path)}: holds a model but no training state; resume from last.safetensors"
        )
    try:
        state = described["state"]
        model._position = Position.from_dict(state["position"])
        history = History.from_dict(state["history"])
        if optimizer_state is not None:
            model.optimizer_state = optimizer_state
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelFileError(f"{os.fspath(path)}: bad training state: {_reason(error)}") from error
    model.history = history
    return TrainingState(model, history)


def _describe(model: Sequential, with_state: bool) -> dict[str, Any]:
    from nncore import _core

    state = None
    if with_state:
        history = model.history or History()
        remembered = model.optimizer_state
        state = {
            "position": model._position.to_dict(),
            "history": history.to_dict(),
            "optimizer": {
                "method": remembered.method,
                "steps": remembered.steps,
                "slots": list(remembered.slots),
                "shows_average": remembered.shows_average,
            }
            if remembered.arrays
            else None,
        }
    return {
        "format_version": FORMAT_VERSION,
        "nncore_version": _core.__version__,
        "architecture": {
            "name": model.name,
            "input_shape": list(model.input_shape or ()),
            "layers": [view.description.to_dict() for view in model.layers],
            "layer_names": [view.name for view in model.layers],
        },
        "classes": None if model.classes is None else list(model.classes.names),
        "preprocessing": None if model.preprocessing is None else model.preprocessing.to_dict(),
        **({} if model._frozen is None else {"features": model._frozen.features.to_dict()}),
        "loss": model.loss,
        "optimizer": None if model.optimizer is None else model.optimizer.to_dict(),
        "training": None if model.facts is None else dataclasses.asdict(model.facts),
        "state": state,
    }


def _read(
    path: Path,
    features: Features | str | os.PathLike[str] | None = None,
    need_features: bool = True,
) -> tuple[Sequential, dict[str, Any], OptimizerState | None]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        message = f"{path}: there is no such model file"
        raise ModelFileNotFoundError(message) from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error
    described, tensors = _parse(path, data)
    if features is not None and described.get("features") is None:
        raise ValueError(f"{path}: this model is on no frozen features: leave features out")
    try:
        frozen = restored_inputs(described, tensors, path, features, need_features)
        state = _take_optimizer_state(described, tensors)
        return _rebuild(described, tensors, frozen), described, state
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None
    except RecursionError:  # blocks within blocks, hundreds deep
        raise ModelFileError(f"{path}: inconsistent model file: too deeply nested") from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ModelFileError(f"{path}: inconsistent model file: {_reason(error)}") from error


def _parse(path: Path, data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The description and the tensors of a file's bytes."""
    import safetensors
    from safetensors.numpy import load as load_tensors

    try:
        # The library checks the header against the length of the file, entry by entry.
        tensors = load_tensors(data)
    except (safetensors.SafetensorError, ValueError, TypeError, KeyError) as error:
        raise ModelFileError(
            f"{path}: not a whole safetensors file ({_reason(error)}); it may be truncated or of "
            "another kind: copy or train it again"
        ) from error
    header_length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + header_length]).get("__metadata__") or {}
    if "nncore" not in metadata:
        raise ModelFileError(
            f"{path}: a safetensors file, but not a model of nncore (no 'nncore' in its metadata)"
        )
    try:
        described = json.loads(metadata["nncore"])
    except (ValueError, RecursionError) as error:
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
    return described, tensors


def _take_optimizer_state(
    described: Mapping[str, Any], tensors: dict[str, NDArray[Any]]
) -> OptimizerState | None:
    """The optimizer's state, whose tensors are taken out of `tensors`."""
    # Files of before there was one lack the key.
    found = (described["state"] or {}).get("optimizer")
    if found is None:
        return None
    slots = [str(slot) for slot in found["slots"]]
    names = [f"optimizer/{name}/{slot}" for name in list(tensors) for slot in slots]
    arrays = {name.partition("/")[2]: tensors.pop(name) for name in names if name in tensors}
    return OptimizerState(
        str(found["method"]), int(found["steps"]), arrays, found["shows_average"] is True
    )


def _rebuild(
    described: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any]],
    frozen: FrozenInputs | None,
) -> Sequential:
    """The model, after comparing every claim of the description with the tensors."""
    architecture = described["architecture"]
    layers = [layer_from_dict(layer) for layer in architecture["layers"]]
    model = Sequential(layers, architecture["name"])
    if model._stack.names != architecture["layer_names"]:
        raise ModelFileError(
            f"the layers {model._stack.names} are called {architecture['layer_names']} in the file"
        )
    input_shape = tuple(check_int("input_shape", n, 1) for n in architecture["input_shape"])
    if len(input_shape) not in (1, 3):
        raise ModelFileError(f"input_shape must be (H, W, C) or (features,), not {input_shape}")
    if frozen is not None and input_shape != frozen.input_shape:
        raise ModelFileError(f"{frozen.input_shape} features for inputs of shape {input_shape}")
    _check_tensors(_parameter_shapes(model, input_shape), tensors)
    model.build(input_shape)
    model._frozen = frozen
    network = model._built_network()
    for name, tensor in tensors.items():
        network.set_parameter(name, np.ascontiguousarray(tensor))
    _restore_facts(model, described, network)
    return model


def _parameter_shapes(model: Sequential, input_shape: Shape) -> dict[str, Shape]:
    """Shape of every tensor that the layers need, by its full name."""
    largest = max(
        math.prod(shape) for shape in [input_shape, *model._stack.output_shapes(input_shape)]
    )
    if largest > _MAX_VALUES_PER_IMAGE:
        raise ModelFileError(f"a layer with {largest:,} values per image is more than is allowed")
    return {
        f"{name}/{short}": shape
        for name, shapes in zip(
            model._stack.names, model._stack.parameter_shapes(input_shape), strict=True
        )
        for short, shape in shapes.items()
    }


def _check_tensors(expected: Mapping[str, Shape], tensors: Mapping[str, NDArray[Any]]) -> None:
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


def _restore_facts(model: Sequential, described: Mapping[str, Any], network: _core.Network) -> None:
    if described["classes"] is not None:
        model.classes = ClassMap.from_names(described["classes"])
        if list(model.classes.names) != described["classes"]:
            raise ModelFileError("the class names are not in their canonical form")
        if len(model.classes) != network.output_size:
            raise ModelFileError(f"{len(model.classes)} classes for {network.output_size} outputs")
    if described["preprocessing"] is not None:
        preprocessing = Preprocessing.from_dict(described["preprocessing"])
        if preprocessing.input_shape != model._image_shape():
            raise ModelFileError(
                f"images are prepared as {preprocessing.input_shape}, but the network takes "
                f"{model._image_shape()}"
            )
        model._set_preprocessing(preprocessing)
    if described["loss"] is not None:
        model.loss = check_loss(described["loss"])
    if described["optimizer"] is not None:
        model.optimizer = optimizer_from_dict(described["optimizer"])
    if described["training"] is not None:
        model.facts = TrainingFacts.from_dict(cast(dict[str, Any], described["training"]))
        # A fit that goes on from here has new shuffles.
        model._position = Position(epoch=model.facts.epochs)


def _reason(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)
