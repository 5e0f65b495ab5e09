"""What Python and other packages say reaches the user as a line of nncore's own, once."""

from __future__ import annotations

import logging
import shutil
import warnings

import pytest

from nncore.cli import foreign_words
from nncore.cli.output import Output
from nncore.plots import _fonts


def chatter() -> None:
    for _ in range(3):
        warnings.warn("two\nlines", UserWarning, stacklevel=1)
        logging.getLogger("some.package").warning("log %d", 7)
    logging.getLogger("some.package").info("not worth a word")


def test_lines_are_framed_and_said_once(capsys):
    with foreign_words.framed(Output()):
        chatter()
    assert capsys.readouterr().err == "nncore: warning: two lines\nnncore: warning: log 7\n"


def test_quiet_is_quiet_except_for_what_nncore_says(capsys, monkeypatch):
    with foreign_words.framed(Output(quiet=True)):
        chatter()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(foreign_words, "_OWN", __file__.rpartition("/")[0])
    with foreign_words.framed(Output(quiet=True)):
        chatter()
    assert capsys.readouterr().err == "nncore: warning: two lines\n"


def test_everything_is_as_before_afterwards():
    handlers, show = list(logging.getLogger().handlers), warnings.showwarning
    with pytest.raises(ZeroDivisionError), foreign_words.framed(Output()):
        raise ZeroDivisionError
    assert logging.getLogger().handlers == handlers
    assert warnings.showwarning is show


def test_one_line_for_all_letters_that_are_missing(call, run, new_pictures, tmp_path, monkeypatch):
    family = {letter: "DejaVu Sans" for letter in "äö"}
    monkeypatch.setattr(_fonts, "_family", family.get)
    _fonts._told.clear()
    for old, new in (("lying", "ไทย"), ("standing", "猫"), ("nothing", "ä")):
        shutil.copytree(new_pictures / old, tmp_path / "data" / new)
    called = call("check", tmp_path / "data", "--sheet", tmp_path / "s.png")
    (line,) = called.err.splitlines()
    assert line.startswith("nncore: warning: no installed font has the letter")
    _fonts._told.clear()
    assert call("check", tmp_path / "data", "--sheet", tmp_path / "s.png", "--quiet").err == ""
