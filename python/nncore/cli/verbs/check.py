"""Look at a folder of images before training on it: classes, counts, sizes, colours, duplicates,
and every file that would be left out, with the reason. Ends with exit code 3 if `nncore train`
would refuse the folder."""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nncore.cli.class_table import count_lines
from nncore.cli.failures import BAD_DATA, DONE
from nncore.cli.flags import reading, values
from nncore.cli.inputs import load_labelled
from nncore.cli.models import Network
from nncore.cli.output import (
    Output,
    capped,
    count,
    listed,
    printable,
    skipped_json,
    skipped_lines,
    write_error,
)
from nncore.cli.parts import val_fraction
from nncore.cli.photos import Seen, look
from nncore.errors import DataError

if TYPE_CHECKING:
    from nncore.data import ImageDataset, Reading
    from nncore.data.duplicates import Duplicates
    from nncore.data.pictures.facts import ImageFacts

HELP = "look at a folder of images before training"
EXAMPLES = (
    ("nncore check photos/", "classes, counts, duplicates, unusable files"),
    ("nncore check photos/ --sheet sheet.png", "and pictures of each class, as a model gets them"),
)
_MOST_SIZES = 8
_MOST_NAMED = 5
_UNEQUAL = 10  # a class this many times as frequent as another is worth a word
_TIMED_IMAGES = 512  # enough steps to time, few enough to take no time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        type=values.path,
        metavar="FOLDER|CSV",
        help="folder with one sub-folder per class (also one with such folders in train, val and "
        "test), or table with the columns path and label, and perhaps split and group",
    )
    parser.add_argument(
        "--sheet",
        type=values.path,
        metavar="FILE",
        help="draw some images of every class, and the duplicates, to this .png, .svg or .pdf",
    )
    reading.add_layout(parser)
    reading.add_fit(parser)
    reading.add_max_broken(parser)
    reading.add_max_pixels(parser)
    reading.add_cache(parser)


@dataclass(frozen=True)
class Settings:
    """What is looked at, and where the contact sheet is drawn, if one is asked for."""

    source: str
    reading: Reading
    sheet: str | None
    seed: int


def settings(args: argparse.Namespace) -> Settings:
    return Settings(args.data, reading.reading_of(args), args.sheet, args.seed)


def run(settings: Settings, out: Output) -> int:
    from nncore.data.duplicates import find_duplicates

    if settings.sheet is not None:
        from nncore.cli.sheet import check_path

        check_path(settings.sheet)
    # Everything is read, however bad, and judged afterwards: a check that stops at the first
    # fault would have to be called once per fault.
    start = time.perf_counter()
    try:
        seen, reading = _as_trained(settings)
        backbone = seen.backbone
        everything = dataclasses.replace(reading, max_broken=1.0)
        data = load_labelled(
            settings.source, everything, out, allow_missing_classes=True, allow_empty=True
        )
    except DataError as error:
        if out.json:  # whoever reads it finds out why at the usual place
            nothing = {"images": 0, "classes": [], "counts": {}, "skipped": []}
            out.result("", nothing | {"problems": [str(error)]})
        raise
    seconds = time.perf_counter() - start
    duplicates = find_duplicates(data)
    problems, notes, split_notes, train = _judge(settings, data, duplicates, backbone)
    if seen.advice is not None:
        notes.append(seen.advice)
    facts = _facts(data, duplicates)
    facts["backbone"] = backbone
    epoch, facts["epochs"] = (None, None) if backbone else _training(train)
    facts["seconds"] = {"read": round(seconds, 3), "epoch": epoch}
    facts |= {"notes": [*notes, *split_notes], "problems": problems, "sheet": settings.sheet}
    if settings.sheet is not None:
        from nncore.cli.sheet import draw_sheet

        draw_sheet(data, duplicates, settings.sheet)
    # Of small classes there may be thousands, each with a note.
    shown = [*notes, *capped(split_notes)]
    out.result(_text(settings.source, data, facts, shown), facts)
    for problem in problems:
        write_error(problem)
    return BAD_DATA if problems else DONE


