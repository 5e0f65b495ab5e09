"""A training as HTML for a notebook's cell: a bar, two small charts and a table of epochs.

Everything is in `style` and SVG attributes and in the colours of the text around it, so that it
looks right by day and by night in Jupyter, VS Code and Colab, which all keep other styles out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT = 260, 110
_MOST_ROWS = 8
# More points than this cannot be told apart at this width.
_MOST_POINTS = 260
# Both can be told from white and from black, and from each other by all.
_COLORS = {"training": "#2B8CD6", "validation": "#E07020"}
_CELL = "padding:1px 10px;text-align:right;font-variant-numeric:tabular-nums"

Curves = Mapping[str, Sequence[float]]


def training_cell(
    status: str,
    share: float,
    curves: Mapping[str, Curves],
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    best: int | None = None,
) -> str:
    """HTML of a training as far as it is.

    Parameters
    ----------
    status
        In words; may not hold markup, as all other words.
    share
        How much of it is done, 0 to 1.
    curves
        By the name of the chart the values of each epoch by "training" and "validation".
    header, rows
        The table; of the rows the last 8 are shown, and the best one.
    best
        Index of a row that stands out.
    """
    charts = "".join(_chart(name, lines) for name, lines in curves.items())
    return (
        '<div style="font-size:13px;line-height:1.5;max-width:640px">'
        f"<div>{status}</div>"
        '<div style="height:6px;border-radius:3px;background:#8884;margin:4px 0 8px">'
        f'<div style="height:6px;border-radius:3px;width:{100 * share:.1f}%;'
        f'background:{_COLORS["training"]}"></div></div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:8px 24px">{charts}</div>'
        f"{_table(header, rows, best)}</div>"
    )


def _chart(name: str, lines: Curves) -> str:
    """Lines over epochs, with the lowest and the highest value and the first and the last epoch."""
    finite = [value for values in lines.values() for value in values if math.isfinite(value)]
    epochs = max((len(values) for values in lines.values()), default=0)
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    paths = "".join(_line(kind, values, epochs, low, high) for kind, values in lines.items())
    keys = " ".join(
        f'<span style="color:{_COLORS[kind]}">{"╌" if kind == "validation" else "─"}</span> {kind}'
        for kind in lines
    )
    # Lines have the places 48 to 256 by 8 to 88.
    return (
        f'<div><div><b>{name}</b> <span style="opacity:.75">{keys}</span></div>'
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{name} of {epochs} epochs, from {low:.4g} to {high:.4g}" '
        'font-size="11" fill="currentColor">'
        '<path d="M44 4V92H258" fill="none" stroke="currentColor" stroke-opacity=".4"/>'
        f'<text x="40" y="12" text-anchor="end">{high:.3g}</text>'
        f'<text x="40" y="92" text-anchor="end">{low:.3g}</text>'
        f'<text x="48" y="106">1</text><text x="256" y="106" text-anchor="end">{epochs}</text>'
        f"{paths}</svg></div>"
    )


def _line(kind: str, values: Sequence[float], epochs: int, low: float, high: float) -> str:
    every = math.ceil(len(values) / _MOST_POINTS)
    kept = [*range(0, len(values), every)]
    if kept and kept[-1] != len(values) - 1:
        kept.append(len(values) - 1)
    points = [
        f"{48 + 208 * at / max(epochs - 1, 1):.1f},"
        f"{88 - 80 * (values[at] - low) / ((high - low) or 1):.1f}"
        for at in kept
        if math.isfinite(values[at])
    ]
    dashes = ' stroke-dasharray="5 3"' if kind == "validation" else ""
    if len(points) == 1:
        x, y = points[0].split(",")
        return f'<circle cx="{x}" cy="{y}" r="2.5" fill="{_COLORS[kind]}"/>'
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{_COLORS[kind]}" '
        f'stroke-width="1.8"{dashes}/>'
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], best: int | None) -> str:
    if not rows:
        return ""
    kept = {*range(max(0, len(rows) - _MOST_ROWS), len(rows)), *([] if best is None else [best])}
    titles = "".join(f'<th style="{_CELL};opacity:.75">{name}</th>' for name in header)
    lines = []
    for at in sorted(kept):
        weight = ";font-weight:bold" if at == best else ""
        note = " best" if at == best else ""
        cells = "".join(f'<td style="{_CELL}{weight}">{cell}</td>' for cell in rows[at])
        lines.append(f'<tr>{cells}<td style="padding:1px 4px">{note}</td></tr>')
    return (
        '<table style="border-collapse:collapse;margin:8px 0 0;font-size:13px">'
        f"<thead><tr>{titles}<th></th></tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )
