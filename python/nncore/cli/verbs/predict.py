"""Name what is on pictures. One line per image: path, label, probability, separated by tabs; with
--top-k, further labels and probabilities follow. Folders are read with all their sub-folders; no
labels are needed. Files that give no image are named, the others predicted all the same; the exit
code is then 3."""

from __future__ import annotations

import argparse

from nncore.cli.failures import BAD_DATA, DONE
from nncore.cli.flags import common, features, reading, values
from nncore.cli.output import Output, count, write_error
from nncore.cli.predicting import PredictSettings, line, predict, unpredicted
from nncore.errors import DataError

HELP = "name what is on pictures"
_NAMED = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_model(parser)
    parser.add_argument(
        "paths", type=values.path, metavar="PATH", nargs="+", help="image files and folders of them"
    )
    parser.add_argument(
        "--top-k",
        type=values.whole(1),
        default=1,
        metavar="K",
        help="how many of the most probable classes to list (default 1)",
    )
    reading.add_max_pixels(parser)
    features.add_place(parser)
    parser.add_argument(
        "--csv", type=values.path, metavar="FILE", help="write the predictions to this file, too"
    )


def settings(args: argparse.Namespace) -> PredictSettings:
    return PredictSettings(
        args.model, tuple(args.paths), args.top_k, args.max_pixels, args.features, args.csv
    )


def run(settings: PredictSettings, out: Output) -> int:
    found = predict(settings)
    missing = unpredicted(found)
    if found or out.json:
        out.result("\n".join(line(one) for one in found), found.to_dict())
    if not found:
        from nncore.data.skipped import in_words

        raise DataError(in_words(missing or found.skipped))
    # Those that should have been pictures first: hidden files must not push them off the list.
    skipped = sorted(found.skipped, key=lambda file: file.kind != "broken")
    for file in skipped[:_NAMED]:
        out.warn(f"skipped {file.path}: {file.reason}")
    if len(skipped) > _NAMED:
        out.warn(f"skipped {count(len(skipped) - _NAMED, 'more file')}")
    if not missing:
        return DONE
    total = count(len(found) + len(missing), "picture")
    write_error(f"{len(missing):,} of {total} could not be predicted; the others are")
    return BAD_DATA
