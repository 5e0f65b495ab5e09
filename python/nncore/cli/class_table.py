"""The table of classes with their numbers of images."""

from __future__ import annotations

from collections.abc import Mapping

from nncore.cli.output import printable, table

_MOST_CLASSES = 50


def count_lines(counts: Mapping[str, int], parts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A table of the classes with their numbers of images, in all and in each part of a split."""
    rows = [("class", "images", *parts)]
    for name, images in counts.items():
        numbers = (images, *(part[name] for part in parts.values()))
        rows.append((printable(name), *(f"{number:,}" for number in numbers)))
    lines = table(rows[: _MOST_CLASSES + 1]).split("\n")
    if len(counts) > _MOST_CLASSES:
        smallest = sorted(counts.items(), key=lambda item: item[1])[:3]
        named = ", ".join(f"{printable(name)} ({n:,})" for name, n in smallest)
        lines.append(f"  and {len(counts) - _MOST_CLASSES:,} more; the smallest: {named}")
    return lines
