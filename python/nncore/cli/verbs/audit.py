"""Look for labels that may be wrong: networks that have not learned from a picture say which class
it is like. Also duplicates, outliers and pictures on which little can be seen. Writes audit.csv, to
be edited and handed to `nncore train --audit`, and audit.html, to be looked at. No picture is
moved, changed or deleted."""

from __future__ import annotations

import argparse
import dataclasses
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nncore.cli.destinations import check_output_folder
from nncore.cli.failures import DONE, UsageError
from nncore.cli.flags import common, reading, values
from nncore.cli.flags.network import NO_BACKBONE, add_backbone
from nncore.cli.inputs import load_labelled
from nncore.cli.models import AUTO_BACKBONE, DEFAULT_HEAD, Network
from nncore.cli.output import Output, count, printable
from nncore.cli.photos import look
from nncore.cli.quoting import joined
from nncore.files.own_folders import make_own_folder

if TYPE_CHECKING:
    from nncore.auditing import Audit
    from nncore.data import ImageDataset, Reading
    from nncore.training.model import Sequential

HELP = "find labels that may be wrong, duplicates and poor pictures"
EXAMPLES = (
    ("nncore audit photos/ --output audit", "suspicious labels as a page and a table to edit"),
)
TABLE, PAGE = "audit.csv", "audit.html"
_MOST_NAMED = 10
_MOST_PAIRS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_labelled(parser)
    parser.add_argument(
        "--output",
        type=values.path,
        default="audit",
        metavar="DIR",
        help=f"write {TABLE} and {PAGE} there (made if missing; default audit)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help=f"replace a {TABLE} although somebody has filled in its column action",
    )
    parser.add_argument(
        "--folds",
        type=values.whole(2, 100),
        default=5,
        metavar="K",
        help="parts of the pictures, each judged by a network that learned from the others "
        "(default 5)",
    )
    add_backbone(parser)
    reading.add_images(parser)


@dataclass(frozen=True)
class Settings:
    """What is looked at, with which network and in how many folds, and where the results go."""

    source: str
    reading: Reading
    network: Network
    folds: int
    output: str
    overwrite: bool
    seed: int


def settings(args: argparse.Namespace) -> Settings:
    asked = None if args.backbone == NO_BACKBONE else args.backbone
    if asked == AUTO_BACKBONE and (args.size is not None or args.color == "gray"):
        asked = None  # small pictures are learned from scratch
    network = Network() if asked is None else Network(DEFAULT_HEAD, backbone=asked)
    read = reading.reading_of(args)
    if network.size is not None and (read.size is not None or read.color == "gray"):
        raise UsageError(f"--backbone {asked} has a size and colour of its own: leave these out")
    return Settings(args.data, read, network, args.folds, args.output, args.overwrite, args.seed)


def run(settings: Settings, out: Output) -> int:
    from nncore.report.audit_page import write_audit_page

    _check_place(settings)
    found = audited(settings, out)
    folder = Path(settings.output)
    files = [str(folder / TABLE), str(folder / PAGE)]
    again = joined(["nncore", "train", settings.source, "--audit", files[0]])
    make_own_folder(folder)
    found.write_csv(files[0])
    write_audit_page(found, files[1], settings.source, again)
    told = _text(settings, found, files, None if out.quiet else again)
    out.result(told, found.to_dict() | {"files": files})
    return DONE


def audited(settings: Settings, out: Output) -> Audit:
    """Read the pictures and look at them."""
    from nncore.auditing import audit

    network, read = _decided(settings, out)
    data = load_labelled(settings.source, read, out)
    out.warn_of_skipped(data.skipped)
    model = None
    if network.on_backbone:
        model = _backbone(network, data, settings, out)
    with out.progress("training folds", unit="epoch") as progress:
        found = audit(
            data, backbone=model, folds=settings.folds, seed=settings.seed, progress=progress
        )
    out.warn_all(found.notes)
    return found


