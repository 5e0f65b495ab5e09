"""Progress of `fit` in the cell of a notebook: one display that changes, without widgets."""

from __future__ import annotations

import datetime
import sys
import time
from typing import Any

from nncore.plots._cell import training_cell
from nncore.training.ended_worse import warn_if_ended_worse
from nncore.training.history import History, last_epoch
from nncore.training.speed import Speed

# Between two changes of the display, in seconds.
_BETWEEN = 0.5
_COLUMNS = {
    "Loss": {"training": "loss", "validation": "val_loss"},
    "Accuracy": {"training": "accuracy", "validation": "val_accuracy"},
}


def in_notebook() -> bool:
    """Whether this is the kernel of Jupyter, VS Code, Colab or the like."""
    ipython = sys.modules.get("IPython")
    try:
        # A terminal's IPython has no kernel.
        return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
    except Exception:  # something else of that name
        return False


class Cell:
    """What is shown of one training; see `Progress` for the methods.

    Raises
    ------
    Exception
        Whatever IPython raises: the display is made at once.
    """

    def __init__(self, epochs: int, steps: int, before: int, images: int) -> None:
        import IPython.display

        display: Any = IPython.display.display
        self.epochs, self.steps, self.before, self.images = epochs, steps, before, images
        self.history: History | None = None
        self.speed: Speed | None = None
        self._epoch, self._done, self._shown_at = 1, 0, time.monotonic()
        self._handle: Any = display(self._bundle(False), raw=True, display_id=True)
        self._broken = False

    def iterations(self, epoch: int, done: int, loss: float) -> None:
        self._epoch, self._done = epoch, done
        so_far = (epoch - 1) * self.steps + done
        if self.speed is None:
            # The first block warms up; and only its end says if it began within an epoch.
            self.speed = Speed(self.epochs * self.steps, so_far)
        else:
            self.speed.update(so_far)
        self._show_in_time()

    def epoch(self, history: History, epoch: int) -> None:
        self.history, self._epoch, self._done = history, epoch, self.steps
        if self.speed is not None:
            self.speed.begin_epoch()
        self._show_in_time()

    def close(self) -> None:
        self._show(over=True)
        warn_if_ended_worse(self.history)

    def _show_in_time(self) -> None:
        if time.monotonic() - self._shown_at >= _BETWEEN:
            self._shown_at = time.monotonic()
            self._show(over=False)

    def _show(self, over: bool) -> None:
        """What becomes of a display must not be able to end hours of training."""
        if self._broken:
            return
        try:
            self._handle.update(self._bundle(over), raw=True)
        except Exception:
            self._broken = True

    # -- what is shown

    def _bundle(self, over: bool) -> dict[str, str]:
        """HTML, and a line for what cannot show it."""
        words = self._words(over)
        history = self.history
        last = {} if history is None else last_epoch(history)
        numbers = "  ".join(f"{name} {value:.4f}" for name, value in last.items())
        return {"text/html": self._html(words), "text/plain": f"{words}  {numbers}".rstrip()}

    def _words(self, over: bool) -> str:
        words = f"Epoch {self.before + self._epoch} of {self.before + self.epochs}"
        speed = self.speed
        if speed is None or not speed.per_second:
            return words
        rate = speed.per_second * self.images / self.steps
        words += f" · {rate:,.0f} images per second · {_clock(speed.elapsed)}"
        if not over and speed.left is not None:
            words += f" · {_clock(speed.left)} left"
        return words

    def _html(self, words: str) -> str:
        share = ((self._epoch - 1) * self.steps + self._done) / (self.epochs * self.steps)
        history = self.history
        if history is None or not len(history):
            return training_cell(words, share, {}, (), ())
        columns = history.history
        curves = {
            chart: {
                kind: columns[name] for kind, name in _COLUMNS[chart].items() if name in columns
            }
            for chart in _COLUMNS
        }
        header = ("epoch", *columns, "seconds")
        rows = [
            (f"{epoch}", *(f"{values[at]:.4f}" for values in columns.values()), f"{seconds:.2f}")
            for at, (epoch, seconds) in enumerate(zip(history.epoch, history.seconds, strict=True))
        ]
        try:
            best = history.best_epoch() - 1
        except ValueError:  # no loss is finite
            best = None
        return training_cell(words, share, curves, header, rows, best)


def _clock(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))
