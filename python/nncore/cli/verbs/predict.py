"""Name what is on pictures. One line per image: path, label, probability, separated by tabs; with
--top-k, further labels and probabilities follow; with --coverage, a set of classes, and whether the
picture is unlike those that the model knows (its score is above 1), perhaps none of its classes.
Folders are read with all their sub-folders; no labels are needed. Files that give no image are
named, the others predicted all the same; the exit code is then 3."""

from __future__ import annotations

import argparse

from nncore.cli.flags import common, features, reading, values
from nncore.cli.output import Output
from nncore.cli.predicting import (
    PredictSettings,
    left_out,
    line,
    predict,
    set_explained,
    warn_of_no_unknown,
    warn_of_unknown,
)

HELP = "name what is on pictures"
EXAMPLES = (
    ("nncore predict runs/run-1 new.jpg --top-k 3", "the three most probable classes"),
    ("nncore predict runs/run-1 inbox/ --csv found.csv", "all pictures in a folder, as a table"),
)


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
    parser.add_argument(
        "--coverage",
        type=values.share,
        metavar="P",
        help="add the set of classes that holds the true one with at least this probability, such "
        "as 0.95, for pictures like those that the model was calibrated on",
    )
    reading.add_max_pixels(parser)
    features.add_place(parser)
    parser.add_argument(
        "--csv", type=values.path, metavar="FILE", help="write the predictions to this file, too"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the file of --csv if it is no table of predictions, either",
    )


def settings(args: argparse.Namespace) -> PredictSettings:
    return PredictSettings(
        args.model,
        tuple(args.paths),
        args.top_k,
        args.max_pixels,
        args.features,
        args.csv,
        args.coverage,
        args.overwrite,
    )


def run(settings: PredictSettings, out: Output) -> int:
    found = predict(settings)
    if found and settings.coverage is not None:
        out.note(set_explained(settings.coverage, found[0].unknown is not None))
    if found or out.json:
        out.result("\n".join(line(one) for one in found), found.to_dict())
    if settings.coverage is not None:
        warn_of_no_unknown(found, out)
    warn_of_unknown([(one.path or "", one.unknown) for one in found], None, out)
    return left_out(found.skipped, len(found), "predicted", out)
