"""From what a model file says to a model, after comparing every claim with the tensors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from nncore.data.labels.class_map import ClassMap
from nncore.data.preprocessing import Preprocessing
from nncore.errors import ModelFileError
from nncore.layers import Layer
from nncore.losses import check_loss
from nncore.optimizers import optimizer_from_dict
from nncore.training.answers.assurances import Assurances
from nncore.training.images.features import restored_inputs
from nncore.training.images.inputs import Inputs
from nncore.training.layered_model import LayeredModel
from nncore.training.model_format import CONTRADICTIONS, check_tensors, read_model_file, reason
from nncore.training.model_outline import checked_input_shape, checked_stack, parameter_shapes
from nncore.training.position import Position, TrainingFacts
from nncore.training.resume_point import StoredState

if TYPE_CHECKING:
    from nncore import _core
    from nncore.interop.onnx_features import Features

Model = TypeVar("Model", bound=LayeredModel)


def read_model(
    path: Path,
    make: Callable[[Sequence[Layer], str], Model],
    features: Features | str | os.PathLike[str] | None = None,
    need_features: bool = True,
) -> tuple[Model, StoredState]:
    """The model in a file, which `make` makes of layers and a name, and its training state.

    Errors as of `nncore.load`.
    """
    described, tensors = read_model_file(path)
    if features is not None and described.get("features") is None:
        raise ValueError(f"{path}: this model is on no frozen features: leave features out")
    try:
        inputs = restored_inputs(described, tensors, path, features, need_features)
        assurances = _assurances_of(described, tensors)
        state = StoredState.take(described["state"], tensors)
        model = _rebuild(described, tensors, inputs, make)
        model._assurances = assurances
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None
    except RecursionError:  # blocks within blocks, hundreds deep
        raise ModelFileError(f"{path}: inconsistent model file: too deeply nested") from None
    except CONTRADICTIONS as error:
        raise ModelFileError(f"{path}: inconsistent model file: {reason(error)}") from error
    return model, state


def _assurances_of(described: Mapping[str, Any], tensors: dict[str, NDArray[Any]]) -> Assurances:
    architecture = described["architecture"]
    stack, shape = checked_stack(architecture), checked_input_shape(architecture)
    head = stack.head(shape)
    features = 0 if head is None else head[1]
    return Assurances.taken(described, tensors, features, stack.output_size(shape))


def model_of_bytes(
    data: bytes, make: Callable[[Sequence[Layer], str], Model], features: str | None
) -> Model:
    """What `Sequential.to_bytes` gave, as a model again: through a file, which is checked."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(data)
        model, state = read_model(path, make, features, need_features=False)
        give_optimizer(model, state, path)
        if state.has_history:
            model.history = state.history()
    return model


def bad_state(path: Path, error: Exception) -> ModelFileError:
    """Of a file whose model is good."""
    return ModelFileError(f"{path}: bad training state: {reason(error)}")


def give_optimizer(model: LayeredModel, state: StoredState, path: Path) -> None:
    """The optimizer's state, and where in the data it stands, if the file has them."""
    if state.described is None:
        return
    try:
        model._position = state.position()
        if state.optimizer is not None:
            model.optimizer_state = state.optimizer
    except CONTRADICTIONS as error:
        raise bad_state(path, error) from error


def _rebuild(
    described: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any]],
    inputs: Inputs,
    make: Callable[[Sequence[Layer], str], Model],
) -> Model:
    """The model, after comparing every claim of the description with the tensors."""
    architecture = described["architecture"]
    stack = checked_stack(architecture)
    model = make(stack.layers, architecture["name"])
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


def _restore_facts(
    model: LayeredModel, described: Mapping[str, Any], network: _core.Network
) -> None:
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
    model.temperature = described.get("temperature", 1.0)
    if described["optimizer"] is not None:
        model.optimizer = optimizer_from_dict(described["optimizer"])
    if described["training"] is not None:
        model.facts = TrainingFacts.from_dict(cast(dict[str, Any], described["training"]))
        if model.facts.input_range is not None or model.preprocessing is not None:
            model._inputs = model._inputs.restored(model.facts.input_range)
        # A fit that goes on from here has new shuffles.
        model._position = Position(epoch=model.facts.epochs)
