"""Names in letters that Matplotlib's own font lacks: another font is taken, or else code points;
in either case without a word of Matplotlib's (any warning is an error here)."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from matplotlib import font_manager

from nncore import plots
from nncore.plots import _fonts
from nncore.training.answers.report import Mistake

OTHERS = ["ไทย", "ኢትዮጵያ", "हिन्दी", "𠀀𠀁", "한국", "🦑 squid", "猫"]


def file_of(family: str) -> str:
    return font_manager.findfont(family, fallback_to_default=False)


@pytest.fixture
def only(monkeypatch):
    """A machine with these fonts and no others."""

    def install(*families: str) -> None:
        fonts = {family: file_of(family) for family in families}
        monkeypatch.setattr(_fonts, "_fonts", lambda: fonts)
        _fonts._family.cache_clear()
        _fonts._told.clear()

    yield install
    _fonts._family.cache_clear()


@pytest.fixture
def strange() -> str:
    """A letter that STIXGeneral has and DejaVu Sans lacks."""
    letters = _fonts._letters(file_of("STIXGeneral")) - _fonts._letters(file_of("DejaVu Sans"))
    return next(chr(code) for code in sorted(letters) if code > 127 and chr(code).isprintable())


@pytest.mark.parametrize("name", OTHERS)
def test_code_points_where_no_font_has_a_letter(only, caplog, tmp_path, name):
    only("DejaVu Sans")
    figure = plots.confusion_matrix(np.eye(2, dtype=int), [name, "cat"], tmp_path / "c.png")
    first = figure.axes[0].get_yticklabels()[0].get_text()
    assert first.replace("…", "").isascii()
    assert f"{ord(name[0]):04X}" in first
    pictures = np.zeros((2, 4, 4), np.uint8)
    wrong = [Mistake(f"{name}.png", number, name, "cat", 0.9, 0.1) for number in range(2)]
    plots.mistakes(pictures, wrong, tmp_path / "m.png")
    plots.contact_sheet({name: [pictures[0, :, :, None]]}, tmp_path / "s.png")
    (told,) = caplog.messages
    assert told.startswith("no installed font has the letter ")


def test_letters_of_a_run_share_their_brackets(only):
    only("DejaVu Sans")
    assert _fonts.drawable("猫犬 und 魚 ä") == "[732B 72AC] und [9B5A] ä"
    assert _fonts.drawable("plain") == "plain"


def test_another_font_that_has_the_letter_is_taken(only, caplog, strange, tmp_path):
    only("DejaVu Sans", "STIXGeneral")
    figure = plots.confusion_matrix(np.eye(2, dtype=int), [strange, "b"], tmp_path / "c.png")
    label = figure.axes[0].get_yticklabels()[0]
    assert label.get_text() == strange
    assert label.get_fontfamily() == ["DejaVu Sans", "STIXGeneral"]
    assert caplog.messages == []


def test_fonts_are_asked_for_only_if_needed(only):
    only("DejaVu Sans", "STIXGeneral")
    assert _fonts.families_for(["plain", "Grün"]) == ["DejaVu Sans"]


def test_boxes_for_everything_are_no_letters():
    assert not any("Last Resort" in family for family in _fonts._fonts())


def test_what_matplotlib_says_of_fonts_is_heard_again_afterwards():
    log = logging.getLogger("matplotlib.font_manager")
    before = log.level
    with _fonts.matplotlib_is_quiet():
        assert not log.isEnabledFor(logging.WARNING)
    assert log.level == before