def _check_place(settings: Settings) -> None:
    """Whether the results can be written, before minutes are spent."""
    from nncore.data.sources.audit_csv import has_actions

    check_output_folder(settings.output, "--output")
    table = Path(settings.output) / TABLE
    if not settings.overwrite and has_actions(table):
        raise UsageError(
            f"{table} has actions that somebody filled in; choose another --output, or replace it "
            "by --overwrite"
        )


def _decided(settings: Settings, out: Output) -> tuple[Network, Reading]:
    """The network that learns, and how it is shown the pictures, as `nncore train` would."""
    network, read = settings.network, settings.reading
    if network.backbone is not None:
        seen = look(settings.source, read.layout)
        if network.backbone == AUTO_BACKBONE:
            network = Network()
            if seen.backbone is not None:
                network = Network(DEFAULT_HEAD, backbone=seen.backbone)
            if seen.advice is not None:
                out.warn(seen.advice)
        if network.on_backbone and read.fit is None:
            read = dataclasses.replace(read, fit=seen.fit)
    return network, network.reading(dataclasses.replace(read, fit=read.fit or network.fit))


def _backbone(network: Network, data: ImageDataset, settings: Settings, out: Output) -> Sequential:
    """The pretrained network, which has seen the pictures, with a progress bar."""
    from nncore.training.settings import TrainingSettings

    prepared = data.preprocessing
    model = network.make(
        len(data.classes),
        prepared.input_shape,
        TrainingSettings(),
        None,
        settings.seed,
        prepared.fit,
    )
    model.cache = settings.reading.cache
    model.through_fixed_layers(data, verbose=out.verbose)
    out.warn_all(model.cache_notes)
    return model


def _text(settings: Settings, found: Audit, files: list[str], again: str | None) -> str:
    """What a person is told; `again` is the command that obeys the table."""
    data, how = found.data, found.settings
    among = " (most wrong labels are among them, not all)" if found.estimated_errors else ""
    lines = [
        f"{printable(settings.source)}: {count(len(data), 'image')} in "
        f"{count(len(data.classes), 'class')}; {how['folds']} folds, {how['network']}, "
        f"{count(how['epochs'], 'epoch')} each",
        f"about {count(found.estimated_errors, 'wrong label')}; look first at these "
        f"{len(found.suspects):,}, the worst first{among}:",
    ]
    for one in found.suspects[:_MOST_NAMED]:
        lines.append(f"  {printable(one.path)}: {printable(one.reason)}")
    if len(found.suspects) > _MOST_NAMED:
        lines.append(f"  and {len(found.suspects) - _MOST_NAMED:,} more ({TABLE})")
    if found.confusions:
        pairs = [f"{a} but like {b} ({n:,})" for a, b, n in found.confusions[:_MOST_PAIRS]]
        lines.append(f"labelled as  {printable(', '.join(pairs))}")
    flaws = Counter(flaw.problem for flaw in found.flaws)
    lines += [
        f"duplicates   {_duplicate_words(found)}",
        f"outliers     {len(found.outliers):,}",
        "quality      " + (", ".join(f"{n:,} {what}" for what, n in flaws.items()) or "fine"),
        "written      " + ", ".join(map(printable, files)),
    ]
    if again is not None:
        lines += [
            "",
            f"nothing is changed. Fill in the column action of {TABLE} (move, leave out or keep;",
            "empty keeps), then:",
            f"  {printable(again)}",
        ]
    return "\n".join(lines)


def _duplicate_words(found: Audit) -> str:
    if not found.duplicates:
        return "none"
    kinds = Counter(same.kind for same in found.duplicates)
    words = [f"{count(kinds['exact'], 'exact set')}, {kinds['near']:,} near"]
    for what, sets in (
        ("more than one class", [s for s in found.duplicates if len(s.classes) > 1]),
        ("more than one part of the split", [s for s in found.duplicates if len(s.parts) > 1]),
    ):
        if sets:
            words.append(f"{len(sets):,} in {what}")
    return "; ".join(words)
