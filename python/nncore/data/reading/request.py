"""Which files are read, and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat
from operator import itemgetter
from typing import Any

from nncore.arguments import check_int
from nncore.data.digests import DIGEST_SIZE
from nncore.data.preprocessing import COLORS, MAX_SIDE, Preprocessing


@dataclass(frozen=True)
class Request:
    """How files are to be read: None for what they decide themselves."""

    size: tuple[int, int] | None
    color: str | None
    alpha_background: tuple[int, int, int]
    max_pixels: int

    def admits(self, made: dict[str, Any], preprocessing: Preprocessing) -> bool:
        """Whether what another request gave is what this one would give."""
        asked = json.loads(json.dumps(asdict(self)))
        size, color = made["size"], made["color"]
        # What was left open and came out as asked for now has the same pixels.
        if self.size is not None and size is None:
            size = [preprocessing.height, preprocessing.width]
        if self.color is not None and color is None:
            color = preprocessing.color
        return bool({**made, "size": size, "color": color} == asked)


@dataclass(frozen=True)
class Source:
    """Files that are read together: a folder or a table (`name`), and what their paths begin with
    (`base`), which may be spelled differently the next time."""

    name: str
    base: str
    paths: Sequence[str]

    def names_digest(self) -> str:
        """BLAKE2b-128 of all names, relative to `base`, as hexadecimal digits."""
        cut = len(self.base)
        names: Iterable[str] = self.paths
        if all(map(str.startswith, names, repeat(self.base))):
            names = map(itemgetter(slice(cut, None)), names)  # thousands in a millisecond
        else:
            names = [path[cut:] if path.startswith(self.base) else path for path in names]
        joined = "\0".join(names).encode("utf-8", "surrogateescape")  # no name holds a 0
        return hashlib.blake2b(joined, digest_size=DIGEST_SIZE).hexdigest()


def check_size(size: Any) -> tuple[int, int] | None:
    """`size` argument as (height, width); None stays None (automatic)."""
    if size is None:
        return None
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2:
        raise ValueError(f"size must be an integer or (height, width), not {size!r}")
    return check_int("size", sides[0], 1, MAX_SIDE), check_int("size", sides[1], 1, MAX_SIDE)


def check_color(color: Any) -> str | None:
    """`color` argument; None stays None (automatic)."""
    if color is not None and color not in COLORS:
        raise ValueError(f"color is {color!r}; known: {', '.join(COLORS)}, or None for automatic")
    return None if color is None else str(color)


def check_max_broken(max_broken: Any) -> float:
    """`max_broken` argument, a fraction."""
    if isinstance(max_broken, bool) or not isinstance(max_broken, (int, float)):
        raise TypeError(f"max_broken must be a number, not {max_broken!r}")
    if not 0 <= max_broken <= 1:
        raise ValueError(f"max_broken must be within 0..1, not {max_broken}")
    return float(max_broken)
