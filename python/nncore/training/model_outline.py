"""What a model file says of its model, from its header alone: no weight is read, nothing built."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nncore.arguments import check_int, check_number
from nncore.data.labels.class_map import ClassMap
from nncore.data.preprocessing import Preprocessing
from nncore.errors import ModelFileError
from nncore.layers import Layer, Shape, layer_from_dict
from nncore.layers.stack import LayerStack
from nncore.losses import check_loss
from nncore.optimizers import optimizer_from_dict
from nncore.training.answers.assurances import UNKNOWN
from nncore.training.answers.novelty import checked_record
from nncore.training.answers.prediction_sets import largest_coverage_in
from nncore.training.images.features import RecordedFeatures
from nncore.training.model_digests import DIGESTS, UNSEALED
from nncore.training.model_format import CONTRADICTIONS, Header, read_header, reason
from nncore.training.position import TrainingFacts
from nncore.training.summary import summary, summary_rows


@dataclass(frozen=True)
class LayerOutline:
    """One layer: its description, its name in the model, and the shape that it gives per image."""

    description: Layer
    name: str
    output_shape: Shape


@dataclass(frozen=True)
class ModelOutline:
    """A model without its weights.

    Attributes
    ----------
    name, input_shape, layers, parameter_count
        The architecture.
    table, rows
        Its layers as a table for people, and what stands in its lines (`summary_rows`).
    classes, preprocessing, features_record, loss, optimizer, training
        As JSON-ready values; None where not known.
    keeps
        What the file has beside the weights: "optimizer" where it has what the optimizer
        remembers, "history" where a training can go on from it with its record.
    temperature, largest_coverage, unknown
        As of `Sequential`.
    sealed
        Whether the file carries digests, by which damage is found.
    weights_digest
        BLAKE2b-128 of the weights, 32 hexadecimal digits; None where there is no digest.
    """

    name: str
    input_shape: Shape
    layers: Sequence[LayerOutline]
    parameter_count: int
    table: str
    rows: list[tuple[str, str, str]]
    classes: list[str] | None
    preprocessing: dict[str, Any] | None
    features_record: dict[str, Any] | None
    loss: str | None
    optimizer: dict[str, Any] | None
    training: dict[str, Any] | None
    keeps: list[str]
    temperature: float
    largest_coverage: float | None
    unknown: dict[str, Any] | None
    sealed: bool
    weights_digest: str | None


def read_outline(path: Path) -> ModelOutline:
    """The outline of the model file at `path`, of which nothing behind the header is read.

    Raises
    ------
    ModelFileError
        There is no such file, its header is damaged, or it contradicts itself.
    """
    header = read_header(path)
    try:
        outline = _outline(header)
        json.dumps([outline.optimizer, outline.training, outline.preprocessing], allow_nan=False)
        return outline
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None
    except RecursionError:  # blocks within blocks, hundreds deep
        raise ModelFileError(f"{path}: inconsistent model file: too deeply nested") from None
    except CONTRADICTIONS as error:
        raise ModelFileError(f"{path}: inconsistent model file: {reason(error)}") from error


def checked_stack(architecture: Mapping[str, Any]) -> LayerStack:
    """The layers, after comparing their names."""
    stack = LayerStack([layer_from_dict(layer) for layer in architecture["layers"]])
    if stack.names != architecture["layer_names"]:
        raise ModelFileError(
            f"the layers {stack.names} are called {architecture['layer_names']} in the file"
        )
    return stack


def checked_input_shape(architecture: Mapping[str, Any]) -> Shape:
    """What the first layer takes: (H, W, C) or (features,)."""
    shape = tuple(check_int("input_shape", n, 1) for n in architecture["input_shape"])
    if len(shape) not in (1, 3):
        raise ModelFileError(f"input_shape must be (H, W, C) or (features,), not {shape}")
    return shape


def parameter_shapes(stack: LayerStack, input_shape: Shape) -> dict[str, Shape]:
    """Shape of every tensor that the layers need, by its full name.

    Raises
    ------
    ValueError
        They do not fit together, or one image needs more memory than is allowed; nothing was asked
        for.
    """
    stack.check_values(input_shape)
    return {
        f"{name}/{short}": shape
        for name, shapes in zip(stack.names, stack.parameter_shapes(input_shape), strict=True)
        for short, shape in shapes.items()
    }


def _outline(header: Header) -> ModelOutline:
    described = header.described
    architecture = described["architecture"]
    stack = checked_stack(architecture)
    shape = checked_input_shape(architecture)
    record = described.get("features")
    image_shape: Shape = shape
    if record is not None:
        recorded = RecordedFeatures(record)
        image_shape = recorded.image_shape
        if shape != (recorded.count,):
            raise ModelFileError(f"{(recorded.count,)} features for inputs of shape {shape}")
    expected = parameter_shapes(stack, shape)
    for name, wanted in expected.items():
        found = header.entries.get(name)
        if found is None:
            raise ModelFileError(f"weights missing: {name}")
        if found["dtype"] != "F32" or tuple(found["shape"]) != wanted:
            raise ModelFileError(
                f"{name} is {found['dtype']} {tuple(found['shape'])}, but the layers need float32 "
                f"{wanted}"
            )
    outputs = stack.output_shapes(shape)
    count = sum(map(math.prod, expected.values()))
    classes = described["classes"]
    if classes is not None:
        classes = list(ClassMap.from_names(classes).names)
        if len(classes) != outputs[-1][0]:
            raise ModelFileError(f"{len(classes)} classes for {outputs[-1][0]} outputs")
    prepared = described["preprocessing"]
    preprocessing = None if prepared is None else Preprocessing.from_dict(prepared)
    if preprocessing is not None and preprocessing.input_shape != image_shape:
        raise ModelFileError(
            f"images are prepared as {preprocessing.input_shape}, but the network takes "
            f"{image_shape}"
        )
    loss, optimizer, training = described["loss"], described["optimizer"], described["training"]
    state = described.get("state")
    facts = None if training is None else TrainingFacts.from_dict(training)
    parts = zip(stack.layers, stack.names, outputs, strict=True)
    return ModelOutline(
        name=str(architecture["name"]),
        input_shape=shape,
        layers=[LayerOutline(*part) for part in parts],
        parameter_count=count,
        table=summary(stack, image_shape, shape, count),
        rows=summary_rows(stack, image_shape, shape),
        classes=classes,
        preprocessing=None if preprocessing is None else preprocessing.to_dict(),
        features_record=None if record is None else dict(record),
        loss=None if loss is None else check_loss(loss),
        optimizer=None if optimizer is None else optimizer_from_dict(optimizer).to_dict(),
        training=None if facts is None else dataclasses.asdict(facts),
        keeps=[name for name in ("optimizer", "history") if (state or {}).get(name) is not None],
        temperature=check_number("temperature", described.get("temperature", 1.0), above=0),
        largest_coverage=largest_coverage_in(header.entries),
        unknown=None if UNKNOWN not in described else checked_record(described[UNKNOWN]),
        sealed=header.sealed,
        weights_digest=described[DIGESTS][: len(UNSEALED) // 2] if header.sealed else None,
    )
