"""Show where a model looked: for each picture a PNG file in --output, the picture in gray under the
heat of what raised the score of its class. One line per picture: path, label, probability and that
file, separated by tabs. Folders are read with all their sub-folders. Files that give no image are
named, the others explained all the same; the exit code is then 3.

Such a map says about where something spoke for the class, not why, nor that the answer is right."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nncore.cli.destinations import check_output_folder, is_anothers_picture
from nncore.cli.failures import UsageError
from nncore.cli.flags import common, features, reading, values
from nncore.cli.inputs import open_image_model
from nncore.cli.output import Output, count, printable
from nncore.cli.predicting import left_out, warn_of_unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nncore.training.answers.predictions import Gathered
    from nncore.training.model import Sequential

HELP = "show where a model looked"
EXAMPLES = (
    (
        "nncore explain runs/run-1 new.jpg --output maps",
        "where it looked, as a picture with a heat map",
    ),
    (
        "nncore explain runs/run-1 new.jpg --label dog --output maps",
        "what speaks for another class",
    ),
)

# Pictures between two movements of the progress bar.
_TOGETHER = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_model(parser)
    parser.add_argument(
        "paths", type=values.path, metavar="PATH", nargs="+", help="image files and folders of them"
    )
    parser.add_argument(
        "--output",
        type=values.path,
        required=True,
        metavar="DIR",
        help="where the pictures with heat maps are written (made if missing); files that are "
        "there and were not drawn by nncore stay",
    )
    parser.add_argument(
        "--label",
        metavar="CLASS",
        help="the class to explain (default: the most probable one of each picture)",
    )
    parser.add_argument(
        "--method",
        choices=("gradcam", "occlusion"),
        help="gradcam: by the gradients of the last convolution (the default, if there is one); "
        "occlusion: by covering parts of the picture, for networks of any kind, a hundred times "
        "slower",
    )
    parser.add_argument(
        "--layer",
        metavar="NAME",
        help="for gradcam: another layer, as `nncore info` names them (default: the last "
        "convolution)",
    )
    reading.add_max_pixels(parser)
    features.add_place(parser)


@dataclass(frozen=True)
class Settings:
    """The model, the files and folders, and what the flags say."""

    model: str
    paths: tuple[str, ...]
    output: str
    label: str | None
    method: str | None
    layer: str | None
    max_pixels: int
    features: str | None


def settings(args: argparse.Namespace) -> Settings:
    if args.layer is not None and args.method == "occlusion":
        raise UsageError("--layer is for --method gradcam: occlusion looks at no layer")
    return Settings(
        args.model,
        tuple(args.paths),
        args.output,
        args.label,
        args.method,
        args.layer,
        args.max_pixels,
        args.features,
    )


@dataclass(frozen=True)
class Explained:
    """A picture, the class that is explained, and the file written; `empty` where nothing in the
    picture speaks for that class; `unknown` and `unknown_score` as in a prediction."""

    path: str
    label: str
    probability: float
    overlay: str
    empty: bool
    unknown: bool | None
    unknown_score: float | None


def run(settings: Settings, out: Output) -> int:
    from nncore.files.own_folders import make_own_folder
    from nncore.training.answers.predictions import gather_images

    check_output_folder(settings.output, "--output")
    model, classes, preprocessing, _ = open_image_model(settings.model, settings.features)
    label = None if settings.label is None else classes.index(settings.label)
    asked = settings.method
    settings = replace(settings, method=_method(settings, model))
    _check_layer(model, settings, preprocessing.input_shape)
    gathered = gather_images(
        list(settings.paths),
        preprocessing.input_shape,
        preprocessing,
        settings.max_pixels,
        skip_unusable=True,
    )
    if gathered.paths:
        make_own_folder(settings.output)
    if asked is None and settings.method == "occlusion":
        out.warn("this network has no convolution: parts of the pictures are covered (occlusion)")
    with out.progress("explaining") as progress:
        found = list(_explained(model, gathered, label, settings, progress))
    if found or out.json:
        out.result("\n".join(map(_line, found)), _as_json(settings, found, gathered))
    warn_of_unknown(
        [(one.path, one.unknown) for one in found], "a map tells little about such a picture", out
    )
    for one in [one for one in found if one.empty][:1]:
        empty = sum(one.empty for one in found)
        out.warn(f"nothing speaks for {one.label} on {one.path}: its map is empty")
        if empty > 1:
            out.warn(f"and likewise on {count(empty - 1, 'more picture')}")
    return left_out(gathered.skipped, len(found), "explained", out)


def _method(settings: Settings, model: Sequential) -> str:
    if settings.method is not None:
        return settings.method
    return "gradcam" if settings.layer is not None else model.explaining_method


def _check_layer(model: Sequential, settings: Settings, shape: tuple[int, ...]) -> None:
    """Say what is wrong with the network or --layer before any file is read."""
    import numpy as np

    if settings.method != "gradcam":
        return
    try:
        model.explain(np.zeros(shape, np.uint8), 0, "gradcam", settings.layer)
    except ValueError as error:
        raise UsageError(str(error).replace("method='occlusion'", "--method occlusion")) from None


def _explained(
    model: Sequential, gathered: Gathered, label: int | None, settings: Settings, progress: Any
) -> Iterator[Explained]:
    """Writes the files, block by block."""

    names = _file_names([path or "" for path in gathered.paths], settings.output)
    assert model.classes is not None
    for start in range(0, len(names), _TOGETHER):
        block = slice(start, start + _TOGETHER)
        images = gathered.images[block]
        answers = model.predict(images, top_k=len(model.classes))
        asked = None if label is None else model.classes.name(label)
        labels = [asked or one.label for one in answers]
        maps = model.explain(images, labels, settings.method, settings.layer)
        for at, (image, heat) in enumerate(zip(images, maps, strict=True)):
            told = answers[at]
            _draw(image, heat, names[start + at])
            yield Explained(
                gathered.paths[start + at] or "",
                labels[at],
                dict(told.top)[labels[at]],
                names[start + at],
                not heat.any(),
                told.unknown,
                told.unknown_score,
            )
        if progress is not None:
            progress(start + len(images), len(names))


def _draw(image: NDArray[np.uint8], heat: NDArray[np.float32], path: str) -> None:
    from nncore import plots

    plots.heat_overlay(*plots.enlarged(image, heat), path)


def _file_names(paths: list[str], folder: str) -> list[str]:
    """A file in `folder` for each picture, none of them twice, and none a picture that is read or
    a file that nncore did not draw."""
    taken = {os.path.realpath(path).casefold() for path in paths}
    names = []
    for path in paths:
        stem, number = os.path.splitext(os.path.basename(path))[0], 1
        name = os.path.join(folder, f"{stem}.png")
        while os.path.realpath(name).casefold() in taken or is_anothers_picture(name):
            number += 1
            name = os.path.join(folder, f"{stem}-{number}.png")
        taken.add(os.path.realpath(name).casefold())
        names.append(name)
    return names


def _line(one: Explained) -> str:
    cells = (one.path, one.label, f"{one.probability:.6f}", one.overlay)
    return "\t".join(map(printable, cells))


def _as_json(settings: Settings, found: list[Explained], gathered: Gathered) -> dict[str, Any]:
    return {
        "method": settings.method,
        "layer": settings.layer,
        "explanations": [dict(vars(one)) for one in found],
        "skipped": [file.to_dict() for file in gathered.skipped],
    }
