from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from nncore import plots
from nncore.training.history import History


def trained(epochs: int, validation: bool = True) -> History:
    history = History("cross_entropy", iterations_per_epoch=4)
    for epoch in range(1, epochs + 1):
        loss = 2.0 / epoch
        # Best in the third epoch.
        val = (0.5 + 0.1 * abs(epoch - 3), 1 / (1 + epoch)) if validation else (None, None)
        history.append_epoch(loss, 1 - 0.5 / epoch, *val, iteration_loss=[loss + 0.1, loss] * 2)
    return history


def lines(axes) -> dict[str, np.ndarray]:
    return {line.get_label(): np.asarray(line.get_ydata()) for line in axes.get_lines()}


def test_a_record_of_plain_numbers_is_drawn_as_a_history_is(tmp_path) -> None:
    history = trained(5)
    plain = SimpleNamespace(
        loss_name="cross_entropy",
        iterations_per_epoch=4,
        history=history.history,
        epoch=history.epoch,
        iteration_loss=history.iteration_loss,
        weighted=False,
        monitor="val_loss",
        best_epoch=lambda: 3,
    )
    for draw in (plots.curves, plots.iteration_loss):
        draw(history, tmp_path / "history.png")
        draw(plain, tmp_path / "plain.png")
        assert (tmp_path / "history.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_both_panels_show_the_data_with_units() -> None:
    history = trained(5)
    loss, accuracy = plots.curves(history).axes
    assert loss.get_xlabel() == accuracy.get_xlabel() == "epoch"
    assert loss.get_ylabel() == "loss: cross_entropy (mean over images)"
    assert accuracy.get_ylabel() == "accuracy (% of the images)"
    assert lines(loss)["training"].tolist() == history.history["loss"]
    assert lines(loss)["validation"].tolist() == history.history["val_loss"]
    assert np.allclose(lines(accuracy)["training"], 100 * np.array(history.history["accuracy"]))
    assert np.allclose(
        lines(accuracy)["validation"], 100 * np.array(history.history["val_accuracy"])
    )
    assert loss.get_lines()[0].get_xdata().tolist() == [1, 2, 3, 4, 5]


def test_the_best_epoch_is_marked_on_the_validation_curve_of_both_panels() -> None:
    history = trained(5)
    loss, accuracy = plots.curves(history).axes
    for axes, value, text in ((loss, 0.5, "0.5"), (accuracy, 25.0, "25.00 %")):
        rings = [line for line in axes.get_lines() if line.get_linestyle() == "None"]
        assert [(r.get_xdata(), r.get_ydata()) for r in rings] == [([3], [value])]
        upright = [line for line in axes.get_lines() if list(line.get_xdata()) == [3, 3]]
        assert len(upright) == 1
        legend = [entry.get_text() for entry in axes.get_legend().get_texts()]
        assert legend == [
            "training",
            "validation",
            f"best epoch 3: {text} (lowest validation loss)",
        ]


def test_without_validation_the_training_loss_decides() -> None:
    (axes,) = plots.curves(trained(4, validation=False), which="loss").axes
    legend = [entry.get_text() for entry in axes.get_legend().get_texts()]
    assert legend == ["training", "best epoch 4: 0.5 (lowest training loss)"]


def test_where_accuracy_decides_the_legend_says_so() -> None:
    history = trained(5)
    history.by_accuracy = True
    (axes,) = plots.curves(history, which="accuracy").axes
    text = axes.get_legend().get_texts()[-1].get_text()
    assert text.endswith("(highest validation accuracy)")


@pytest.mark.parametrize(("which", "title"), [("loss", "Loss"), ("accuracy", "Accuracy")])
def test_one_panel_alone(which, title: str) -> None:
    (axes,) = plots.curves(trained(2), which=which).axes
    assert axes.get_title() == f"{title} per epoch"


def test_a_single_epoch_is_a_visible_point_at_tick_1() -> None:
    loss, _ = plots.curves(trained(1)).axes
    assert loss.get_lines()[0].get_marker() == "o"
    assert loss.get_xticks().tolist() == [1]


def test_epochs_are_never_numbered_by_fractions() -> None:
    loss, _ = plots.curves(trained(3)).axes
    assert loss.get_xticks().tolist() == [1, 2, 3]


def test_a_thousand_epochs_are_a_line_without_markers() -> None:
    loss, _ = plots.curves(trained(1000)).axes
    assert loss.get_lines()[0].get_marker() == "None"
    assert len(loss.get_lines()[0].get_xdata()) == 1000
    ticks = loss.get_xticks()
    assert ticks[0] == 1
    assert all(tick == int(tick) and 1 <= tick <= 1000 for tick in ticks)
    assert 3 <= len(ticks) <= 10


def test_accuracy_never_shows_room_beyond_100_percent() -> None:
    history = History("mse")
    for accuracy in (0.0, 0.999, 1.0):
        history.append_epoch(0.5, accuracy)
    (axes,) = plots.curves(history, which="accuracy").axes
    bottom, top = axes.get_ylim()
    assert -1 <= bottom < 0
    assert 100 < top <= 101


def test_a_wide_range_of_losses_is_logarithmic() -> None:
    history = History("mse")
    for loss in (1e4, 1.0, 0.1):
        history.append_epoch(loss, 0.5)
    assert plots.curves(history, which="loss").axes[0].get_yscale() == "log"
    assert plots.curves(trained(3), which="loss").axes[0].get_yscale() == "linear"
    history.append_epoch(0.0, 0.5)  # has no logarithm
    assert plots.curves(history, which="loss").axes[0].get_yscale() == "linear"


def test_gaps_of_nan_are_drawn_around() -> None:
    history = trained(3)
    history.history["val_loss"][0] = math.nan
    loss, _ = plots.curves(history).axes
    assert np.isnan(lines(loss)["validation"][0])
    assert "best epoch 3" in loss.get_legend().get_texts()[-1].get_text()


def test_nothing_finite_is_said_in_words() -> None:
    history = History("mse")
    history.append_epoch(math.nan, math.nan)
    loss, accuracy = plots.curves(history).axes
    assert [text.get_text() for text in loss.texts] == ["no epoch has a finite loss"]
    assert [text.get_text() for text in accuracy.texts] == ["no epoch has a finite accuracy"]


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="no epoch yet"):
        plots.curves(History())
    with pytest.raises(ValueError, match="which must be one of loss, accuracy, both, got 'time'"):
        plots.curves(trained(2), which="time")
    with pytest.raises(TypeError, match=r"history must be a History.*got dict"):
        plots.curves({"loss": [1.0]})


