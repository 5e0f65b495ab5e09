"""Plots of a training run: per epoch and per iteration."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from nncore.plots._figure import (
    BLUE,
    GREEN,
    ORANGE,
    SKY,
    checked_format,
    house_style,
    legend_below,
    new_figure,
    save,
    say,
    scale_loss_axis,
    shown,
    whole_number_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Which = Literal["loss", "accuracy", "both"]

# Up to this many points each is marked; more would merge into a thick line.
_MARKED = 40
# From this many iterations on a mean over blocks of them shows the trend through the noise.
_SMOOTHED = 150


class TrainingRecord(Protocol):
    """The numbers of a training that are drawn, as `nncore.History` holds them."""

    @property
    def epoch(self) -> Sequence[int]:
        """1, 2, 3, ..."""

    @property
    def history(self) -> Mapping[str, Sequence[float]]:
        """One number per epoch, by name: loss, accuracy, val_loss, val_accuracy."""

    @property
    def iteration_loss(self) -> Sequence[float]:
        """One number per mini-batch, over the whole run."""

    @property
    def iterations_per_epoch(self) -> int:
        """0 where it is not known."""

    @property
    def loss_name(self) -> str: ...

    @property
    def weighted(self) -> bool:
        """Whether the training loss has class or sample weights in it."""

    @property
    def monitor(self) -> str:
        """The key of `history` that says which epoch is best."""

    def best_epoch(self) -> int:
        """Number of that epoch."""


def curves(
    history: TrainingRecord,
    path: str | os.PathLike[str] | None = None,
    which: Which = "both",
) -> Figure:
    """Loss and accuracy per epoch, for training and validation, with the best epoch marked.

    The best epoch is ``history.best_epoch()``: the one with the lowest validation loss (training
    loss without validation). The same epoch is marked in both panels. A loss that spans more than
    three powers of ten is drawn on a logarithmic axis.

    Parameters
    ----------
    history : History
        With at least one epoch.
    path : path, optional
        Where to write the figure: .png, .svg or .pdf.
    which : {"both", "loss", "accuracy"}
        Panels to draw.

    Raises
    ------
    TypeError
        `history` is not a `History`.
    ValueError
        It has no epoch, `which` is unknown, or the extension of `path` is.
    OSError
        `path` cannot be written.
    """
    _check_history(history)
    if which not in get_args(Which):
        raise ValueError(f"which must be one of {', '.join(get_args(Which))}, got {which!r}")
    if not history.epoch:
        raise ValueError("this history has no epoch yet, so there is no curve; train first")
    checked_format(path)

    with house_style():
        panels = ["loss", "accuracy"] if which == "both" else [which]
        figure = new_figure(5.6 * len(panels) + 0.6, 4.6)
        for axes, name in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            _draw_epochs(axes, history, name)
        save(figure, path)
    return figure


def iteration_loss(history: TrainingRecord, path: str | os.PathLike[str] | None = None) -> Figure:
    """Loss of every mini-batch over the whole run, with the mean over blocks in a long one.

    Parameters
    ----------
    history : History
        With at least one entry in `iteration_loss`.
    path : path, optional
        Where to write the figure: .png, .svg or .pdf.

    Raises
    ------
    TypeError
        `history` is not a `History`.
    ValueError
        It has no iteration, or the extension of `path` is unknown.
    OSError
        `path` cannot be written.
    """
    _check_history(history)
    losses = np.asarray(history.iteration_loss, dtype=np.float64)
    count = losses.size
    if not count:
        raise ValueError(
            "this history has no loss per iteration (a history read from CSV never has); "
            "train first, or plot the epochs with curves()"
        )
    checked_format(path)

    with house_style():
        figure = new_figure(8.0, 4.6)
        axes = figure.subplots()
        smoothed = count > _SMOOTHED
        axes.plot(
            np.arange(1, count + 1),
            losses,
            color=SKY if smoothed else BLUE,
            linewidth=0.8 if smoothed else 1.5,
            marker="o" if count <= _MARKED else None,
            markersize=4,
            label="each iteration",
        )
        if smoothed:
            block = math.ceil(count / 50)
            starts = np.arange(0, count, block)
            sizes = np.diff(np.append(starts, count))
            axes.plot(
                starts + (sizes + 1) / 2,
                np.add.reduceat(losses, starts) / sizes,
                color=ORANGE,
                linewidth=2,
                label=f"mean of {block} iterations",
            )
        axes.set_xlabel(_iteration_label(history))
        axes.set_ylabel(f"loss: {shown(history.loss_name, 40)} (mean over the mini-batch)")
        axes.set_title("Loss per iteration")
        whole_number_axis(axes, 1, count)
        scale_loss_axis(axes, losses)
        if not np.isfinite(losses).any():
            say(axes, "no iteration has a finite loss")
        legend_below(axes)
        save(figure, path)
    return figure


def _check_history(history: object) -> None:
    # By its shape, not its class, so that plots do not import the whole training room.
    if not isinstance(getattr(history, "history", None), dict) or not hasattr(history, "epoch"):
        raise TypeError(
            f"history must be a History, as fit() returns, got {type(history).__name__}"
        )


def _draw_epochs(axes: Axes, history: TrainingRecord, name: str) -> None:
    percent = name == "accuracy"
    factor = 100.0 if percent else 1.0
    drawn = {}
    weighted = name == "loss" and history.weighted
    for key, label, color, style in (
        (name, "training, weighted" if weighted else "training", BLUE, "-"),
        (f"val_{name}", "validation", ORANGE, "--"),
    ):
        if key in history.history:
            drawn[key] = factor * np.asarray(history.history[key], dtype=np.float64)
            axes.plot(
                history.epoch,
                drawn[key],
                linestyle=style,
                color=color,
                linewidth=1.8,
                marker="o" if len(history.epoch) <= _MARKED else None,
                markersize=4,
                label=label,
            )
    values = np.concatenate(list(drawn.values()))
    axes.set_title("Accuracy per epoch" if percent else "Loss per epoch")
    axes.set_xlabel("epoch")
    if percent:
        axes.set_ylabel("accuracy (% of the images)")
        _percent_limits(axes, values)
    else:
        axes.set_ylabel(f"loss: {shown(history.loss_name, 40)} (mean over images)")
        scale_loss_axis(axes, values)
    whole_number_axis(axes, history.epoch[0], history.epoch[-1])
    if not np.isfinite(values).any():
        say(axes, f"no epoch has a finite {name}")
    # The last series drawn is the validation's, where there is one.
    _mark_best(axes, history, list(drawn.values())[-1], percent)
    legend_below(axes)


_REASONS = {"val_loss": "lowest validation loss", "val_accuracy": "highest validation accuracy"}


def _mark_best(
    axes: Axes, history: TrainingRecord, series: NDArray[np.float64], percent: bool
) -> None:
    if not np.isfinite(history.history[history.monitor]).any():
        return
    best = history.best_epoch()
    value = float(series[best - 1])
    reason = _REASONS.get(history.monitor, "lowest training loss")
    shown_value = f"{value:.2f} %" if percent else f"{value:.4g}"
    axes.axvline(best, color=GREEN, linewidth=1.2, linestyle=":", zorder=1)
    # A ring, so that the point it marks stays visible inside.
    axes.plot(
        [best],
        [value],
        linestyle="none",
        marker="o",
        markersize=11,
        markerfacecolor="none",
        markeredgecolor=GREEN,
        markeredgewidth=2,
        zorder=5,
        label=f"best epoch {best}: {shown_value} ({reason})",
    )


def _percent_limits(axes: Axes, values: NDArray[np.float64]) -> None:
    """Zoom to the values, but never show room beyond 0 and 100 % as if it could be reached."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        axes.set_ylim(0, 100)
        return
    low, high = float(finite.min()), float(finite.max())
    margin = max(0.06 * (high - low), 1.0)
    # One per cent of air keeps a line at the very edge visible.
    axes.set_ylim(max(low - margin, -1.0), min(high + margin, 101.0))


def _iteration_label(history: TrainingRecord) -> str:
    per_epoch = history.iterations_per_epoch
    return f"iteration ({per_epoch:,} per epoch)" if per_epoch else "iteration"
