"""Progress of `fit`: a bar on a terminal, a display in a notebook, one line per epoch elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from nncore.process.standard_error import STANDARD_ERROR
from nncore.training.ended_worse import warn_if_ended_worse
from nncore.training.history import History, last_epoch
from nncore.training.notebook import Cell, in_notebook


class Progress(Protocol):
    """What `fit` tells while it trains. Its epochs are counted from 1; those of a history that it
    goes on with are told of, too: the 4th of 6 and not the 1st of 3."""

    def iterations(self, epoch: int, done: int, loss: float) -> None:
        """`done` iterations of `epoch` are finished; `loss` is the mean per image so far."""

    def epoch(self, history: History, epoch: int) -> None:
        """`epoch` is finished and the last one of `history`."""

    def close(self) -> None:
        """Training ended, for whatever reason."""


class Silent:
    """`verbose=0`."""

    def iterations(self, epoch: int, done: int, loss: float) -> None: ...

    def epoch(self, history: History, epoch: int) -> None: ...

    def close(self) -> None: ...


class _Told:
    """What is told on standard error, and in the end if all was in vain."""

    history: History | None = None

    def close(self) -> None:
        warn_if_ended_worse(self.history)


class Lines(_Told):
    """One line per epoch, for logs and pipes."""

    def __init__(self, epochs: int, before: int = 0) -> None:
        self.all, self.before = before + epochs, before

    def iterations(self, epoch: int, done: int, loss: float) -> None: ...

    def epoch(self, history: History, epoch: int) -> None:
        self.history = history
        numbers = _numbers(last_epoch(history))
        number = f"{self.before + epoch:{len(str(self.all))}d}/{self.all}"
        print(
            f"epoch {number}  {numbers}  {history.seconds[-1]:.2f} s",
            file=STANDARD_ERROR,
            flush=True,
        )


class Bar(_Told):
    """One tqdm bar over all iterations of all epochs."""

    def __init__(self, epochs: int, iterations_per_epoch: int, before: int = 0) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

        self.all, self.before = before + epochs, before
        self.iterations_per_epoch = iterations_per_epoch
        self.validation = ""
        self.bar = tqdm(
            total=epochs * iterations_per_epoch,
            file=STANDARD_ERROR,
            # Short enough for 80 columns, with the validation accuracy at the end.
            bar_format="{desc} {percentage:3.0f}%|{bar:5}| {elapsed}<{remaining}{postfix}",
        )

    def iterations(self, epoch: int, done: int, loss: float) -> None:
        self._show(epoch, loss)
        self.bar.update((epoch - 1) * self.iterations_per_epoch + done - self.bar.n)

    def epoch(self, history: History, epoch: int) -> None:
        self.history = history
        logs = last_epoch(history)
        if "val_loss" in logs:
            loss, accuracy = logs["val_loss"], logs["val_accuracy"]
            self.validation = f"; val: loss {loss:.4f}, acc {accuracy:.4f}"
        self._show(epoch, logs["loss"])
        self.bar.update(epoch * self.iterations_per_epoch - self.bar.n)

    def _show(self, epoch: int, loss: float) -> None:
        self.bar.set_description_str(f"epoch {self.before + epoch}/{self.all}", refresh=False)
        self.bar.set_postfix_str(f"loss {loss:.4f}{self.validation}", refresh=False)

    def close(self) -> None:
        self.bar.close()
        super().close()


def make_progress(
    verbose: object, epochs: int, iterations_per_epoch: int, images: int, before: int = 0
) -> Callable[[], Progress]:
    """What makes the progress that `verbose` asks for, once training begins on so many `images`; so
    many epochs were trained `before`.

    A bar is on the screen as soon as it is made, and stays there until it is closed.

    0 or False is silent; 1, True or "auto" is a bar on a terminal, curves and a table in the
    cell of a notebook, and lines elsewhere; 2 is lines.

    Raises
    ------
    ValueError
        Any other value.
    """
    if verbose not in (0, 1, 2, "auto"):
        raise ValueError(f"verbose must be 0 (silent), 1 or 'auto', or 2 (lines), not {verbose!r}")
    if verbose == 0:
        return Silent
    if verbose != 2 and STANDARD_ERROR.isatty():
        return lambda: Bar(epochs, iterations_per_epoch, before)
    if verbose != 2 and in_notebook():
        return lambda: _cell(epochs, iterations_per_epoch, images, before)
    return lambda: Lines(epochs, before)


def _cell(epochs: int, steps: int, images: int, before: int) -> Progress:
    """Lines where nothing can be displayed."""
    try:
        return Cell(epochs, steps, before, images)
    except Exception:
        return Lines(epochs, before)


@contextlib.contextmanager
def fixed_layers_progress(verbose: object) -> Iterator[Callable[[int, int], None] | None]:
    """What is called as ``progress(done, total)`` while images pass the fixed layers.

    A bar or a line at the end, or None, by `verbose` as in `make_progress`; nothing is told where
    no image has to pass.
    """
    if verbose == 0:
        yield None
    elif verbose != 2 and STANDARD_ERROR.isatty():
        from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

        bar: list[tqdm] = []

        def update(done: int, total: int) -> None:
            if not bar:
                bar.append(
                    tqdm(desc="fixed layers", total=total, unit="image", file=STANDARD_ERROR)
                )
            bar[0].update(done - bar[0].n)

        try:
            yield update
        finally:
            if bar:
                bar[0].close()
    else:
        started, seen = time.perf_counter(), [0]

        def remember(done: int, total: int) -> None:
            seen[0] = done

        yield remember
        if seen[0]:
            seconds = time.perf_counter() - started
            text = f"fixed layers: {seen[0]:,} images, once, in {seconds:.2f} s"
            print(text, file=STANDARD_ERROR, flush=True)


def _numbers(logs: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
