"""Draw again the pictures of a run directory (loss.png, accuracy.png, iterations.png,
confusion.png) or of a history.csv; or the lesson's picture of gradient descent:

  nncore plot runs/run-1
  nncore plot gradient-descent --output descent.png --start 0.38 --learning-rate 0.01"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncore.cli.descent import draw_descent
from nncore.cli.failures import DONE, UsageError
from nncore.cli.flags import values
from nncore.cli.inputs import run_meant
from nncore.cli.output import Output, printable
from nncore.errors import DataError
from nncore.files.own_folders import make_own_folder

if TYPE_CHECKING:
    from nncore.training.answers.report import Report
    from nncore.training.history import History

HELP = "draw the pictures of a run again, or the lesson's"
EXAMPLES = (
    ("nncore plot runs/run-1", "the curves of a run, drawn again"),
    ("nncore plot gradient-descent", "how gradient descent goes downhill"),
)
_DESCENT = "gradient-descent"
_LESSON = ("start", "learning_rate", "steps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        type=values.path,
        metavar="RUN|CSV|gradient-descent",
        help="run directory, its history.csv, or the word gradient-descent",
    )
    parser.add_argument(
        "--output",
        type=values.path,
        metavar="PATH",
        help="folder for the pictures (default: where the source is); for gradient-descent the "
        "file, .png, .svg or .pdf (default gradient-descent.png)",
    )
    lesson = parser.add_argument_group("gradient-descent, of the loss (W - 0.655)^2")
    lesson.add_argument(
        "--start", type=values.finite, metavar="W", help="first weight (default 0.38)"
    )
    lesson.add_argument(
        "--learning-rate", type=values.positive, metavar="RATE", help="default 0.01"
    )
    lesson.add_argument("--steps", type=values.whole(1, 100_000), metavar="N", help="default 100")


@dataclass(frozen=True)
class Settings:
    """What is drawn, to where, and the lesson's numbers that were given."""

    source: str
    output: str | None
    lesson: Mapping[str, Any]


def settings(args: argparse.Namespace) -> Settings:
    lesson = {name: getattr(args, name) for name in _LESSON if getattr(args, name) is not None}
    if lesson and args.source != _DESCENT:
        flag = next(iter(lesson)).replace("_", "-")
        raise UsageError(f"--{flag} is for `nncore plot {_DESCENT}`, not for {args.source}")
    return Settings(args.source, args.output, lesson)


def run(settings: Settings, out: Output) -> int:
    if settings.source == _DESCENT:
        files = [draw_descent(settings.output or f"{_DESCENT}.png", settings.lesson)]
    else:
        files = _draw_run(Path(settings.source), settings.output)
    text = "\n".join(printable(str(file)) for file in files)
    out.result(text, {"files": [str(file) for file in files]})
    return DONE


def _draw_run(source: Path, output: str | None) -> list[Path]:
    from nncore import plots
    from nncore.training.history import History

    if not os.path.lexists(source):
        raise DataError(f"{source}: no such run or history file{run_meant(str(source))}")
    if source.is_dir():
        table, folder = source / "history.csv", source
        if not table.exists():
            raise DataError(f"{source}: holds no history.csv, so this is no run directory")
        report = _read_report(source / "report.json")
        history = _full_history(source) or History.from_csv(table)
    else:
        table, folder, report = source, source.parent, None
        history = History.from_csv(table)
    if not len(history):
        raise DataError(f"{table}: holds no finished epoch, so there is nothing to draw")
    folder = folder if output is None else Path(output)
    make_own_folder(folder)

    files = [folder / "loss.png", folder / "accuracy.png"]
    plots.curves(history, files[0], which="loss")
    plots.curves(history, files[1], which="accuracy")
    if history.iteration_loss:
        files.append(folder / "iterations.png")
        plots.iteration_loss(history, files[-1])
    if report is not None:
        files.append(folder / "confusion.png")
        plots.confusion_matrix(report, path=files[-1])
    return files


def _full_history(run: Path) -> History | None:
    """The history with the loss's name and the loss per iteration, which the table lacks."""
    from nncore.errors import ModelFileError
    from nncore.training.model_file import load_training_state

    try:
        return load_training_state(run / "last.safetensors").history
    except ModelFileError:
        return None  # The table is enough to draw from.


def _read_report(path: Path) -> Report | None:
    from nncore.training.answers.report_reading import read_report

    try:
        return read_report(path)
    except FileNotFoundError:
        return None
