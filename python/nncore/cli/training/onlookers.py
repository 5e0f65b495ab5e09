"""Who looks on while `nncore train` trains: the live page, and event files for TensorBoard."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from nncore.cli.failures import describe
from nncore.cli.flags.onlookers import OnlookerSettings
from nncore.cli.output import count
from nncore.process.standard_error import STANDARD_ERROR
from nncore.process.team import team_at_work

if TYPE_CHECKING:
    from nncore.cli.training.plan import Outcome, Plan
    from nncore.data import ImageDataset
    from nncore.live import Live
    from nncore.training.callbacks import Callback, TensorBoard
    from nncore.training.run_directory import RunDirectory

# For pages that are open to take the report, where nobody can end the waiting.
_LAST_SECONDS = 5.0


class Onlookers:
    """Those of one training. Entered before anything is read, left when all is written."""

    def __init__(self, settings: OnlookerSettings | None = None) -> None:
        team = team_at_work()
        looked_on = team is None or team.rank == 0  # of a team the one that writes
        self.settings = (settings if looked_on else None) or OnlookerSettings()
        self._live: Live | None = None
        self._tensorboard: TensorBoard | None = None

    def __enter__(self) -> Onlookers:
        if self.settings.tensorboard is not None:
            from nncore.training.callbacks import TensorBoard

            self._tensorboard = TensorBoard(self.settings.tensorboard)
            self._tensorboard.check_before_training(())  # before minutes are spent on reading
        if self.settings.live:
            from nncore.live import Live

            self._live = Live(port=self.settings.live_port)
            self._live.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._live is None:
            return
        if error is not None:
            self._live.finish(describe(error)[1], good=False)
        self._live.close(_LAST_SECONDS)

    def say(self, words: str) -> None:
        """What happens just now."""
        if self._live is not None:
            self._live.say(words)

    def callbacks(self, plan: Plan, run: RunDirectory) -> list[Callback]:
        """For `fit`."""
        from nncore.data.spread import SpreadImages

        shown: ImageDataset | None = plan.parts.val if len(plan.parts.val) else plan.parts.train
        if isinstance(plan.parts.whole.images, SpreadImages):
            shown = None  # most of them are with others, which do not look on
        found: list[Callback] = []
        if self._live is not None:
            self._describe(self._live, plan, run)
            self._live.validation_data = shown
            found.append(self._live)
        if self._tensorboard is not None:
            self._tensorboard.images = shown
            found.append(self._tensorboard)
        return found

    def _describe(self, live: Live, plan: Plan, run: RunDirectory) -> None:
        parts = plan.parts
        live.describe(
            os.path.basename(os.path.abspath(plan.settings.source)),
            f"{count(len(parts.train), 'image')} in {count(len(parts.whole.classes), 'class')}, "
            f"{len(parts.val):,} for validation; written to {run.path}",
        )

    def finish(self, outcome: Outcome) -> None:
        """All is written and told: show it, for as long as it is looked at from a terminal."""
        live = self._live
        if live is None:
            return
        from nncore.report.run_page import FILE

        live.finish(_told(outcome), report=outcome.run.path / FILE)
        by_hand = outcome.plan.model.interrupted and not live.stop_asked
        if live.was_watched and not by_hand and _at_a_terminal():
            _wait_for_ctrl_c(f"nncore: the page stays until Ctrl-C: {live.address}")


def _told(outcome: Outcome) -> str:
    stopped = "Stopped. " if outcome.plan.model.interrupted else ""
    if outcome.report is None:
        return f"{stopped}No epoch was finished"
    images = count(outcome.report.images, f"{outcome.part} image")
    return f"{stopped}Accuracy {outcome.report.accuracy:.2%} on {images}"


def _at_a_terminal() -> bool:
    return STANDARD_ERROR.isatty() and sys.stdin is not None and sys.stdin.isatty()


def _wait_for_ctrl_c(line: str) -> None:
    """All is done and saved: however this ends, it ends well."""
    try:
        print(line, file=STANDARD_ERROR, flush=True)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:  # SIGTERM and SIGHUP, too
        return
