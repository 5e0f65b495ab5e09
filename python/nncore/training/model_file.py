"""Reading and writing models as files; `model_format.py` describes what is in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from nncore.data.labels.class_map import ClassMap
from nncore.data.preprocessing import Preprocessing
from nncore.errors import DataError, ModelFileError
from nncore.home import place
from nncore.losses import check_loss
from nncore.optimizers import optimizer_from_dict
from nncore.training.features import restored_inputs
from nncore.training.history import History
from nncore.training.inputs import Inputs
from nncore.training.model import Sequential
from nncore.training.model_format import (
    ModelFileNotFoundError,
    check_tensors,
    read_model_file,
    reason,
    write_model_file,
)
from nncore.training.model_outline import (
    checked_input_shape,
    checked_stack,
    parameter_shapes,
)
from nncore.training.position import Position, TrainingFacts
from nncore.training.resume_point import StoredState

if TYPE_CHECKING:
    from nncore import _core
    from nncore.interop.onnx_features import Features

__all__ = [
    "ModelFileNotFoundError",
    "TrainingState",
    "load",
    "load_checkpoint",
    "load_to_show",
    "load_training_state",
    "save",
]


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
    write_model_file(path, model.to_bytes(with_state=with_state, include_optimizer=False))


def load(
    path: str | os.PathLike[str], features: Features | str | os.PathLike[str] | None = None
) -> Sequential:
    """Read a model that `Sequential.save` wrote.

    With the optimizer's state, if the file has it: then a `fit` goes on as if the model had not
    been away.

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
    model, state = _read(place(path), features)
    _give_optimizer(model, state, Path(path))
    return model


def load_to_show(path: str | os.PathLike[str]) -> Sequential:
    """`load` that does without the network of frozen features, then nothing can be predicted, and
    without the optimizer's state."""
    return _read(place(path), need_features=False)[0]


def load_checkpoint(
    path: str | os.PathLike[str], features: Features | str | os.PathLike[str] | None = None
) -> Sequential:
    """Read a `last.safetensors` as a model with all that its training needs to go on.

    `model.fit(..., history=model.history)` with the old data and settings, and as many epochs as
    were left, goes on to the same weights and history as a training that nothing stopped: within an
    epoch, too, and with `restore_best_weights` where an earlier epoch was the best.

    Parameters
    ----------
    path, features
        As of `load`.

    Raises
    ------
    ModelFileError
        As `load`, or the file holds a model without the record of its training.

    Examples
    --------
    >>> model = nn.load_checkpoint("runs/run-1/last.safetensors")            # doctest: +SKIP
    >>> left = 30 - len(model.history)                                       # doctest: +SKIP
    >>> model.fit(train, epochs=left, optimizer=model.optimizer,             # doctest: +SKIP
    ...           history=model.history)
    """
    model, state = _read(place(path), features)
    if not state.has_history:
        raise ModelFileError(
            f"{os.fspath(path)}: holds a model but no training state; resume from last.safetensors"
        )
    _give_optimizer(model, state, Path(path))
    try:
        model.history = state.history()
        if state.has_best:
            model.keep_best(state.best)
        model.stop_training = state.stopped
    except (ValueError, TypeError, KeyError, AttributeError, DataError) as error:
        raise _bad_state(Path(path), error) from error
    return model


def load_training_state(
    path: str | os.PathLike[str], features: Features | str | os.PathLike[str] | None = None
) -> TrainingState:
    """`load_checkpoint`, with the history beside the model."""
    model = load_checkpoint(path, features)
    assert model.history is not None
    return TrainingState(model, model.history)


def _bad_state(path: Path, error: Exception) -> ModelFileError:
    return ModelFileError(f"{path}: bad training state: {reason(error)}")


def _read(
    path: Path,
    features: Features | str | os.PathLike[str] | None = None,
    need_features: bool = True,
) -> tuple[Sequential, StoredState]:
    described, tensors = read_model_file(path)
    if features is not None and described.get("features") is None:
        raise ValueError(f"{path}: this model is on no frozen features: leave features out")
    try:
        inputs = restored_inputs(described, tensors, path, features, need_features)
        state = StoredState.take(described["state"], tensors)
        model = _rebuild(described, tensors, inputs)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None
    except RecursionError:  # blocks within blocks, hundreds deep
        raise ModelFileError(f"{path}: inconsistent model file: too deeply nested") from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ModelFileError(f"{path}: inconsistent model file: {reason(error)}") from error
    return model, state


def _give_optimizer(model: Sequential, state: StoredState, path: Path) -> None:
    """The optimizer's state, and where in the data it stands, if the file has them."""
    if state.described is None:
        return
    try:
        model._position = state.position()
        if state.optimizer is not None:
            model.optimizer_state = state.optimizer
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _bad_state(path, error) from error


def _rebuild(
    described: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any]],
    inputs: Inputs,
) -> Sequential:
    """The model, after comparing every claim of the description with the tensors."""
    architecture = described["architecture"]
    stack = checked_stack(architecture)
    model = Sequential(stack.layers, architecture["name"])
    input_shape = checked_input_shape(architecture)
    rows = inputs.input_shape(input_shape)
    if input_shape != rows:
        raise ModelFileError(f"{rows} features for inputs of shape {input_shape}")
    check_tensors(parameter_shapes(model._stack, input_shape), tensors)
    model.build(input_shape)
    model._inputs = inputs
    network = model._built_network()
    for name, tensor in tensors.items():
        network.set_parameter(name, np.ascontiguousarray(tensor))
    _restore_facts(model, described, network)
    return model


def _restore_facts(model: Sequential, described: Mapping[str, Any], network: _core.Network) -> None:
    if described["classes"] is not None:
        model.classes = ClassMap.from_names(described["classes"])
        if list(model.classes.names) != described["classes"]:
            raise ModelFileError("the class names are not in their canonical form")
        if len(model.classes) != network.output_size:
            raise ModelFileError(f"{len(model.classes)} classes for {network.output_size} outputs")
    if described["preprocessing"] is not None:
        preprocessing = Preprocessing.from_dict(described["preprocessing"])
        image_shape = model._inputs.image_shape(model.input_shape)
        if preprocessing.input_shape != image_shape:
            raise ModelFileError(
                f"images are prepared as {preprocessing.input_shape}, but the network takes "
                f"{image_shape}"
            )
        model._set_preprocessing(preprocessing)
    if described["loss"] is not None:
        model.loss = check_loss(described["loss"])
    if described["optimizer"] is not None:
        model.optimizer = optimizer_from_dict(described["optimizer"])
    if described["training"] is not None:
        model.facts = TrainingFacts.from_dict(cast(dict[str, Any], described["training"]))
        if model.facts.input_range is not None or model.preprocessing is not None:
            model._inputs = model._inputs.restored(model.facts.input_range)
        # A fit that goes on from here has new shuffles.
        model._position = Position(epoch=model.facts.epochs)