def _as_trained(settings: Settings) -> tuple[Seen, Reading]:
    """What `nncore train` would see in them, and how it would read them."""
    reading = settings.reading
    seen = look(settings.source, reading.layout)
    network = Network(backbone=seen.backbone)
    if network.size is None:
        return seen, reading
    fit = reading.fit or seen.fit
    return seen, dataclasses.replace(reading, size=network.size, color="rgb", fit=fit)


def _judge(
    settings: Settings,
    data: ImageDataset,
    duplicates: Sequence[Duplicates],
    backbone: str | None,
) -> tuple[list[str], list[str], list[str], ImageDataset]:
    """Why training would refuse these images; what else a person should know of them, and of their
    split; and which images would be trained on (all of them if it refuses the split)."""
    from nncore.data.labels.parts import TRAIN
    from nncore.data.labels.split import split_sides
    from nncore.data.reading.result import check_broken, no_usable

    problems, notes = [], []
    try:
        check_broken(settings.source, len(data), data.skipped, settings.reading.max_broken)
    except DataError as error:
        problems.append(str(error))
    counts = data.counts
    empty = [name for name, images in counts.items() if images == 0]
    if empty:
        skipped, folders = data.skipped, set(empty)
        if problems:  # which names them already
            skipped = []
        elif len(data):
            skipped = [file for file in skipped if folders.intersection(file.path.split(os.sep))]
        problems.append(no_usable(settings.source, [_named(empty)], skipped))
    single = [name for name, images in counts.items() if images == 1]
    if single:
        notes.append(
            f"only one image in class {_named(single)}: it can be learned or tested, not both"
        )
    used = {name: images for name, images in counts.items() if images}
    if used and max(used.values()) >= _UNEQUAL * min(used.values()):
        most, least = max(used, key=used.__getitem__), min(used, key=used.__getitem__)
        notes.append(
            f"class {most!r} has {used[most] / used[least]:.0f} times as many images as class "
            f"{least!r}: always answering the frequent classes may look like success"
        )
    across = sum(1 for same in duplicates if len(same.classes) > 1)
    if across:
        notes.append(
            f"{count(across, 'picture')} in more than one class: no network can learn both labels"
        )
    may_be_gray = backbone is None and data.preprocessing.color == "rgb"
    if may_be_gray and len(data) and _is_gray(data):
        notes.append(
            "every image is gray, though some are stored as colour: --color gray is faster"
        )
    keys = data.kept_together()
    try:
        val, names = val_fraction(len(data)), data.classes.names
        sides, split_notes = split_sides(
            keys, data.labels, names, val, 0.0, settings.seed, data.given_split
        )
    except DataError as error:
        problems.append(f"{settings.source}: {error}")
        train, split_notes = data, []
    else:
        train = data.subset((sides == TRAIN).nonzero()[0])
    if across:
        split_notes = [note for note in split_notes if "in more than one class" not in note]
    return problems, notes, split_notes, train


def _named(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:20])) + (" and more" if len(names) > 20 else "")


def _is_gray(data: ImageDataset) -> bool:
    images = data.images
    return bool((images[..., :1] == images[..., 1:]).all())


def _facts(data: ImageDataset, duplicates: Sequence[Duplicates]) -> dict[str, Any]:
    from nncore.data.pictures.facts import image_facts

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, as when the files were read
        headers = [image_facts(path) for path in data.paths]
    size, color = _reasons(data, headers)
    return {
        "images": len(data),
        "classes": list(data.classes.names),
        "counts": data.counts,
        "imbalance": _imbalance(data),
        "split": _split_counts(data, range(len(data))),
        "split_counts": {
            name: _split_counts(data, (data.labels == label).nonzero()[0].tolist())
            for label, name in enumerate(data.classes)
        }
        if data.given_split is not None
        else None,
        "groups": None if data.groups is None else len({g for g in data.groups if g}),
        "size": [data.preprocessing.height, data.preprocessing.width],
        "size_reason": size,
        "fit": data.preprocessing.fit,
        "color": data.preprocessing.color,
        "color_reason": color,
        "sizes": _tally(f"{header.height}x{header.width}" for header in headers),
        "modes": _tally(header.mode for header in headers),
        "formats": _tally(header.format for header in headers),
        "duplicates": sum(len(same.positions) - 1 for same in duplicates),
        "duplicates_across_classes": sum(1 for same in duplicates if len(same.classes) > 1),
        "duplicates_across_splits": sum(1 for same in duplicates if len(same.parts) > 1),
        "duplicate_sets": [
            {
                "paths": [data.paths[position] for position in same.positions],
                "classes": list(same.classes),
                "parts": list(same.parts),
            }
            for same in duplicates
        ],
        "memory_bytes": 2 * data.images.nbytes,  # whole, and in its parts
        "skipped": skipped_json(data.skipped),
    }


