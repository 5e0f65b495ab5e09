"""Which installed fonts have the letters of names; and what is drawn where none has them."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache

BASE = "DejaVu Sans"  # Matplotlib's own, so that it is there everywhere
# Asked first for what Matplotlib's own font lacks, above all Chinese, Japanese and Korean.
_PREFERRED = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
)
# Boxes for every letter; and pictures instead of outlines, which Matplotlib cannot draw.
_USELESS = ("Last Resort", "Color Emoji", "STIXSize", "STIXNon", "cm")
_MOST_FONTS = 400  # to open in the search for a letter: some machines have thousands

_log = logging.getLogger("nncore.plots")
_told: set[str] = set()


def families_for(texts: Iterable[str]) -> list[str]:
    """The fonts that these texts need, Matplotlib's own first."""
    letters = {letter for text in texts for letter in text if not letter.isascii()}
    found = {family for letter in letters if (family := _family(letter)) is not None}
    return [BASE, *sorted(found - {BASE})]


@contextlib.contextmanager
def matplotlib_is_quiet() -> Iterator[None]:
    """Within it Matplotlib says nothing of fonts: what a person can do about them is said here."""
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            yield
    finally:
        log.setLevel(level)


def drawable(text: str) -> str:
    """`text`, its letters that no installed font has as their code points: ``[732B 72AC]``."""
    if text.isascii():
        return text
    parts: list[str] = []
    missing: list[str] = []
    for letter in [*text, ""]:
        if letter and _family(letter) is None:
            missing.append(letter)
            continue
        if missing:
            parts.append(f"[{' '.join(f'{ord(one):04X}' for one in missing)}]")
            _tell(missing)
            missing = []
        parts.append(letter)
    return "".join(parts)


def _tell(letters: list[str]) -> None:
    """Once per process: a chart has many names."""
    if not _told:
        _log.warning(
            "no installed font has the letter %s of a name, so its code point is drawn, as of all "
            "such letters; install a font that has them, such as Noto Sans CJK for Chinese, "
            "Japanese and Korean",
            letters[0],
        )
    _told.update(letters)


@lru_cache(maxsize=1 << 16)
def _family(letter: str) -> str | None:
    """The name of a font that has the letter; None where no installed one has."""
    return next((name for name, path in _fonts().items() if ord(letter) in _letters(path)), None)


@lru_cache(maxsize=1)
def _fonts() -> dict[str, str]:
    """File by name, in the order in which they are asked."""
    from matplotlib import font_manager

    upright = [
        entry
        for entry in font_manager.fontManager.ttflist
        if entry.style == "normal" and not any(map(entry.name.startswith, _USELESS))
        if "Color Emoji" not in entry.name
    ]
    order = {name: place for place, name in enumerate((BASE, *_PREFERRED))}
    upright.sort(
        key=lambda entry: (
            order.get(entry.name, len(order)),
            not entry.name.startswith("Noto"),
            entry.name,
            entry.fname,
        )
    )
    files: dict[str, str] = {}
    for entry in upright:
        files.setdefault(entry.name, entry.fname)
    return dict(list(files.items())[:_MOST_FONTS])


@cache
def _letters(path: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError, ValueError):  # a file that is damaged, or no font any more
        return frozenset()
