from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from nncore import plots


def labelled(axes, start: str):
    (line,) = [line for line in axes.get_lines() if str(line.get_label()).startswith(start)]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def test_the_lessons_numbers() -> None:
    figure, weights = plots.gradient_descent()
    assert weights[0] == 0.38
    assert weights[1] == pytest.approx(0.3855, abs=1e-15)
    assert (
        figure.get_suptitle()
        == "W2 = W1 - gradient * learning_rate = 0.38 - (-0.55) * 0.01 = 0.3855"
    )


def test_every_step_follows_the_gradient() -> None:
    weights = plots.gradient_descent(steps=50).weights
    assert len(weights) == 51
    for before, after in itertools.pairwise(weights):
        assert after == pytest.approx(before - 0.01 * 2 * (before - 0.655), abs=1e-15)
    assert weights[-1] == pytest.approx(0.655 - 0.275 * 0.98**50)


def test_the_whole_picture_shows_curve_tangent_and_weights() -> None:
    figure, weights = plots.gradient_descent(steps=20)
    whole, _ = figure.axes
    xs, ys = labelled(whole, "loss")
    assert np.allclose(ys, (xs - 0.655) ** 2)
    assert xs[0] < 0.38
    assert xs[-1] > 0.655  # the bottom of the valley, though 20 steps do not reach it
    tx, ty = labelled(whole, "tangent")
    assert (ty[1] - ty[0]) / (tx[1] - tx[0]) == pytest.approx(-0.55)
    assert np.interp(0.38, tx, ty) == pytest.approx(0.275**2)
    wx, wy = labelled(whole, "20 steps")
    assert wx.tolist() == weights[1:]
    assert np.allclose(wy, (wx - 0.655) ** 2)
    assert (whole.get_xlabel(), whole.get_ylabel()) == ("weight W", "loss")


def test_the_first_step_is_large_enough_to_see() -> None:
    _, step = plots.gradient_descent().figure.axes
    left, right = step.get_xlim()
    assert (0.3855 - 0.38) / (right - left) > 0.25
    assert labelled(step, "W1 = 0.38")[0].tolist() == [0.38]
    assert labelled(step, "W2 = 0.3855")[0] == pytest.approx([0.3855])
    assert any("= 0.0055" in text.get_text() for text in step.texts)
    tx, ty = labelled(step, "tangent")
    assert (ty[1] - ty[0]) / (tx[1] - tx[0]) == pytest.approx(-0.55)


def test_own_functions_are_followed() -> None:
    seen = []

    def gradient(w: float) -> float:
        seen.append(w)
        return 4 * w**3

    figure, weights = plots.gradient_descent(
        loss=lambda w: w**4, gradient=gradient, start=1.0, learning_rate=0.1, steps=2
    )
    assert weights == pytest.approx([1.0, 0.6, 0.6 - 0.4 * 0.6**3])
    assert seen[0] == 1.0
    assert figure.get_suptitle().endswith("= 1 - 4 * 0.1 = 0.6")


def test_a_missing_gradient_is_measured() -> None:
    weights = plots.gradient_descent(loss=math.exp, start=1.0, learning_rate=0.1, steps=1).weights
    assert weights[1] == pytest.approx(1 - 0.1 * math.e, abs=1e-9)


def test_a_loss_undefined_beyond_the_weights_leaves_a_gap() -> None:
    figure, _ = plots.gradient_descent(
        loss=math.log, gradient=lambda w: 1 / w, start=1.0, learning_rate=0.9, steps=1
    )
    _, ys = labelled(figure.axes[0], "loss")
    assert np.isnan(ys[0])
    assert np.isfinite(ys[-1])


def test_a_step_too_small_for_five_digits_is_still_told() -> None:
    figure, _ = plots.gradient_descent(start=100.0, learning_rate=1e-6, steps=1)
    assert figure.get_suptitle().endswith("= 100 - 198.69 * 1e-06 = 99.9998")


def test_at_the_bottom_nothing_moves() -> None:
    figure, weights = plots.gradient_descent(start=0.655, steps=3)
    assert weights == [0.655] * 4
    xs, _ = labelled(figure.axes[1], "loss")
    assert xs[0] < 0.6
    assert xs[-1] > 0.7


def test_a_rate_too_high_is_drawn_until_it_overflows() -> None:
    weights = plots.gradient_descent(learning_rate=1.05, steps=8).weights
    assert abs(weights[-1] - 0.655) > 0.5
    with pytest.raises(ValueError, match=r"after \d+ steps.*smaller learning_rate|computed"):
        plots.gradient_descent(loss=lambda w: w**4, learning_rate=100.0, start=2.0)


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        ({"steps": 1.5}, TypeError, "float"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate.*0.0"),
        ({"learning_rate": math.nan}, ValueError, "learning_rate.*nan"),
        ({"start": math.inf}, ValueError, "start.*inf"),
        ({"gradient": lambda w: w}, ValueError, "gradient was given without loss"),
        ({"loss": 3.0}, TypeError, "loss must be a function.*3.0"),
        ({"loss": lambda w: math.nan}, ValueError, "not finite at weight 0.38, after 0 steps"),
        ({"loss": lambda w: math.inf, "gradient": abs}, ValueError, "loss inf or gradient 0.38"),
        ({"loss": math.log, "start": -1.0}, ValueError, "cannot be computed at weight -1.0"),
    ],
)
def test_wrong_arguments_are_named(arguments, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        plots.gradient_descent(**arguments)
