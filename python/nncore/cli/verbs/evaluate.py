"""Measure a model on labelled images: accuracy with its 95% interval, precision and recall of each
class, and which class was taken for which. Classes are matched by name; some may be missing."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from nncore.cli.flags import common, features, reading, values
from nncore.cli.gate import gate
from nncore.cli.measuring import REPORT_FILES, EvaluateSettings, Outcome, as_json, evaluate
from nncore.cli.output import Output, printable, skipped_lines

HELP = "measure a model on labelled images"
FIRST = ("--part", "--split", "--output", "--min-accuracy", "--json")
EXAMPLES = (
    ("nncore evaluate runs/run-1 more-photos/", "pictures that it has not seen"),
    ("nncore evaluate runs/run-1 photos/ --split runs/run-1/split.csv", "the run's own test part"),
    ("nncore evaluate runs/run-1 more-photos/ --min-accuracy 0.9", "exit code 5 below that"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_model(parser)
    common.add_labelled(parser)
    parser.add_argument(
        "--split",
        type=values.path,
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
        "--output",
        type=values.path,
        metavar="DIR",
        help=f"write {', '.join(REPORT_FILES)} there (made if missing)",
    )
    reading.add_layout(parser)
    reading.add_max_broken(parser)
    reading.add_max_pixels(parser)
    reading.add_cache(parser)
    features.add_place(parser)
    common.add_min_accuracy(parser)


@dataclass(frozen=True)
class Settings:
    """A measurement, and the accuracy that it must reach."""

    evaluate: EvaluateSettings
    min_accuracy: float | None


def settings(args: argparse.Namespace) -> Settings:
    chosen = EvaluateSettings(
        model=args.model,
        source=args.data,
        reading=reading.reading_of(args),
        split=args.split,
        part=args.part,
        features=args.features,
        output=args.output,
        command=args.command_line,
    )
    return Settings(chosen, args.min_accuracy)


def run(settings: Settings, out: Output) -> int:
    outcome = evaluate(settings.evaluate, out)
    out.result(_text(outcome), as_json(outcome))
    out.warn_of_skipped(outcome.data.skipped)
    return gate(settings.min_accuracy, outcome.report, "evaluated")


def _text(outcome: Outcome) -> str:
    part = "" if outcome.part == "all" else f" (part {outcome.part} of its split)"
    lines = [f"{printable(outcome.model)} on {printable(outcome.source)}{part}"]
    lines += ["", str(outcome.report)]
    if outcome.data.skipped:
        lines += ["", *skipped_lines(outcome.data.skipped)]
    if outcome.files:
        lines += ["", "written: " + ", ".join(map(printable, outcome.files))]
    return "\n".join(lines)
