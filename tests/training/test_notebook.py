"""`fit` in a notebook: one display that changes, whatever becomes of it."""

from __future__ import annotations

import re
import sys
import types
from html.parser import HTMLParser

import pytest

import nncore as nn
from nncore.plots._cell import training_cell
from nncore.training.callbacks import Callback
from small_fits import blobs, fit, small_model, weights

pytestmark = pytest.mark.every_isa


class Display:
    """What IPython shows: the states of each display."""

    def __init__(self):
        self.states = []

    def __call__(self, bundle, *, raw, display_id):
        assert raw
        assert display_id
        self.states.append([bundle])
        return Handle(self.states[-1])


class Handle:
    def __init__(self, states):
        self.states = states

    def update(self, bundle, *, raw):
        assert raw
        self.states.append(bundle)


@pytest.fixture
def display(monkeypatch):
    """A kernel, and what it shows."""
    shown = Display()
    ipython = types.ModuleType("IPython")
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = shown
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return shown


class Checked(HTMLParser):
    """Tags that are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


def test_one_display_has_the_table_and_the_curves_in_the_end(display, capsys):
    history = fit(small_model(), epochs=3, verbose=1, validation_data=blobs(30, 1))
    (states,) = display.states
    html = states[-1]["text/html"]
    cells = Checked(html).cells
    for row in range(3):
        assert f"{history.history['val_loss'][row]:.4f}" in cells
        assert f"{history.history['accuracy'][row]:.4f}" in cells
    assert cells.count(" best") == 1
    assert html.count("<polyline") == 4
    assert "Loss of 3 epochs, from " in html
    assert "Epoch 3 of 3" in states[-1]["text/plain"]
    assert f"loss {history.history['loss'][-1]:.4f}" in states[-1]["text/plain"]
    assert "width:100.0%" in html
    # It stands in the place of the lines.
    assert capsys.readouterr() == ("", "")


def test_it_changes_while_it_trains(display, monkeypatch):
    monkeypatch.setattr("nncore.training.notebook._BETWEEN", 0.0)
    monkeypatch.setattr("nncore.training.loop._BLOCK_SECONDS", 0.0)
    fit(small_model(), epochs=2, batch_size=32, verbose="auto")
    (states,) = display.states
    shares = [float(re.search(r"width:([\d.]+)%", one["text/html"])[1]) for one in states]
    # At once, after each of 3 steps and after each epoch, and in the end.
    assert shares == pytest.approx([0, 16.7, 33.3, 50, 50, 66.7, 83.3, 100, 100, 100])
    assert "images per second" in states[-2]["text/plain"]
    assert "left" in states[-3]["text/plain"]
    assert "left" not in states[-1]["text/plain"]


def test_it_goes_on_where_a_history_stands(display):
    model = small_model()
    history = fit(model, epochs=2)
    fit(model, epochs=2, verbose=1, history=history)
    assert "Epoch 3 of 4" in display.states[0][0]["text/plain"]
    assert "Epoch 4 of 4" in display.states[0][-1]["text/plain"]


@pytest.mark.parametrize("verbose", [0, 2])
def test_who_asks_for_lines_or_silence_gets_it(display, capsys, verbose):
    fit(small_model(), verbose=verbose)
    assert display.states == []
    assert len(capsys.readouterr().err.splitlines()) == (3 if verbose else 0)


def test_a_terminal_has_no_cell(display, monkeypatch, capsys):
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: object())
    fit(small_model(), verbose=1)
    assert display.states == []
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_what_cannot_be_displayed_is_told_in_lines(display, monkeypatch, capsys):
    monkeypatch.setattr(sys.modules["IPython.display"], "display", lambda *_, **__: 1 / 0)
    fit(small_model(), verbose=1)
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_display_that_breaks_does_not_end_the_training(display, monkeypatch):
    monkeypatch.setattr("nncore.training.notebook._BETWEEN", 0.0)
    monkeypatch.setattr(Handle, "update", lambda *_, **__: 1 / 0)
    model, plain = small_model(), small_model()
    fit(model, verbose=1)
    fit(plain)
    assert weights(model) == weights(plain)


def test_a_training_that_leads_nowhere_is_told_here_too(display, capsys):
    class Spoil(Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.set_weights([w * -30 for w in self.model.get_weights()])

    fit(small_model(), verbose=1, optimizer=nn.SGD(1e-9), callbacks=[Spoil()])
    assert "nncore: warning: training led nowhere" in capsys.readouterr().err


def test_values_that_are_not_finite_and_a_single_epoch():
    nan = float("nan")
    html = training_cell("words", 0.5, {"Loss": {"training": [nan]}}, ("epoch",), [("1",)])
    assert "<svg" not in html
    Checked(html)
    html = training_cell("words", 1.0, {"Loss": {"training": [1.0]}}, ("epoch",), [("1",)])
    assert "<circle" in html
    Checked(html)


def test_a_long_table_keeps_its_end_and_the_best_row():
    rows = [(f"{epoch}",) for epoch in range(1, 101)]
    html = training_cell("words", 1.0, {}, ("epoch",), rows, best=11)
    assert Checked(html).cells == ["12", " best", *(f"{epoch}" for epoch in range(93, 101))]


def test_many_epochs_are_thinned_and_the_last_one_stays():
    values = [float(epoch) for epoch in range(10_000)]
    html = training_cell("words", 1.0, {"Loss": {"training": values}}, (), ())
    points = re.search(r'points="([^"]+)"', html)[1].split()
    assert len(points) <= 262
    assert points[0] == "48.0,88.0"
    assert points[-1] == "256.0,8.0"
