"""A report as `report.json` keeps it, back as a `Report`; nothing in the file is trusted."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nncore.errors import DataError
from nncore.files.regular_files import read_regular
from nncore.training.answers.answered_images import AnsweredImage
from nncore.training.answers.kept_promises import MeasuredSets, MeasuredUnknown
from nncore.training.answers.reliability import BINS, Reliability
from nncore.training.answers.report import ClassScore, Mistake, Report

_LARGEST = 1 << 30  # bytes
Image = TypeVar("Image", Mistake, AnsweredImage)


def read_report(path: str | os.PathLike[str]) -> Report:
    """The report in a file that `Report.write_json` wrote.

    What older versions did not write is empty: `uncertain`, `typical`, the images of `reliability`,
    `sets`, `unknown`.

    Raises
    ------
    FileNotFoundError
        There is none.
    DataError
        The file cannot be read, or is no report.
    """
    try:
        data = json.loads(read_regular(Path(path), _LARGEST).decode("utf-8"))
        return _report(data)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: cannot be read: {error.strerror}") from error
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"{os.fspath(path)}: is not a report ({reason}); write it again by "
            "`nncore evaluate --output`"
        ) from error


def _report(data: Mapping[str, Any]) -> Report:
    names = tuple(map(_text, data["classes"]))
    low, high = map(_number, data["accuracy_interval"])
    loss = data["loss"]
    calibrated = _reliability(data.get("reliability"))
    return Report(
        loss=None if loss is None else _number(loss),
        loss_name=_text(data["loss_name"]),
        accuracy=_number(data["accuracy"]),
        accuracy_interval=(low, high),
        baseline_accuracy=_number(data["baseline_accuracy"]),
        images=int(data["images"]),
        classes=names,
        confusion_triples=_triples(data["confusion"], len(names)),
        per_class=tuple(_score(name, data["per_class"][name]) for name in names),
        worst=_images(Mistake, data["worst"], names),
        uncertain=_images(AnsweredImage, data.get("uncertain", ()), names),
        typical=_images(AnsweredImage, data.get("typical", ()), names),
        reliability=calibrated,
        reliability_before=_reliability(data.get("reliability_before")),
        sets=tuple(map(_sets, data.get("sets", ()))),
        unknown=_unknown(data.get("unknown")),
    )


def _score(name: str, data: Mapping[str, Any]) -> ClassScore:
    shares = {
        key: None if data[key] is None else _number(data[key])
        for key in ("precision", "recall", "f1")
    }
    return ClassScore(name=name, support=int(data["support"]), **shares)


def _triples(data: Any, classes: int) -> NDArray[np.int64]:
    if isinstance(data, dict):
        triples = np.array(data["triples"], np.int64).reshape(-1, 3)
    else:
        matrix = np.array(data, np.int64)
        if matrix.shape != (classes, classes):
            raise ValueError(f"confusion of shape {matrix.shape} for {classes} classes")
        places = np.argwhere(matrix)
        triples = np.column_stack([places, matrix[tuple(places.T)]])
    if (triples < 0).any() or (triples[:, :2] >= classes).any():
        raise ValueError(f"confusion of other classes than 0 to {classes - 1}")
    triples.setflags(write=False)
    return triples


def _images(kind: type[Image], data: Sequence[Any], names: Sequence[str]) -> tuple[Image, ...]:
    known = set(names)
    found = []
    for values in data:
        path = values["path"]
        checked: dict[str, Any] = {
            "path": None if path is None else _text(path),
            "index": int(values["index"]),
        }
        for key, value in values.items():
            if key.endswith("probability"):
                checked[key] = _number(value)
            elif key not in checked:
                checked[key] = _text(value)
                if value not in known:
                    raise ValueError(f"an image of the class {value!r:.60}, which is not listed")
        found.append(kind(**checked))
    return tuple(found)


def _reliability(data: Mapping[str, Any] | None) -> Reliability:
    if data is None:
        nothing = (None,) * BINS
        return Reliability((0,) * BINS, nothing, nothing, 0.0)
    images = tuple(map(int, data["images"]))
    probability, accuracy = _means(data["probability"]), _means(data["accuracy"])
    if not len(images) == len(probability) == len(accuracy):
        raise ValueError("bins of reliability disagree")
    return Reliability(images, probability, accuracy, _number(data["error"]))


def _sets(data: Mapping[str, Any]) -> MeasuredSets:
    return MeasuredSets(**{one.name: _number(data[one.name]) for one in fields(MeasuredSets)})


def _unknown(data: Mapping[str, Any] | None) -> MeasuredUnknown | None:
    if data is None:
        return None
    return MeasuredUnknown(int(data["images"]), _number(data["false_alarms"]))


def _means(values: Sequence[Any]) -> tuple[float | None, ...]:
    return tuple(None if value is None else _number(value) for value in values)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} where a text was expected")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"{value!r:.60} where a number was expected")
    return float(value)