def _imbalance(data: ImageDataset) -> float | None:
    """How many times as frequent the largest class is as the smallest that has images."""
    used = [images for images in data.counts.values() if images]
    return round(max(used) / min(used), 2) if used else None


def _split_counts(data: ImageDataset, positions: Iterable[int]) -> dict[str, int] | None:
    from nncore.data.labels.parts import PARTS

    if data.given_split is None:
        return None
    tally = Counter(data.given_split[position] for position in positions)
    return {part: tally[part] for part in PARTS}


def _reasons(data: ImageDataset, headers: Sequence[ImageFacts]) -> tuple[str, str]:
    """Why these are the size and colour that nncore chooses."""
    from nncore.data.pictures.decode import AUTO_SIDE
    from nncore.data.pictures.pixels import is_gray

    sizes = {(header.height, header.width) for header in headers}
    chosen = (data.preprocessing.height, data.preprocessing.width)
    if sizes == {chosen}:
        size = "every image has this size"
    elif len(sizes) == 1:
        size = f"every image is larger; no more than {AUTO_SIDE}x{AUTO_SIDE} is chosen by itself"
    else:
        size = f"the images have {count(len(sizes), 'different size')}"
    colored = [i for i, header in enumerate(headers) if not is_gray(header.mode)]
    if not colored:
        return size, "every image is stored as gray"
    return size, f"{count(len(colored), 'image')} stored in colour, first {data.paths[colored[0]]}"


