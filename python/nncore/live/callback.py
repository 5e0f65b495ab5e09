"""`Live`: looks on while `fit` trains, and shows it in a browser."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias

from nncore.live.board import Board
from nncore.live.samples import answers, pictures
from nncore.process.standard_error import STANDARD_ERROR
from nncore.report.words import shown
from nncore.training.budget import Budget
from nncore.training.callbacks import Callback, FitSize, Logs
from nncore.training.history import History, epoch_logs
from nncore.training.images.samples import Samples
from nncore.training.speed import Speed

if TYPE_CHECKING:
    from nncore.live.server import LiveServer
    from nncore.training.images.samples import LabelledImages

P = ParamSpec("P")
Watching: TypeAlias = Callable[Concatenate["Live", P], None]

_MOST_SAMPLES = 12
# What asking the model about them may take: a part of the time, and some seconds at once.
_SHARE, _AT_ONCE = 0.005, 0.01
_ENDED = ("trained", "stopped", "measuring")
# Between two looks at how far it is: within epochs, and as epochs end.
_BETWEEN = 0.25
# Of the curve within the epoch that is trained just now.
_MOST_POINTS = 40


def _undisturbing(method: Watching[P]) -> Watching[P]:
    """Whatever goes wrong in `method` of a `Live`, it is told once, and the training goes on."""

    def guarded(live: Live, /, *arguments: P.args, **named: P.kwargs) -> None:
        if live.failure is not None:
            return
        try:
            method(live, *arguments, **named)
        except Exception as error:
            live.fail(error)

    functools.update_wrapper(guarded, method)
    return guarded


class Live(Callback):
    """Show the training on a local page: curves, speed, time left, sample predictions, and a button
    that ends it as Ctrl-C does.

    The address is told on standard error when training begins. The page can be opened on this
    machine alone (from another one through ``ssh -L``), by who knows the token in the address, and
    at any time while the process lives. Whatever happens to it, the training goes on; the weights
    do not depend on it.

    Parameters
    ----------
    validation_data
        Labelled pictures, an `ImageDataset` or a pair (x, y), twelve of which are shown with what
        the model says of them. That takes at most half a hundredth of the time, and none while
        nobody looks.
    port
        Where to listen; 0: any free port. One that is taken gives way to a free one.

    Attributes
    ----------
    address : str or None
        Of the page; None before `start`, and where no page could be served.
    stop_asked : bool
        Whether somebody pressed the button.

    Examples
    --------
    >>> model.fit(train, validation_data=val, callbacks=[nn.Live(val)])       # doctest: +SKIP
    """

    for_first_process = True

    def __init__(self, validation_data: LabelledImages | None = None, *, port: int = 0) -> None:
        self.validation_data, self.port = validation_data, port
        self.stop_asked = False
        self.failure: Exception | None = None
        self._lock, self._phase = threading.Lock(), "preparing"
        self._server: LiveServer | None = None
        self._samples: Samples | None = None
        self._board: Board | None = None

    def __getstate__(self) -> dict[str, Any]:
        """A copy has no page of its own until it starts."""
        return {"validation_data": self.validation_data, "port": self.port}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(vars(Live(**state)))

    @property
    def address(self) -> str | None:
        """See the class."""
        return None if self._server is None else self._server.address

    @_undisturbing
    def start(self) -> None:
        """Serve the page from now on, and tell its address on standard error.

        `fit` does it when training begins; nothing happens where it is served already.
        """
        if self._server is not None:
            return
        self._board = Board()
        self._enter("preparing", "Getting ready")
        self._server = self._listen(self._board)
        port = self._server.port
        _tell(f"live page: {self._server.address}")
        _tell(f"  from another machine: {_tunnel(port)} and then the same address there")

    def _listen(self, board: Board) -> LiveServer:
        from nncore.live.page import live_page
        from nncore.live.server import LiveServer

        try:
            return LiveServer(board, live_page, self._stop, self.port)
        except OSError as error:
            if not self.port:
                raise
            _tell(f"warning: port {self.port} cannot be used ({error.strerror}); another one is")
            return LiveServer(board, live_page, self._stop)

    @_undisturbing
    def describe(self, title: str, words: str = "") -> None:
        """Say what is trained: what the page is called, and a line below."""
        if self._board is not None:
            self._board.put("about", {"title": shown(title), "words": shown(words)})

    @_undisturbing
    def say(self, words: str) -> None:
        """What happens just now, such as "Reading pictures"."""
        with self._lock:
            if self._phase == "preparing" or self._phase in _ENDED:
                name = "preparing" if self._phase == "preparing" else "measuring"
                self._enter(name, words)

    @_undisturbing
    def finish(self, words: str, *, good: bool = True, report: Path | None = None) -> None:
        """All is over: show what came of it, and the report if there is one."""
        if self._board is None or self._server is None:
            return
        if report is not None and report.exists():
            self._server.report = report
            self._board.put("report", {"path": shown(str(report))})
        with self._lock:
            self._enter("done" if good else "failed", words)

    @property
    def watched(self) -> bool:
        """Whether the page is open anywhere just now."""
        return self._board is not None and self._board.watching > 0

    @property
    def was_watched(self) -> bool:
        """Whether it ever was."""
        return self._board is not None and self._board.watched

    def close(self, seconds: float = 0.0) -> None:
        """End the page's server. Pages that are open stay as they are, with the report if they
        got it within so many seconds."""
        server, self._server = self._server, None
        if server is None:
            return
        with contextlib.suppress(Exception):
            server.let_go(seconds)
            server.close()

    # -- what fit calls

    def set_size(self, size: FitSize) -> None:
        self._size = size

    @_undisturbing
    def on_train_begin(self) -> None:
        self.start()
        if self._board is None:
            return
        size = self._size
        self._speed = Speed(size.epochs * size.images, size.images_after(size.steps_before))
        self._budget, self._samples = Budget(_SHARE, at_once=_AT_ONCE), None
        self._inside: list[list[float]] = []
        self._shown_at = -_BETWEEN
        rows = [_row(epoch, logs) for epoch, logs in epoch_logs(self.model.history)]
        self._board.start_rows(rows)
        with self._lock:
            if self.stop_asked:
                self.model.interrupt()
            else:
                self._enter("training", "Training")

    @_undisturbing
    def on_steps_end(self, epoch: int, steps: int, loss: float) -> None:
        if self._board is None:
            return
        size = self._size
        done = (epoch - size.before - 1) * size.images + size.images_after(steps)
        self._speed.update(done)
        if time.monotonic() - self._shown_at < _BETWEEN:
            return
        self._shown_at = time.monotonic()
        share = steps / size.steps
        self._inside = [*_thinned(self._inside), [round(epoch - 1 + share, 4), loss]]
        self._show_progress(epoch, steps, loss)
        self._look()

    @_undisturbing
    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self._board is None:
            return
        self._inside = []
        self._speed.begin_epoch()
        self._board.add_row(_row(epoch, logs))
        self._look()

    @_undisturbing
    def on_train_end(self) -> None:
        if self._board is None:
            return
        history = self.model.history
        if history is not None and len(history):
            self._show_progress(history.epoch[-1], self._size.steps, history.history["loss"][-1])
        self._answer()
        with self._lock:
            if self.model.interrupted:
                self._enter("stopped", "Stopped; what was trained is kept")
            else:
                self._enter("trained", "The training has ended")

    @_undisturbing
    def on_train_error(self, error: BaseException) -> None:
        with self._lock:
            self._enter("failed", str(error))

    # -- inside

    def fail(self, error: Exception) -> None:
        """Give up showing anything."""
        self.failure = error
        _tell(f"warning: the live page shows no more of this training: {error!r}")

    def _enter(self, phase: str, words: str) -> None:
        """Under the lock, which keeps a stop from being taken for one when all is over."""
        self._phase = phase
        if self._board is not None:
            self._board.put("phase", {"name": phase, "words": shown(words)})

    def _stop(self) -> bool:
        """Somebody pressed the button; whether it is of any use. Called by the server's threads."""
        with self._lock:
            if self._phase not in ("preparing", "training", "stopping"):
                return False
            self.stop_asked = True
            if self._phase == "preparing":
                self._enter("stopping", "Stopping as soon as the training begins, and saving")
            elif self._phase == "training":
                self._enter("stopping", "Stopping after the steps in progress, and saving")
                self.model.interrupt()
            return True

    def _show_progress(self, epoch: int, steps: int, loss: float) -> None:
        assert self._board is not None
        size, speed = self._size, self._speed
        progress = {
            "epoch": epoch,
            "epochs": size.before + size.epochs,
            "share": ((epoch - size.before - 1) * size.steps + steps) / (size.epochs * size.steps),
            "per_second": speed.per_second,
            "elapsed": speed.elapsed,
            "left": speed.left,
            "loss": loss,
            "best": _best_epoch(self.model.history),
            "inside": self._inside,
        }
        self._board.put("progress", progress)

    def _look(self) -> None:
        """Ask the model about the samples, if anybody looks and there is time."""
        if not self.watched or self.validation_data is None or self.model.classes is None:
            return
        if self._samples is None:
            self._samples = Samples.of(self.validation_data, self.model.classes, _MOST_SAMPLES)
            assert self._board is not None
            self._board.put("pictures", pictures(self._samples))
            self.model.predict_proba(self._samples.images[:1])  # which makes memory ready
            # What one takes says what all will.
            with self._budget.spend(len(self._samples)):
                self.model.predict_proba(self._samples.images[:1])
        elif self._budget.allows:
            with self._budget.spend():
                self._answer()

    def _answer(self) -> None:
        if self._samples is not None and self._board is not None and self.watched:
            history = self.model.history
            after = 0 if history is None else len(history)
            found = answers(self._samples, self.model)
            self._board.put("answers", {"epoch": after, "answers": found})


def _row(epoch: int, logs: Logs) -> dict[str, float]:
    return {"epoch": epoch, **logs}


def _best_epoch(history: History | None) -> int | None:
    try:
        return history.best_epoch() if history is not None and len(history) else None
    except ValueError:  # no loss is finite
        return None


def _thinned(points: list[list[float]]) -> list[list[float]]:
    return points if len(points) < _MOST_POINTS else points[::2]


def _tell(line: str) -> None:
    print(f"nncore: {line}", file=STANDARD_ERROR, flush=True)


def _tunnel(port: int) -> str:
    """The command that makes the page of this machine one of another."""
    import getpass
    import os
    import socket

    # user's address, its port, this machine's address, its port
    connection = os.environ.get("SSH_CONNECTION", "").split()
    host = connection[2] if len(connection) == 4 else socket.gethostname()
    user = "USER"
    with contextlib.suppress(Exception):
        user = getpass.getuser()
    return f"ssh -L {port}:127.0.0.1:{port} {user}@{host}"
