"""Names for pictures, as `predict` and `demo` give them, and pictures that get none."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nncore.cli.destinations import check_new_file
from nncore.cli.failures import BAD_DATA, DONE, UsageError
from nncore.cli.inputs import open_image_model
from nncore.cli.output import Output, count, printable, write_error
from nncore.errors import DataError
from nncore.files.file_names import as_cell, relative
from nncore.process.team import by_first

if TYPE_CHECKING:
    from nncore.data.skipped import SkippedFile
    from nncore.training.answers.predictions import Prediction, Predictions


# So many files that give no image are named.
_NAMED = 10
# By these a table of predictions is known again.
_FIRST_COLUMNS = ("path", "label", "probability")
_BEGINNING = ",".join(_FIRST_COLUMNS).encode()


@dataclass(frozen=True)
class PredictSettings:
    """The model, the files and folders, and how many labels each gets; `features` is where the
    network of frozen features is, if not beside the model, `csv` a file to write, too;
    `coverage` that of a set of classes, if one is asked for; `overwrite` whether `csv` may take the
    place of a file."""

    model: str
    paths: Sequence[str]
    top_k: int = 1
    max_pixels: int = 1 << 26
    features: str | None = None
    csv: str | None = None
    coverage: float | None = None
    overwrite: bool = False


def predict(settings: PredictSettings) -> Predictions:
    """Predictions of the files and folders named, written to --csv if that is asked for; files that
    give no image are left out, and listed."""
    table = settings.csv
    if table is not None:
        by_first(lambda: check_new_file(table, "--csv", settings.overwrite, _BEGINNING))
    model, classes, _, file = open_image_model(settings.model, settings.features)
    if settings.top_k > len(classes):
        raise UsageError(f"--top-k {settings.top_k}: the model {file} has {len(classes)} classes")
    found = model.predict(
        list(settings.paths),
        top_k=settings.top_k,
        coverage=settings.coverage,
        max_pixels=settings.max_pixels,
        skip_unusable=True,
    )
    if table is not None:
        top_k, coverage = settings.top_k, settings.coverage
        by_first(lambda: _write_csv(table, found, top_k, coverage))
    return found


def _write_csv(path: str, found: Predictions, top_k: int, coverage: float | None) -> None:
    """A row per image, and where there are any, one per file that should have been one."""
    from nncore.data.csv_text import csv_bytes
    from nncore.files.atomic import atomic_write_bytes

    header = list(_FIRST_COLUMNS)
    for place in range(2, top_k + 1):
        header += [f"label_{place}", f"probability_{place}"]
    rows = [[_from(path, one.path or ""), *_top(one)] for one in found]
    if coverage is not None:
        header += ["set", "unknown", "unknown_score"]
        for row, one in zip(rows, found, strict=True):
            # JSON: a name may hold whatever could separate two.
            row += [json.dumps(one.set, ensure_ascii=False), *_of_unknown(one)]
    missing = unusable(found.skipped)
    if missing:
        nothing = [""] * (len(header) - 1)
        rows = [[*row, ""] for row in rows]
        rows += [[_from(path, file.path), *nothing, file.reason] for file in missing]
        header.append("reason")
    atomic_write_bytes(path, csv_bytes([header, *rows]))


def _from(table: str, path: str) -> str:
    """As all tables have it: an absolute path, or one that begins at the table's own folder."""
    folder = os.path.dirname(table)
    if not folder or os.path.isabs(path) or os.path.realpath(folder) == os.path.realpath("."):
        return as_cell(path)
    return as_cell(os.path.join(relative(".", os.path.realpath(folder)), path))


def unusable(skipped: Sequence[SkippedFile]) -> list[SkippedFile]:
    """What was meant to be a picture, by its name or by being named, and gave none."""
    return [file for file in skipped if file.kind == "broken"]


def left_out(skipped: Sequence[SkippedFile], done: int, what: str, out: Output) -> int:
    """Warn of the files that gave no image, and say how many of the pictures are not `what`, which
    `done` of them are; returns the exit code.

    Raises
    ------
    DataError
        None is.
    """
    missing = unusable(skipped)
    if not done:
        from nncore.data.skipped import in_words

        raise DataError(in_words(missing or skipped))
    # Those that should have been pictures first: hidden files must not push them off the list.
    in_order = sorted(skipped, key=lambda file: file.kind != "broken")
    for file in in_order[:_NAMED]:
        out.warn(f"skipped {file.path}: {file.reason}")
    if len(in_order) > _NAMED:
        out.warn(f"skipped {count(len(in_order) - _NAMED, 'more file')}")
    if not missing:
        return DONE
    total = count(done + len(missing), "picture")
    write_error(f"{len(missing):,} of {total} could not be {what}; the others are")
    return BAD_DATA


def line(one: Prediction) -> str:
    """Path, label, probability, and the further ones, separated by tabs; at last the set, if there
    is one, and whether the picture is an unknown one, with the score."""
    held = []
    if one.set is not None:
        unknown, score = _of_unknown(one)
        held = ["{" + ", ".join(one.set) + "}"]
        if unknown:
            held += ["unknown" if one.unknown else "known", score]
    return "\t".join(printable(cell) for cell in (one.path or "", *_top(one), *held))


def set_explained(coverage: float, has_unknown: bool) -> str:
    """What a line of predictions with sets is made of."""
    columns = (
        "on each line: path, label, probability, {set}. A set holds the true class in at least "
        f"{100 * coverage:g} of 100 cases, of pictures like those that the model was calibrated "
        "on; more than one class is in it where the model cannot tell which"
    )
    if has_unknown:
        columns += (
            ". Then known or unknown (perhaps none of the classes), and the score that says so "
            "above 1"
        )
    return columns


def _of_unknown(one: Prediction) -> list[str]:
    """Whether it is unknown and how much so, empty where the model cannot tell."""
    if one.unknown is None or one.unknown_score is None:
        return ["", ""]
    return [str(one.unknown).lower(), f"{one.unknown_score:.4f}"]


def warn_of_no_unknown(found: Predictions, out: Output) -> None:
    """Say where a model cannot tell pictures that are none of its classes."""
    if found and found[0].unknown is None:
        out.warn(
            "this model cannot tell pictures that are none of its classes: it was calibrated on "
            "too few, or its last layer is no Dense one"
        )


def warn_of_unknown(
    found: Sequence[tuple[str, bool | None]], advice: str | None, out: Output
) -> None:
    """Name pictures that are perhaps none of the classes: of each the path, and whether it is such
    a one."""
    paths = [path for path, unknown in found if unknown]
    if paths:
        named = ", ".join(paths[:_NAMED]) + (" and others" if len(paths) > _NAMED else "")
        more = "" if advice is None else f"; {advice}"
        out.warn(
            f"{len(paths):,} of {count(len(found), 'picture')}: unlike those that the model knows "
            f"(as 1 in 20 of the known kind would be), perhaps none of its classes: {named}{more}"
        )


def _top(one: Prediction) -> list[str]:
    return [cell for label, p in one.top for cell in (label, f"{p:.6f}")]
