"""What the core was built with, besides what it always needs."""

from __future__ import annotations

from functools import lru_cache


@lru_cache
def built_with(library: str) -> bool:
    """Whether the core has "zlib" or "libjpeg", which it reads PNG and JPEG files by."""
    from nncore import _core

    return _core.info()[library] is not None
