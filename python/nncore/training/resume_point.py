"""What a training needs to go on, beside the model, as JSON and tensors of a model file.

Numbers that grow with the training, the columns of its history, are tensors: JSON of them would be
ten times as long, and a file's header has a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.training.history import History
from nncore.training.optimizer_state import OptimizerState
from nncore.training.position import Position

F32 = NDArray[np.float32]
Tensors = dict[str, NDArray[Any]]

# No slash: a parameter, "<layer>/<parameter>", cannot be called so.
_HISTORY, _POSITION = "history.", "position.iteration_loss"


@dataclass(frozen=True)
class ResumePoint:
    """Where a training stands.

    Attributes
    ----------
    position, optimizer
        In the data, and what the optimizer remembers.
    history
        None where only the optimizer is to be kept.
    best : dict of str to float32
        Parameters of the best epoch, those of them that are other ones now; empty where the best
        epoch is not known or its weights are not kept.
    has_best
        Whether they are kept.
    stopped
        Whether a callback has ended the training.
    """

    position: Position
    optimizer: OptimizerState
    history: History | None = None
    best: Mapping[str, F32] = field(default_factory=dict)
    has_best: bool = False
    stopped: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; `tensors` has the rest."""
        remembered = self.optimizer
        position = self.position.to_dict()
        del position["iteration_loss"]
        result: dict[str, Any] = {
            "position": position,
            "history": None,
            "optimizer": {
                "method": remembered.method,
                "steps": remembered.steps,
                "slots": list(remembered.slots),
                "shows_average": remembered.shows_average,
            }
            if remembered.arrays
            else None,
        }
        if self.history is not None:
            result["history"] = self.history.facts() | {"columns": list(self.history.columns())}
            result["best"] = list(self.best) if self.has_best else None
            result["stopped"] = self.stopped
        return result

    def tensors(self) -> Tensors:
        """What goes into the file beside the weights."""
        found: Tensors = {f"optimizer/{k}": array for k, array in self.optimizer.arrays.items()}
        if self.position.iteration:
            found[_POSITION] = np.array(self.position.iteration_loss, np.float64)
        if self.history is not None:
            for name, values in self.history.columns().items():
                found[_HISTORY + name] = np.array(values, np.float64)
        return found | {f"best/{name}": array for name, array in self.best.items()}


@dataclass(frozen=True)
class StoredState:
    """The same as it was found in a file, taken apart and not yet believed."""

    described: Mapping[str, Any] | None
    optimizer: OptimizerState | None
    best: Mapping[str, F32]
    columns: Mapping[str, NDArray[Any]]

    @classmethod
    def take(cls, state: Mapping[str, Any] | None, tensors: Tensors) -> StoredState:
        """What `state` describes; its tensors are taken out of `tensors`."""
        if state is None:
            return cls(None, None, {}, {})
        columns = {name: tensors.pop(name) for name in list(tensors) if "/" not in name}
        best = {name: tensors.pop(f"best/{name}") for name in state.get("best") or ()}
        optimizer, found = None, state.get("optimizer")  # files of before there was one lack it
        if found is not None:
            slots = [str(slot) for slot in found["slots"]]
            names = [f"optimizer/{name}/{slot}" for name in list(tensors) for slot in slots]
            arrays = {
                name.partition("/")[2]: tensors.pop(name) for name in names if name in tensors
            }
            optimizer = OptimizerState(
                str(found["method"]), int(found["steps"]), arrays, found["shows_average"] is True
            )
        return cls(state, optimizer, best, columns)

    @property
    def has_history(self) -> bool:
        """Whether a training can go on from here with its record."""
        return self.described is not None and self.described.get("history") is not None

    @property
    def has_best(self) -> bool:
        """Whether the weights of the best epoch are known."""
        return self.described is not None and self.described.get("best") is not None

    @property
    def stopped(self) -> bool:
        """Whether a callback had ended the training."""
        return self.described is not None and self.described.get("stopped") is True

    def position(self) -> Position:
        """ValueError, TypeError or KeyError where it is none."""
        assert self.described is not None
        found = self.described["position"]
        if "iteration_loss" not in found:  # as in the files of before it was a tensor
            losses = self._column(_POSITION) if _POSITION in self.columns else []
            found = {**found, "iteration_loss": losses}
        return Position.from_dict(found)

    def history(self) -> History:
        """DataError, ValueError, TypeError or KeyError where it is none."""
        assert self.described is not None
        found = self.described["history"]
        if "columns" not in found:  # a file of before the columns were tensors
            return History.from_dict(found)
        return History.from_columns(
            found, {name: self._column(_HISTORY + name) for name in found["columns"]}
        )

    def _column(self, name: str) -> list[float]:
        column = self.columns[name]
        if column.dtype != np.float64 or column.ndim != 1:
            raise ValueError(f"{name} is {column.dtype} {column.shape}, not float64 (n,)")
        values: list[float] = column.tolist()
        return values
