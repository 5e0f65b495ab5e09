"""The page itself: a template of the report, with the script that fills it."""

from __future__ import annotations

import functools

from nncore.report.page import render


@functools.cache
def live_page() -> bytes:
    """The HTML; what is trained comes later, by events."""
    text = render(
        "live.html",
        {},
        title="Training",
        styles=["live.css"],
        scripts=["live_chart.js", "live.js"],
        connects=True,
    )
    return text.encode()
