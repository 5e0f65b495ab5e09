"""A model measured on labelled images, as `evaluate` and `demo` do it."""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncore.cli import feature_words
from nncore.cli.destinations import check_output_folder
from nncore.cli.inputs import load_labelled, open_image_model
from nncore.cli.output import Output, skipped_json
from nncore.cli.provenance import provenance
from nncore.cli.seen_before import Seen, seen_before
from nncore.files.own_folders import make_own_folder
from nncore.process.team import by_first

if TYPE_CHECKING:
    from nncore.data import ImageDataset, Reading
    from nncore.training.answers.report import Report

REPORT_FILES = ("report.html", "report.json", "confusion.png", "mistakes.png")


@dataclass(frozen=True)
class EvaluateSettings:
    """The model and the images; `split` is a table, `part` a part of a split, `features` where the
    network of frozen features is, if not beside the model, `output` a folder for `REPORT_FILES`;
    `command` is how to say it again."""

    model: str
    source: str
    reading: Reading
    split: str | None = None
    part: str | None = None
    features: str | None = None
    output: str | None = None
    command: str = ""


@dataclass(frozen=True)
class Outcome:
    """The report and what it is about; `seen` as of `seen_before`."""

    source: str
    model: str
    data: ImageDataset
    part: str
    report: Report
    files: list[str]
    seen: Seen


def evaluate(settings: EvaluateSettings, out: Output) -> Outcome:
    """Load the model and the images, measure, and write the files asked for."""
    from nncore.data.sources.split_csv import read_split_csv
    from nncore.data.spread import first_alone
    from nncore.report.run_page import write_page
    from nncore.training.run_directory import RunDirectory

    output = settings.output
    if output is not None:
        by_first(lambda: check_output_folder(output, "--output"))
    if settings.split is not None:
        read_split_csv(settings.split)
    begun = time.perf_counter()
    model, classes, preprocessing, file = open_image_model(settings.model, settings.features)
    reading = dataclasses.replace(settings.reading, preprocessing=preprocessing)
    data = load_labelled(settings.source, reading, out, classes=classes, allow_missing_classes=True)
    if settings.split is not None:
        data = data.with_split(settings.split)
        out.warn_all(data.split_notes)
    data, part = _chosen(settings, data)
    if model.features is not None:
        model.features.cache = settings.reading.cache
        feature_words.compute(model.features, data, out)
    seen = seen_before(data, file)
    warning = seen.warning(len(data), os.path.dirname(file) or ".")
    # Whoever names a part knows what it is.
    if warning is not None and settings.part in (None, "all"):
        out.warn(warning)
    seconds = {"reading": time.perf_counter() - begun}
    report = model.evaluate(data)
    seconds["measuring"] = time.perf_counter() - begun - seconds["reading"]
    files = []
    if settings.output is not None:
        folder = Path(settings.output)
        kept = dataclasses.replace(
            provenance(settings.command, settings.source, part, data, seconds, data.skipped),
            notes=tuple(data.notes),
            model=os.path.abspath(file),
        )

        def write() -> None:
            make_own_folder(folder)
            RunDirectory(folder).write_report(report, data.images, kept.to_dict())
            write_page(folder, model=model, images=data.images)

        first_alone(data.images, write)
        files = [str(folder / name) for name in REPORT_FILES]
    return Outcome(settings.source, file, data, part, report, files, seen)


def _chosen(settings: EvaluateSettings, data: ImageDataset) -> tuple[ImageDataset, str]:
    """The images to measure on, and which part they are; "all" where there are no parts."""
    from nncore.errors import DataError

    given = data.given_split
    if given is None:
        if settings.part not in (None, "all"):
            raise DataError(
                f"{settings.source}: does not come with a split, so there is no part "
                f"{settings.part!r}; leave out --part"
            )
        return data, "all"
    part = settings.part or next((name for name in ("test", "val") if name in given), "all")
    if part == "all":
        return data, part
    chosen = data.subset([name == part for name in given])
    if not len(chosen):
        raise DataError(f"{settings.source}: the part {part!r} of its split has no images")
    chosen.skipped = data.skipped
    return chosen, part


def as_json(outcome: Outcome) -> dict[str, Any]:
    """What `nncore evaluate --json` prints: report.json and where it comes from."""
    return {
        "model": outcome.model,
        "data": outcome.source,
        "part": outcome.part,
        "seen_in_training": outcome.seen.parts,
        **outcome.report.to_dict(),
        "skipped": skipped_json(outcome.data.skipped),
        "files": outcome.files,
    }
