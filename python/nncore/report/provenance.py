"""Where a report comes from: `provenance.json`, what a page says beside the evaluation."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nncore.errors import DataError
from nncore.files.regular_files import read_regular
from nncore.training.answers.calibration import Calibration

_LARGEST = 1 << 30  # bytes


@dataclass(frozen=True)
class Provenance:
    """What is known of a training or an evaluation; what is not is empty.

    Attributes
    ----------
    command, folder
        How to do it again, and where: relative paths lead from this folder.
    source
        The images, as an absolute path.
    part
        What was measured on: "test", "validation", "training" or "all".
    preprocessing
        As `Preprocessing.to_dict`: what the pixels of pictures depend on.
    nncore, finished
        The version, and when it was done (ISO 8601).
    seconds
        Spent, by what on.
    skipped_kinds, skipped_first
        How many files were left out, by kind; path, kind and reason of the first ones.
    notes
        What was warned of.
    model
        The file of the model, where it is not in the same folder.
    settings
        Of a training, by section and name.
    choices
        Of a recipe: flags with their reasons.
    split, counts
        Where the split comes from, in words; the images of each class by part.
    best_epoch, monitor, weighted, interrupted
        As of the training's `History` and model.
    refit
        Whether the last layer of the model that is kept was trained once more after that, on the
        validation images as well.
    calibration
        What calibrating found.
    """

    command: str = ""
    folder: str = ""
    source: str = ""
    part: str = ""
    preprocessing: Mapping[str, Any] | None = None
    nncore: str = ""
    finished: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    skipped_kinds: Mapping[str, int] = field(default_factory=dict)
    skipped_first: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()
    model: str | None = None
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    choices: tuple[tuple[str, str], ...] = ()
    split: str = ""
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    best_epoch: int | None = None
    monitor: str = ""
    weighted: bool = False
    interrupted: bool = False
    refit: bool = False
    calibration: Calibration | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Provenance:
        """Inverse of `to_dict`, of a file that may say anything; unknown keys are passed over.

        Raises
        ------
        ValueError
            A value is of another kind than it should be; the message names its key.
        """
        found = {}
        for name, check in _CHECKS.items():
            if data.get(name) is None:
                continue
            try:
                found[name] = check(data[name])
            except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
                raise ValueError(f"{name}: {error}") from None
        return cls(**found)


def read_provenance(path: Path) -> Provenance | None:
    """What the file at `path` says; None where there is none.

    Raises
    ------
    DataError
        It cannot be read or understood.
    """
    try:
        return Provenance.from_dict(_mapping(json.loads(read_regular(path, _LARGEST))))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} where a text was expected")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r:.60} where a whole number was expected")
    return int(value)


def _number(value: Any) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"{value!r:.60} where a number was expected")
    return float(value)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r:.60} where names with values were expected")
    return value


def _each(check: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda values: tuple(map(check, values))


def _by_name(check: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    return lambda values: {name: check(value) for name, value in _mapping(values).items()}


def _texts(count: int) -> Callable[[Any], tuple[str, ...]]:
    def check(values: Any) -> tuple[str, ...]:
        if len(values) != count:
            raise ValueError(f"{len(values)} texts where {count} were expected")
        return tuple(map(_text, values))

    return check


def _calibration(value: Any) -> Calibration:
    found = _mapping(value)
    numbers = (_number(found[name]) for name in ("temperature", "error_before", "error_after"))
    temperature, before, after = numbers
    folds = _whole(found.get("folds", 0))  # older files have none
    return Calibration(temperature, _whole(found["images"]), before, after, folds)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("command", "folder", "source", "part", "nncore", "finished"), _text),
    **dict.fromkeys(("model", "split", "monitor"), _text),
    "preprocessing": _mapping,
    "seconds": _by_name(_number),
    "skipped_kinds": _by_name(_whole),
    "skipped_first": _each(_texts(3)),
    "notes": _each(_text),
    "settings": _by_name(_mapping),
    "choices": _each(_texts(2)),
    "counts": _by_name(_each(_whole)),
    "best_epoch": _whole,
    "weighted": bool,
    "interrupted": bool,
    "refit": bool,
    "calibration": _calibration,
}
