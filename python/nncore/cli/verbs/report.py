"""Make the page of a run, or of what `nncore evaluate --output` wrote, anew: RUN/report.html. Of
several runs: one page with all of them side by side.

  nncore report runs/run-1
  nncore report runs/run-1 runs/run-2 --output comparison.html"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nncore.cli.destinations import check_new_file
from nncore.cli.failures import DONE, UsageError
from nncore.cli.flags import values
from nncore.cli.output import Output, printable

if TYPE_CHECKING:
    from nncore.report.kept import Kept

HELP = "a run as a page to look at, or several side by side"
EXAMPLES = (
    ("nncore report runs/run-1", "runs/run-1/report.html, made anew"),
    ("nncore report runs/run-1 runs/run-2", "both on one page, side by side"),
)
_COMPARISON = "comparison.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        type=values.path,
        nargs="+",
        metavar="RUN",
        help="run directory, or a folder that `nncore evaluate --output` wrote",
    )
    parser.add_argument(
        "--output",
        type=values.path,
        metavar="FILE.html",
        help=f"the page (default: report.html in the run; of several runs {_COMPARISON} here)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the file of --output if it is no page of nncore, either",
    )


@dataclass(frozen=True)
class Settings:
    """The runs, and the page to write, None for the usual place; `overwrite` whether it may take
    the place of a file."""

    runs: tuple[str, ...]
    output: str | None
    overwrite: bool


def settings(args: argparse.Namespace) -> Settings:
    if args.output is not None and not args.output.lower().endswith((".html", ".htm")):
        raise UsageError(f"--output {args.output}: a page's name must end in .html")
    return Settings(tuple(args.runs), args.output, args.overwrite)


def run(settings: Settings, out: Output) -> int:
    from nncore.report.comparison import write_comparison
    from nncore.report.kept import read_kept
    from nncore.report.page import GENERATOR
    from nncore.report.run_page import write_page

    page = settings.output or (_COMPARISON if len(settings.runs) > 1 else None)
    if page is not None:
        check_new_file(page, "--output", settings.overwrite, GENERATOR)
    if len(settings.runs) == 1:
        (folder,) = settings.runs
        page = os.fspath(write_page(folder, page))
        kept = [read_kept(folder)]
    else:
        assert page is not None
        kept = write_comparison(settings.runs, page)
    told = [printable(page)] if out.quiet else [f"report  {printable(page)}"]
    out.result("\n".join(told), {"report": page, "runs": [_as_json(one) for one in kept]})
    return DONE


def _as_json(kept: Kept) -> dict[str, Any]:
    report = kept.report
    return {
        "path": str(kept.folder),
        "measured_on": kept.provenance.part or None,
        "images": report.images,
        "accuracy": report.accuracy,
        "accuracy_interval": list(report.accuracy_interval),
        "loss": report.loss,
        "loss_name": report.loss_name,
    }
