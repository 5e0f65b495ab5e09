"""The quality gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.cli.failures import DONE, GATE_MISSED
from nncore.cli.output import write_error

if TYPE_CHECKING:
    from nncore.training.answers.report import Report


def gate(min_accuracy: float | None, report: Report | None, part: str) -> int:
    """Exit code of --min-accuracy, after printing the line if it is missed."""
    if min_accuracy is None or report is None or report.accuracy >= min_accuracy:
        return DONE
    write_error(
        f"accuracy {report.accuracy:.4f} on the {part} images is below --min-accuracy "
        f"{min_accuracy:g}"
    )
    return GATE_MISSED