def test_iterations_are_numbered_over_the_whole_run() -> None:
    history = trained(3)
    figure = plots.iteration_loss(history)
    assert isinstance(figure.canvas, FigureCanvasAgg)
    (axes,) = figure.axes
    (line,) = axes.get_lines()
    assert line.get_xdata().tolist() == list(range(1, 13))
    assert line.get_ydata().tolist() == history.iteration_loss
    assert axes.get_xlabel() == "iteration (4 per epoch)"
    assert axes.get_ylabel() == "loss: cross_entropy (mean over the mini-batch)"


def test_a_long_run_has_a_mean_over_blocks() -> None:
    history = History("mse")
    history.append_epoch(0.5, 0.5, iteration_loss=np.arange(1001.0))
    (axes,) = plots.iteration_loss(history).axes
    raw, mean = axes.get_lines()
    assert len(raw.get_xdata()) == 1001
    assert mean.get_label() == "mean of 21 iterations"
    x, y = np.asarray(mean.get_xdata()), np.asarray(mean.get_ydata())
    # The loss is the iteration less one, so each mean lies on that line; the last block is short.
    assert np.allclose(y, x - 1)
    assert y[0] == 10.0
    assert y[-1] == np.mean(np.arange(1001.0)[47 * 21 :])
    assert axes.get_xlabel() == "iteration"


def test_no_iteration_is_an_error_and_no_finite_one_a_sentence() -> None:
    with pytest.raises(ValueError, match="no loss per iteration"):
        plots.iteration_loss(History())
    with pytest.raises(TypeError, match="History"):
        plots.iteration_loss([1.0, 2.0])
    history = History()
    history.iteration_loss.extend([math.nan, math.inf])
    (axes,) = plots.iteration_loss(history).axes
    assert axes.texts[0].get_text() == "no iteration has a finite loss"
