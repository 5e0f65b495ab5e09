"""Modules of nncore that see the `os` of Windows: its paths, its name, and nothing else of it."""

from __future__ import annotations

import ntpath
import os
import types
from typing import Any


def windows_os(**others: Any) -> types.SimpleNamespace:
    """What to put in the place of a module's `os`; its paths are those of Windows."""
    kept = {name: getattr(os, name) for name in dir(os) if not name.startswith("_")}
    return types.SimpleNamespace(**{**kept, "name": "nt", "path": ntpath, "sep": "\\", **others})
