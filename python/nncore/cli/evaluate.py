"""Measure a model on labelled images: accuracy with its 95% interval, precision and recall of each
class, and which class was taken for which. Classes are matched by name; some may be missing."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncore.cli import features, options
from nncore.cli.inputs import load_labelled, open_image_model
from nncore.cli.output import Output, printable, skipped_json, skipped_lines
from nncore.cli.train import gate

if TYPE_CHECKING:
    from nncore.data import ImageDataset
    from nncore.training.report import Report

HELP = "measure a model on labelled images"
_FILES = ("report.json", "confusion.png", "mistakes.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="a .safetensors file, or a run directory (its best model)"
    )
    parser.add_argument(
        "data",
        metavar="FOLDER|CSV",
        help="folder with one sub-folder per class, or table with the columns path and label",
    )
    parser.add_argument(
        "--split",
        metavar="FILE",
        help="table with the columns path and split, such as the split.csv of the run, to measure "
        "on a part of the images that were trained on",
    )
    parser.add_argument(
        "--part",
        choices=("train", "val", "test", "all"),
        help="part of images that come with a split, in folders train, val and test or a column "
        "split (default: test, or val where there is no test)",
    )
    parser.add_argument(
        "--output", metavar="DIR", help=f"write {', '.join(_FILES)} there (made if missing)"
    )
    options.add_max_broken(parser)
    options.add_max_pixels(parser)
    options.add_cache(parser)
    features.add_place(parser)
    options.add_min_accuracy(parser)


@dataclass(frozen=True)
class Outcome:
    """The report and what it is about."""

    model: str
    data: ImageDataset
    part: str
    report: Report
    files: list[str]


def run(args: argparse.Namespace, out: Output) -> int:
    outcome = evaluate(args, out)
    out.result(_text(args, outcome), as_json(args, outcome))
    out.warn_of_skipped([file for file in outcome.data.skipped if file.kind != "hidden"])
    return gate(args.min_accuracy, outcome.report, "evaluated")


def evaluate(args: argparse.Namespace, out: Output) -> Outcome:
    """Load the model and the images, measure, and write the files asked for."""
    from nncore.training.run_directory import RunDirectory

    model, classes, preprocessing, file = open_image_model(args.model, args.features)
    data = load_labelled(
        args.data,
        out,
        classes=classes,
        max_broken=args.max_broken,
        max_pixels=args.max_pixels,
        cache=args.cache,
        preprocessing=preprocessing,
        allow_missing_classes=True,
    )
    if args.split is not None:
        data = data.with_split(args.split)
        for note in data.split_notes:
            out.warn(note)
    data, part = _chosen(args, data)
    if model.features is not None:
        model.features.cache = args.cache
        features.compute(model.features, data, out)
    report = model.evaluate(data)
    files = []
    if args.output is not None:
        folder = Path(args.output)
        folder.mkdir(parents=True, exist_ok=True)
        RunDirectory(folder).write_report(report, data.images)
        files = [str(folder / name) for name in _FILES]
    return Outcome(file, data, part, report, files)


def _chosen(args: argparse.Namespace, data: ImageDataset) -> tuple[ImageDataset, str]:
    """The images to measure on, and which part they are; "all" where there are no parts."""
    from nncore.errors import DataError

    given = data.given_split
    if given is None:
        if args.part not in (None, "all"):
            raise DataError(
                f"{args.data}: does not come with a split, so there is no part {args.part!r}; "
                "leave out --part"
            )
        return data, "all"
    part = args.part or next((name for name in ("test", "val") if name in given), "all")
    if part == "all":
        return data, part
    chosen = data.subset([name == part for name in given])
    if not len(chosen):
        raise DataError(f"{args.data}: the part {part!r} of its split has no images")
    chosen.skipped = data.skipped
    return chosen, part


def _text(args: argparse.Namespace, outcome: Outcome) -> str:
    part = "" if outcome.part == "all" else f" (part {outcome.part} of its split)"
    lines = [f"{printable(outcome.model)} on {printable(args.data)}{part}"]
    lines += ["", str(outcome.report)]
    if outcome.data.skipped:
        lines += ["", *skipped_lines(outcome.data.skipped)]
    if outcome.files:
        lines += ["", "written: " + ", ".join(map(printable, outcome.files))]
    return "\n".join(lines)


def as_json(args: argparse.Namespace, outcome: Outcome) -> dict[str, Any]:
    """What `nncore evaluate --json` prints: report.json and where it comes from."""
    return {
        "model": outcome.model,
        "data": args.data,
        "part": outcome.part,
        **outcome.report.to_dict(),
        "skipped": skipped_json(outcome.data.skipped),
        "files": outcome.files,
    }
