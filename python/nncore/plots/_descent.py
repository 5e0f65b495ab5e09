"""The lesson's picture of gradient descent: one weight, its loss, and the tangent."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nncore.plots._figure import (
    BLUE,
    GREY,
    ORANGE,
    SKY,
    checked_format,
    house_style,
    legend_below,
    new_figure,
    save,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CURVE_POINTS = 400


class Descent(NamedTuple):
    """What `gradient_descent` returns.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        The picture.
    weights : list of float
        The weights visited, the first included: ``steps + 1`` numbers.
    """

    figure: Figure
    weights: list[float]


def gradient_descent(
    loss: Callable[[float], float] | None = None,
    gradient: Callable[[float], float] | None = None,
    start: float = 0.38,
    learning_rate: float = 0.01,
    steps: int = 100,
    path: str | os.PathLike[str] | None = None,
) -> Descent:
    """Gradient descent on a loss of one weight, drawn for a learner.

    The left panel has the loss, the tangent at the first weight and every weight visited. The
    right one magnifies the first step, W2 = W1 - gradient * learning_rate.

    By default the loss is (w - 0.655)², whose gradient at 0.38 is -0.55, so that the first step
    with learning rate 0.01 gives 0.3855.

    Parameters
    ----------
    loss : function of a float, optional
        The loss at a weight.
    gradient : function of a float, optional
        Its derivative; measured by a central difference if only `loss` is given.
    start : float
        The first weight, W1.
    learning_rate : float
        Greater than 0.
    steps : int
        How many, at least 1.
    path : path, optional
        Where to write the figure: .png, .svg or .pdf.

    Returns
    -------
    Descent
        The named pair (figure, weights).

    Raises
    ------
    TypeError
        `loss` or `gradient` is not callable, or `steps` not an integer.
    ValueError
        A number is out of range or not finite, `gradient` comes without `loss`, loss or gradient
        is not finite at a visited weight, or the extension of `path` is unknown.
    OSError
        `path` cannot be written.
    """
    loss, gradient = _functions(loss, gradient)
    count = operator.index(steps)
    if count < 1:
        raise ValueError(f"steps must be at least 1, got {count}")
    if not math.isfinite(start):
        raise ValueError(f"start must be finite, got {start!r}")
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate must be finite and greater than 0, got {learning_rate!r}")
    checked_format(path)

    weights, losses, slope = _walk(loss, gradient, float(start), float(learning_rate), count)
    with house_style():
        figure = new_figure(12.0, 5.4)
        whole, step = figure.subplots(1, 2)
        _draw_whole(whole, loss, gradient, weights, losses, slope)
        _draw_step(step, loss, weights, losses, slope)
        figure.suptitle(
            "W2 = W1 - gradient * learning_rate"
            f" = {_weight(weights, 0)} - {_operand(slope)} * {learning_rate:.5g}"
            f" = {_weight(weights, 1)}",
            fontsize=13,
            fontweight="bold",
        )
        save(figure, path)
    return Descent(figure, weights)


def _functions(
    loss: Callable[[float], float] | None, gradient: Callable[[float], float] | None
) -> tuple[Callable[[float], float], Callable[[float], float]]:
    for name, function in (("loss", loss), ("gradient", gradient)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be a function of one float, got {function!r}")
    if loss is None:
        if gradient is not None:
            raise ValueError("gradient was given without loss; give both, or loss alone")
        return lambda w: (w - 0.655) ** 2, lambda w: 2 * (w - 0.655)
    if gradient is None:
        return loss, lambda w: _difference(loss, w)
    return loss, gradient


def _difference(loss: Callable[[float], float], weight: float) -> float:
    # The cube root of the rounding error balances it against the error of the formula.
    h = 6e-6 * max(1.0, abs(weight))
    return (float(loss(weight + h)) - float(loss(weight - h))) / (2 * h)


def _walk(
    loss: Callable[[float], float],
    gradient: Callable[[float], float],
    start: float,
    learning_rate: float,
    count: int,
) -> tuple[list[float], list[float], float]:
    """The weights, the loss at each, and the gradient at the first."""
    weights, losses, slopes = [start], [], []
    for number in range(count + 1):
        weight = weights[-1]
        try:
            losses.append(float(loss(weight)))
            slopes.append(float(gradient(weight)))
        except (ArithmeticError, ValueError) as error:
            raise ValueError(
                f"loss or gradient cannot be computed at weight {weight!r}, "
                f"after {number} steps: {error}"
            ) from error
        if not (math.isfinite(losses[-1]) and math.isfinite(slopes[-1])):
            raise ValueError(
                f"loss {losses[-1]!r} or gradient {slopes[-1]!r} is not finite at weight "
                f"{weight!r}, after {number} steps; try a smaller learning_rate or fewer steps"
            )
        if number < count:
            weights.append(weight - learning_rate * slopes[-1])
    return weights, losses, slopes[0]


def _draw_whole(
    axes: Axes,
    loss: Callable[[float], float],
    gradient: Callable[[float], float],
    weights: list[float],
    losses: list[float],
    slope: float,
) -> None:
    seen = [*weights, *_valley(gradient, weights, slope)]
    margin = 0.3 * (max(seen) - min(seen)) or 0.5
    xs, ys = _curve(loss, min(seen) - margin, max(seen) + margin)
    axes.plot(xs, ys, color=SKY, linewidth=3, label="loss")
    _tangent(axes, weights[0], losses[0], slope, 0.25 * (xs[-1] - xs[0]))
    steps = len(weights) - 1
    axes.plot(
        weights[1:],
        losses[1:],
        linestyle="none",
        marker="o",
        markersize=4.5,
        color=BLUE,
        markeredgecolor="white",
        markeredgewidth=0.4,
        zorder=3,
        label=f"{steps} steps, the last to {weights[-1]:.5g}" if steps > 1 else "W2",
    )
    _mark_first(axes, weights, losses)
    _limits(axes, xs, np.concatenate([ys, losses]))
    _finish(axes, "The loss, and every step down it")


def _valley(gradient: Callable[[float], float], weights: list[float], slope: float) -> list[float]:
    """Where the parabola that touches the loss at W1 is lowest, to show where the steps lead.

    Nothing where there is no such place, or one too far for the steps to be seen.
    """
    h = 1e-3 * max(1.0, abs(weights[0]))
    try:
        bend = (float(gradient(weights[0] + h)) - float(gradient(weights[0] - h))) / (2 * h)
    except (ArithmeticError, ValueError):
        return []
    if not (math.isfinite(bend) and bend > 0):
        return []
    reach = max(abs(weight - weights[0]) for weight in weights)
    return [weights[0] - slope / bend] if abs(slope / bend) < 100 * reach else []


def _draw_step(
    axes: Axes,
    loss: Callable[[float], float],
    weights: list[float],
    losses: list[float],
    slope: float,
) -> None:
    w1, w2 = weights[:2]
    size = abs(w2 - w1) or 0.1 * max(1.0, abs(w1))
    xs, ys = _curve(loss, min(w1, w2) - 0.9 * size, max(w1, w2) + 0.9 * size)
    axes.plot(xs, ys, color=SKY, linewidth=3, label="loss")
    _tangent(axes, w1, losses[0], slope, 1.4 * size)
    axes.plot(
        [w2],
        [losses[1]],
        linestyle="none",
        marker="o",
        markersize=9,
        color=BLUE,
        markeredgecolor="white",
        zorder=4,
        label=f"W2 = {_weight(weights, 1)}, loss {losses[1]:.5g}",
    )
    _mark_first(axes, weights, losses)
    near = np.abs(xs - w1) <= 1.4 * size
    _limits(axes, xs, np.concatenate([ys, losses[0] + slope * (xs[near] - w1), losses[:2]]))
    _mark_distance(axes, (w1, w2), losses)
    _finish(axes, "The first step, magnified")


def _mark_distance(axes: Axes, ends: tuple[float, float], losses: list[float]) -> None:
    """An arrow from W1 to W2 under the curve, with the length that the formula gives it."""
    bottom, top = axes.get_ylim()
    # Room under everything else for the arrow and its two lines of text.
    bottom -= 0.22 * (top - bottom)
    axes.set_ylim(bottom, top)
    floor = bottom + 0.05 * (top - bottom)
    for weight, height in zip(ends, losses, strict=False):
        axes.plot([weight, weight], [floor, height], color=GREY, linewidth=1, linestyle=":")
    axes.annotate(
        "",
        xy=(ends[1], floor),
        xytext=(ends[0], floor),
        arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0},
    )
    axes.text(
        sum(ends) / 2,
        floor + 0.02 * (top - bottom),
        f"-gradient * learning_rate\n= {ends[1] - ends[0]:.5g}",
        ha="center",
        va="bottom",
        fontsize=8.5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8},
    )


def _curve(
    loss: Callable[[float], float], left: float, right: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    xs = np.linspace(left, right, _CURVE_POINTS)
    ys = np.empty_like(xs)
    for place, x in enumerate(xs.tolist()):
        # The picture reaches beyond the visited weights, where a loss need not be defined.
        try:
            ys[place] = float(loss(x))
        except (ArithmeticError, ValueError):
            ys[place] = math.nan
    return xs, ys


def _tangent(axes: Axes, weight: float, height: float, slope: float, reach: float) -> None:
    ends = np.array([weight - reach, weight + reach])
    axes.plot(
        ends,
        height + slope * (ends - weight),
        color=ORANGE,
        linewidth=1.8,
        linestyle="--",
        label=f"tangent at W1: slope = gradient = {slope:.5g}",
    )


def _mark_first(axes: Axes, weights: list[float], losses: list[float]) -> None:
    axes.plot(
        weights[:1],
        losses[:1],
        linestyle="none",
        marker="D",
        markersize=8,
        color="black",
        markeredgecolor="white",
        zorder=5,
        label=f"W1 = {_weight(weights, 0)}, loss {losses[0]:.5g}",
    )


def _limits(axes: Axes, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> None:
    finite = ys[np.isfinite(ys)]
    low, high = float(finite.min()), float(finite.max())
    margin = 0.06 * (high - low) or 0.5
    axes.set_xlim(xs[0], xs[-1])
    axes.set_ylim(low - margin, high + margin)


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("weight W")
    axes.set_ylabel("loss")
    axes.locator_params(axis="x", nbins=6)
    legend_below(axes)


def _weight(weights: list[float], position: int) -> str:
    """W1 or W2 with five significant digits, or as many as it takes to tell the two apart."""
    digits = 5
    while digits < 17 and len({f"{weight:.{digits}g}" for weight in set(weights[:2])}) < len(
        set(weights[:2])
    ):
        digits += 1
    return f"{weights[position]:.{digits}g}"


def _operand(value: float) -> str:
    """In brackets if it is negative, since it follows another sign."""
    return f"({value:.5g})" if value < 0 else f"{value:.5g}"
