"""Curves of what `recipes.py` trained, one panel per data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recipe_outcome import Outcome


def plot(outcomes: Sequence[Outcome], path: Path) -> None:
    """Accuracy over epochs of training and validation images, and the test accuracy as a line."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        1, len(outcomes), figsize=(3.1 * len(outcomes), 2.9), squeeze=False, layout="constrained"
    )
    for panel, one in zip(panels[0], outcomes, strict=True):
        training, validation = one.curves
        epochs = range(1, len(training) + 1)
        panel.plot(epochs, training, color="tab:blue", label="training (augmented)")
        panel.plot(epochs, validation, color="tab:orange", label="validation")
        panel.axhline(one.accuracy, color="0.3", linestyle=":", label="test, at the end")
        panel.set_ylim(min(0.5, min(validation)), 1.005)
        panel.set_title(f"{one.data}: {one.accuracy:.3f}, {one.seconds:.0f} s", fontsize=9)
        panel.set_xlabel("epoch", fontsize=8)
        panel.tick_params(labelsize=8)
    panels[0][0].set_ylabel("accuracy", fontsize=8)
    panels[0][-1].legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
