"""What was probably meant by a word that does not exist."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable

from nncore import arguments
from nncore.cli.quoting import quoted


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
    return arguments.did_you_mean(unique)


def forgotten_model(given: str, command: str) -> str | None:
    """What to tell where the only word of a command stands in the place of its model, and is none;
    None where it may be one."""
    from nncore.cli.inputs import BEST

    if os.path.isdir(given):
        is_one = os.path.exists(os.path.join(given, BEST))
    else:
        ending = os.path.splitext(given)[1].lower()
        is_one = ending == ".safetensors" or not (ending or os.path.exists(given))
    if is_one:
        return None
    return (
        f"MODEL is missing: {given} was taken for it; say first which model, a .safetensors file "
        f"or the folder of a run: {command} runs/run-1 {quoted(given)}"
    )


def hundredth(value: float) -> str:
    """``"; did you mean 0.15?"`` of a part of 1 that was given in percent, as 15."""
    return arguments.did_you_mean([f"{value / 100:g}"] if 1 < value < 100 else [])


def _initials(flag: str) -> str:
    parts = flag.lstrip("-").split("-")
    return "".join(part[:1] for part in parts) if len(parts) > 1 else ""
