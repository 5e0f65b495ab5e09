"""Names, paths and messages as a page can show them.

They come from file names and other people's tables, so they may hold anything: markup, quotes, line
ends, letters that turn the direction of what follows, bytes that are no text. Markup is what Jinja2
escapes (`page`); this is about all else.
"""

from __future__ import annotations

import re

from nncore.files.file_names import joined_bytes

# Zero width joiner and non-joiner: emoji and words in Persian and Hindi are made with them.
_NEEDED = frozenset("\u200c\u200d")
_ELLIPSIS = "…"
# What JSON may hold, and no file name: halves of letters that are no bytes.
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def shown(text: str) -> str:
    """`text` on one line, what cannot be seen or is no text as escapes: ``\\n``, ``\\u202e``.

    Bytes of a file name that together are letters become these letters. The result can be encoded
    as UTF-8.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in _NEEDED else _escape(letter)
        for letter in joined_bytes(_LONE.sub(lambda found: _escape(found[0]), text))
    )


def shortened(text: str, most: int = 40) -> str:
    """`text` without its middle if it is longer than `most` letters.

    The middle, since names of one data set often share their beginning and differ at the end.
    """
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return text[: most - 1 - tail] + _ELLIPSIS + text[len(text) - tail :]


def _escape(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # a byte of a name that is not UTF-8
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode("ascii")
