"""Reading and writing models as files; `model_format.py` describes what is in them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nncore.errors import DataError, ModelFileError
from nncore.files.home import place
from nncore.training.history import History
from nncore.training.model import Sequential
from nncore.training.model_format import (
    CONTRADICTIONS,
    ModelFileNotFoundError,
    write_model_file,
)
from nncore.training.model_reading import bad_state, give_optimizer, read_model
from nncore.training.resume_point import StoredState

if TYPE_CHECKING:
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
    give_optimizer(model, state, Path(path))
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
    give_optimizer(model, state, Path(path))
    try:
        model.history = state.history()
        if state.has_best:
            model.keep_best(state.best)
        model.stop_training = state.stopped
    except (*CONTRADICTIONS, DataError) as error:
        raise bad_state(Path(path), error) from error
    return model


def load_training_state(
    path: str | os.PathLike[str], features: Features | str | os.PathLike[str] | None = None
) -> TrainingState:
    """`load_checkpoint`, with the history beside the model."""
    model = load_checkpoint(path, features)
    assert model.history is not None
    return TrainingState(model, model.history)


def _read(
    path: Path,
    features: Features | str | os.PathLike[str] | None = None,
    need_features: bool = True,
) -> tuple[Sequential, StoredState]:
    return read_model(path, Sequential, features, need_features)
