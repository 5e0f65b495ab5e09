"""What was probably meant by a word that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"; did you mean --epochs?"``, or nothing where no word is near.

    A flag is near by its spelling (``--epoks``), as a part (``--accuracy`` of ``--min-accuracy``)
    or as the first letters of its parts (``--lr`` of ``--learning-rate``).
    """
    words = sorted(set(known))
    bare = word.lstrip("-")
    near = [one for one in words if bare and bare == _initials(one)]
    near += [one for one in words if len(bare) > 2 and bare in one.lstrip("-").split("-")]
    near += difflib.get_close_matches(word, words, 3, 0.7)
    unique = list(dict.fromkeys(near))[:3]
    return f"; did you mean {' or '.join(unique)}?" if unique else ""


def _initials(flag: str) -> str:
    parts = flag.lstrip("-").split("-")
    return "".join(part[:1] for part in parts) if len(parts) > 1 else ""