def _tally(values: Iterable[str]) -> dict[str, int]:
    """How often each value occurs, the most frequent first."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _training(train: ImageDataset) -> tuple[float | None, int | None]:
    """Seconds per epoch of what `nncore train` would do on this machine, from some steps of it, and
    how many epochs it would do."""
    if len(train) == 0:
        return None, None
    from nncore.training.model import Sequential
    from nncore.training.recipes.from_scratch import recipe

    chosen = recipe(train)
    sample = train.subset(range(min(len(train), _TIMED_IMAGES)))
    settings = chosen.fit_arguments() | {"epochs": 2, "class_weight": None, "callbacks": []}
    # In the first epoch memory is touched for the first time and threads wake up.
    history = Sequential(chosen.layers).fit(sample, verbose=0, **settings)
    seconds = round(min(history.seconds) * len(train) / len(sample), 4)
    return seconds, chosen.settings["epochs"]


def _text(source: str, data: ImageDataset, facts: Mapping[str, Any], notes: Sequence[str]) -> str:
    height, width = facts["size"]
    split = facts["split"]
    lines = [
        f"{printable(source)}: {count(len(data), 'image')} in {count(len(data.counts), 'class')}"
        + (f", {count(facts['groups'], 'group')}" if facts["groups"] else "")
    ]
    lines += count_lines(data.counts, _given_counts(data))
    if not len(data):
        return "\n".join(lines + _skipped_words(data))
    val = f"{100 * val_fraction(len(data)):.2g}%"
    made = f"none; train sets {val} of each class apart for validation (--val, --test)"
    parts = "" if split is None else ", ".join(f"{n:,} {part}" for part, n in split.items() if n)
    epoch = facts["seconds"]["epoch"]
    lines += [
        f"sizes       {_listed(facts['sizes'])} (height x width)",
        f"modes       {_listed(facts['modes'])}",
        f"formats     {_listed(facts['formats'])}",
        f"split       {f'comes with the data: {parts}' if split else made}",
        f"duplicates  {_duplicate_words(facts)}",
        *_duplicate_lines(facts),
        f"train reads them as {height}x{width} {facts['color']} (--size, --color):",
        f"  size      {_size_words(facts)}",
        *_fit_lines(facts),
        f"  colour    {printable(facts['color_reason'])}",
        f"  memory    about {_bytes(facts['memory_bytes'])} for the images",
        f"  time      {_seconds(facts['seconds']['read'])} to read them"
        + ("" if epoch is None else f", then {facts['epochs']} epochs of {_seconds(epoch)}"),
    ]
    lines += [f"note: {printable(note)}" for note in notes]
    if facts["sheet"] is not None:
        lines.append(f"pictures of every class: {printable(facts['sheet'])}")
    return "\n".join(lines + _skipped_words(data))


def _size_words(facts: Mapping[str, Any]) -> str:
    if facts["backbone"] is None:
        return str(facts["size_reason"])
    return f"what {facts['backbone']} takes, with which train begins on photos (--backbone)"


def _fit_lines(facts: Mapping[str, Any]) -> list[str]:
    """What becomes of pictures of another aspect ratio, if there are any."""
    height, width = facts["size"]
    sides = [(tuple(map(int, size.split("x"))), images) for size, images in facts["sizes"].items()]
    others = sum(images for (h, w), images in sides if h * width != w * height)
    if not others:
        return []
    done = {"stretch": "stretched", "crop": "cropped", "pad": "padded"}[facts["fit"]]
    return [f"  fit       {count(others, 'image')} of another aspect ratio: {done} (--fit)"]


def _skipped_words(data: ImageDataset) -> list[str]:
    own = [file.path for file in data.skipped if file.kind == "own"]
    rest = [file for file in data.skipped if file.kind != "own"]
    lines = []
    if own:
        lines.append(
            f"left out, since nncore wrote it: {listed(own, _MOST_NAMED, '--json has all')}"
        )
    if not rest:
        return [*lines, "skipped no file"]
    kinds = _tally(file.kind for file in rest)
    shown = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items())
    # What was meant to be an image first: a thousand hidden files must not push it off the list.
    order = {"broken": 0, "foreign": 1, "hidden": 2}
    first, *others = skipped_lines(sorted(rest, key=lambda file: order[file.kind]))
    return [*lines, f"{first.removesuffix(':')} ({shown}; --json lists all):", *others]


def _given_counts(data: ImageDataset) -> dict[str, dict[str, int]]:
    """By part of the split that came with the data, if one did, and by class."""
    from nncore.data.labels.parts import PARTS

    if data.given_split is None:
        return {}
    tally = Counter(zip(data.labels.tolist(), data.given_split, strict=True))
    return {
        part: {name: tally[label, part] for label, name in enumerate(data.classes.names)}
        for part in PARTS
    }


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
        words += f"; {count(across, 'picture')} in more than one class, which is contradictory"
    leaks = facts["duplicates_across_splits"]
    if leaks:
        words += f"; {count(leaks, 'picture')} in more than one part of the split"
    return words


def _duplicate_lines(facts: Mapping[str, Any]) -> list[str]:
    """Some sets, those first that do harm."""
    sets = sorted(
        facts["duplicate_sets"], key=lambda one: (-len(one["classes"]), -len(one["parts"]))
    )
    lines = []
    for one in sets[:_MOST_NAMED]:
        first, second, *others = map(printable, one["paths"])
        rest = f" and {len(others)} more" if others else ""
        lines.append(f"  {first} = {second}{rest}")
    if len(sets) > _MOST_NAMED:
        lines.append(f"  and {len(sets) - _MOST_NAMED:,} more sets (--json lists all)")
    return lines


def _bytes(number: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number = number // 1000
    return f"{number:,.0f} GB"


def _seconds(seconds: float) -> str:
    if seconds < 0.1:
        return f"{1000 * seconds:.2g} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:,.0f} min"
