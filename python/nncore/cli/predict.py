"""Name what is on pictures. One line per image: path, label, probability, separated by tabs; with
--top-k, further labels and probabilities follow. Folders are read with all their sub-folders; no
labels are needed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from nncore.cli import features, options
from nncore.cli.failures import DONE, UsageError
from nncore.cli.inputs import open_image_model
from nncore.cli.output import Output, count, printable, skipped_json

if TYPE_CHECKING:
    from nncore.training.predictions import Prediction, Predictions

HELP = "name what is on pictures"
_NAMED = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="a .safetensors file, or a run directory (its best model)"
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", help="image files and folders of them")
    parser.add_argument(
        "--top-k",
        type=options.whole(1),
        default=1,
        metavar="K",
        help="how many of the most probable classes to list (default 1)",
    )
    options.add_max_pixels(parser)
    features.add_place(parser)
    parser.add_argument("--csv", metavar="FILE", help="write the predictions to this file, too")


def run(args: argparse.Namespace, out: Output) -> int:
    found = predict(args)
    out.result("\n".join(line(one) for one in found), as_json(found))
    for file in found.skipped[:_NAMED]:
        out.warn(f"skipped {file.path}: {file.reason}")
    if len(found.skipped) > _NAMED:
        out.warn(f"skipped {count(len(found.skipped) - _NAMED, 'more file')}")
    return DONE


def predict(args: argparse.Namespace) -> Predictions:
    """Predictions of the files and folders named, written to --csv if that is asked for."""
    model, classes, _, file = open_image_model(args.model, args.features)
    if args.top_k > len(classes):
        raise UsageError(f"--top-k {args.top_k}: the model {file} has {len(classes)} classes")
    found = model.predict(list(args.paths), top_k=args.top_k, max_pixels=args.max_pixels)
    if args.csv is not None:
        from nncore.atomic import atomic_write_bytes
        from nncore.data.skipped import csv_bytes

        header = ["path", "label", "probability"]
        for place in range(2, args.top_k + 1):
            header += [f"label_{place}", f"probability_{place}"]
        rows = [(one.path or "", *_top(one)) for one in found]
        atomic_write_bytes(args.csv, csv_bytes([tuple(header), *rows]))
    return found


def line(one: Prediction) -> str:
    """Path, label, probability, and the further ones, separated by tabs."""
    return "\t".join(printable(cell) for cell in (one.path or "", *_top(one)))


def _top(one: Prediction) -> list[str]:
    return [cell for label, p in one.top for cell in (label, f"{p:.6f}")]


def as_json(found: Predictions) -> dict[str, Any]:
    """What `nncore predict --json` prints."""
    return {
        "predictions": [
            {
                "path": one.path,
                "label": one.label,
                "probability": one.probability,
                "top": [{"label": label, "probability": p} for label, p in one.top],
            }
            for one in found
        ],
        "skipped": skipped_json(found.skipped),
    }
