"""What holds for every plot: files, equal bytes, and the user's settings left alone."""

from __future__ import annotations

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from nncore import plots
from nncore.errors import MissingExtraError
from nncore.training.answers.report import Mistake
from nncore.training.history import History


def history() -> History:
    result = History("mse", 3)
    result.append_epoch(0.5, 0.5, 0.6, 0.4, iteration_loss=[0.6, 0.5, 0.4])
    result.append_epoch(0.3, 0.6, 0.5, 0.5, iteration_loss=[0.4, 0.3, 0.2])
    return result


IMAGES = np.random.default_rng(0).integers(0, 256, (2, 5, 5), dtype=np.uint8)
EVERY = {
    "curves": lambda path: plots.curves(history(), path),
    "iteration_loss": lambda path: plots.iteration_loss(history(), path),
    "confusion_matrix": lambda path: plots.confusion_matrix([[3, 1], [0, 2]], ["a", "b"], path),
    "mistakes": lambda path: plots.mistakes(IMAGES, [Mistake(None, 1, "a", "b", 0.9, 0.1)], path),
    "no mistakes": lambda path: plots.mistakes(IMAGES, [], path),
    "heat_maps": lambda path: plots.heat_maps(IMAGES, IMAGES / 255, path, titles=["a", "b"]),
    "gradient_descent": lambda path: plots.gradient_descent(steps=3, path=path).figure,
}
every_plot = pytest.mark.parametrize("draw", EVERY.values(), ids=EVERY.keys())


@every_plot
def test_equal_plots_have_equal_bytes_whatever_the_users_style(draw, tmp_path) -> None:
    figure = draw(tmp_path / "first.png")
    assert isinstance(figure, Figure)
    with matplotlib.rc_context({"figure.facecolor": "red", "font.size": 30, "axes.grid": False}):
        before = dict(matplotlib.rcParams)
        draw(tmp_path / "second.png")
        assert dict(matplotlib.rcParams) == before
    first = (tmp_path / "first.png").read_bytes()
    assert first == (tmp_path / "second.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert b"Matplotlib" not in first
    assert sorted(os.listdir(tmp_path)) == ["first.png", "second.png"]


@pytest.mark.parametrize(("extension", "start"), [("svg", b"<?xml"), ("PDF", b"%PDF")])
def test_other_formats_have_equal_bytes_too(tmp_path, extension: str, start: bytes) -> None:
    for name in ("first", "second"):
        plots.curves(history(), tmp_path / f"{name}.{extension}")
    first = (tmp_path / f"first.{extension}").read_bytes()
    assert first.startswith(start)
    assert first == (tmp_path / f"second.{extension}").read_bytes()
    assert b"CreationDate" not in first
    assert b"<dc:date>" not in first


def test_without_a_path_nothing_is_written(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for draw in EVERY.values():
        draw(None)
    assert os.listdir(tmp_path) == []


@every_plot
@pytest.mark.parametrize("name", ["plot.bmp", "plot", ".png"])
def test_an_unknown_extension_is_refused(draw, tmp_path, name: str) -> None:
    with pytest.raises(ValueError, match=r"must end in \.png, \.svg, \.pdf"):
        draw(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_an_old_picture_survives_a_failed_write(tmp_path, monkeypatch) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        plots.curves(history(), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["plot.png"]


def test_a_missing_folder_is_an_os_error(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        plots.curves(history(), tmp_path / "none" / "plot.png")


def test_a_missing_matplotlib_is_explained(monkeypatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match="pip install matplotlib"):
        plots.curves(history())


def test_pyplot_is_never_imported_and_matplotlib_only_to_draw() -> None:
    script = """
import sys
from nncore import plots
assert "matplotlib" not in sys.modules, "too early"
plots.confusion_matrix([[1, 0], [0, 1]], ["a", "b"])
plots.gradient_descent(steps=1)
assert "matplotlib" in sys.modules
assert "matplotlib.pyplot" not in sys.modules, "pyplot"
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
