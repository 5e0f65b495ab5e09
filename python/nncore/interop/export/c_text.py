"""Text that is safe inside C: names, strings, comments and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nncore.errors import ExportError

_LONGEST = 4095  # characters that every C99 compiler takes in one string
# Letters that mean themselves in a string; "?" would make trigraphs.
_PLAIN = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !#$%&'()*+,-./:;<=>@[]^_`{|}~"
)
_PER_LINE = 8


def identifier(stem: str) -> str:
    """What the functions of a file NAME.c begin with.

    Raises
    ------
    ValueError
        The name cannot become a word of C.
    """
    name = re.sub(r"[-. ]", "_", stem)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(
            f"{stem}.c: functions are named after the file, so its name must begin with a letter "
            "and hold nothing but ASCII letters, digits and - . _: for example net.c"
        )
    return name


def string(text: str) -> str:
    """A string literal of the text in UTF-8: whatever is in it, it ends where it should.

    Raises
    ------
    ExportError
        It is longer than C's strings may be.
    """
    data = text.encode("utf-8", "surrogateescape")
    if len(data) > _LONGEST:
        raise ExportError(
            f"the class name {text[:20]!r}... has {len(data):,} bytes, and a string of C99 no more "
            f"than {_LONGEST}"
        )
    # Octal escapes have at most three digits; hexadecimal ones would go on into what follows.
    return '"' + "".join(chr(b) if chr(b) in _PLAIN else f"\\{b:03o}" for b in data) + '"'


def comment(text: str) -> str:
    """`text` for the inside of a comment, with nothing in it that could end or continue one."""
    return re.sub(r"[^A-Za-z0-9 _.,:()+-]", "_", text)


def number(value: float) -> str:
    """A literal of just this float32."""
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def array(name: str, values: NDArray[np.float32]) -> Iterator[str]:
    """The lines of a constant array."""
    numbers: Sequence[float] = values.ravel().tolist()
    yield f"static const float {name}[{len(numbers)}] = {{"
    for start in range(0, len(numbers), _PER_LINE):
        yield "    " + " ".join(f"{number(v)}," for v in numbers[start : start + _PER_LINE])
    yield "};"
