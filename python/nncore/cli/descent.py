"""The lesson's picture of gradient descent on one weight."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def draw_descent(path: str, settings: Mapping[str, Any]) -> Path:
    """Draw it to `path`; `settings` are arguments of `nncore.plots.gradient_descent`."""
    from nncore import plots

    plots.gradient_descent(path=path, **settings)
    return Path(path)
