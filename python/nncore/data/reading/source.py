"""Which files are read together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter

from nncore.data.digests import DIGEST_SIZE


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
