"""Look at a folder of images before training on it: classes, counts, sizes, colours, duplicates,
and every file that would be left out, with the reason. Ends with exit code 3 if `nncore train`
would refuse the folder."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nncore.cli.failures import BAD_DATA, DONE
from nncore.cli.inputs import load_labelled
from nncore.cli.options import add_max_broken, add_max_pixels
from nncore.cli.output import (
    Output,
    count,
    printable,
    skipped_json,
    skipped_lines,
    table,
    write_error,
)

if TYPE_CHECKING:
    from nncore.data import ImageDataset

HELP = "look at a folder of images before training"
_MOST_SIZES = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        metavar="FOLDER|CSV",
        help="folder with one sub-folder per class, or table with the columns path and label",
    )
    add_max_broken(parser)
    add_max_pixels(parser)


def run(args: argparse.Namespace, out: Output) -> int:
    # Everything is read, however bad, and judged afterwards: a check that stops at the first
    # fault would have to be called once per fault.
    data = load_labelled(
        args.data, out, max_broken=1.0, max_pixels=args.max_pixels, allow_missing_classes=True
    )
    problems = _problems(args.data, data, args.max_broken)
    facts = _facts(data)
    out.result(_text(args.data, data, facts), facts | {"problems": problems})
    for problem in problems:
        write_error(problem)
    return BAD_DATA if problems else DONE


def _problems(source: str, data: ImageDataset, max_broken: float) -> list[str]:
    """Why training would refuse these images."""
    from nncore.data.loading import check_broken
    from nncore.errors import DataError

    problems = []
    try:
        check_broken(source, len(data), data.skipped, max_broken)
    except DataError as error:
        problems.append(str(error))
    empty = [name for name, images in data.counts.items() if images == 0]
    if empty:
        named = ", ".join(map(repr, empty[:20])) + (" and more" if len(empty) > 20 else "")
        problems.append(
            f"{source}: no usable image in class {named}; add images or remove the class"
        )
    return problems


def _facts(data: ImageDataset) -> dict[str, Any]:
    from nncore.data.facts import image_facts

    headers = [image_facts(path) for path in data.paths]
    copies, conflicts = _duplicates(data)
    return {
        "images": len(data),
        "classes": list(data.classes.names),
        "counts": data.counts,
        "size": [data.preprocessing.height, data.preprocessing.width],
        "color": data.preprocessing.color,
        "sizes": _tally(f"{header.height}x{header.width}" for header in headers),
        "modes": _tally(header.mode for header in headers),
        "formats": _tally(header.format for header in headers),
        "duplicates": copies,
        "duplicates_across_classes": conflicts,
        "skipped": skipped_json(data.skipped),
    }


def _tally(values: Any) -> dict[str, int]:
    """How often each value occurs, the most frequent first."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _duplicates(data: ImageDataset) -> tuple[int, int]:
    """Images whose pixels, at the model's size, an earlier one has; and how many different
    pictures stand in more than one class."""
    import hashlib

    classes_of: dict[bytes, set[int]] = {}
    for image, label in zip(data.images, data.labels.tolist(), strict=True):
        key = hashlib.blake2b(image, digest_size=16).digest()
        classes_of.setdefault(key, set()).add(label)
    shared = sum(1 for labels in classes_of.values() if len(labels) > 1)
    return len(data) - len(classes_of), shared


def _text(source: str, data: ImageDataset, facts: Mapping[str, Any]) -> str:
    height, width = facts["size"]
    lines = [
        f"{printable(source)}: {count(len(data), 'image')} in {count(len(data.counts), 'class')}"
    ]
    lines += count_lines(data)
    lines += [
        f"sizes       {_listed(facts['sizes'])} (height x width)",
        f"modes       {_listed(facts['modes'])}",
        f"formats     {_listed(facts['formats'])}",
        f"duplicates  {_duplicate_words(facts)}",
        f"train reads them as {height}x{width} {facts['color']} (--size, --color)",
    ]
    return "\n".join(lines + (skipped_lines(data.skipped) or ["skipped no file"]))


def count_lines(data: ImageDataset) -> list[str]:
    """A table of the classes with their numbers of images."""
    rows = [("class", "images")]
    rows += [(printable(name), f"{images:,}") for name, images in data.counts.items()]
    return [table(rows)]


def _listed(tally: Mapping[str, int]) -> str:
    shown = ", ".join(
        f"{value} ({images:,})" for value, images in list(tally.items())[:_MOST_SIZES]
    )
    return shown + (f" and {len(tally) - _MOST_SIZES} more" if len(tally) > _MOST_SIZES else "")


def _duplicate_words(facts: Mapping[str, Any]) -> str:
    if not facts["duplicates"]:
        return "none"
    words = count(facts["duplicates"], "image") + " with the same pixels as an earlier one"
    across = facts["duplicates_across_classes"]
    if across:
        words += (
            f"; {count(across, 'picture')} stand in more than one class, which is contradictory"
        )
    return words
