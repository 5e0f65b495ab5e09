"""What verbs read: labelled images and models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nncore.arguments import did_you_mean
from nncore.errors import DataError, ModelFileError
from nncore.files.home import at_home
from nncore.files.near_paths import alike, path_meant
from nncore.process.team import by_first

if TYPE_CHECKING:
    from nncore.cli.output import Output
    from nncore.data import ClassMap, ImageDataset, Preprocessing, Reading
    from nncore.training.model import Sequential
    from nncore.training.model_outline import ModelOutline

BEST = "best.safetensors"
RUNS = "runs"  # where `train` makes them, if nothing else is said
_MOST_RUNS = 5


def load_labelled(
    source: str,
    reading: Reading,
    out: Output,
    *,
    classes: ClassMap | str | None = None,
    allow_missing_classes: bool = False,
    allow_empty: bool = False,
) -> ImageDataset:
    """Images of a folder with a sub-folder per class, or of a table with path and label.

    Raises
    ------
    DataError
        As `ImageDataset.read`, or `source` does not exist.
    """
    from nncore.data import ImageDataset

    by_first(lambda: check_exists(source))
    with out.progress("reading images") as progress:
        data = ImageDataset.read(
            source,
            reading,
            classes=classes,
            allow_missing_classes=allow_missing_classes,
            allow_empty=allow_empty,
            progress=progress,
        )
    out.warn_all(data.notes)
    return data


def check_exists(source: str) -> None:
    """DataError where labelled images can be neither a folder nor a table."""
    if not source:
        raise DataError(
            "the name of the images is empty; give a folder with one sub-folder of images per "
            "class, or a .csv file with the columns path and label"
        )
    if "://" in source and not os.path.lexists(source):
        raise DataError(
            f"{source}: is an address of the web; nncore reads what is on this machine: download "
            "it, and give the folder that has a sub-folder of images per class"
        )
    if not os.path.exists(source):
        raise DataError(
            f"{source}: no such file or folder"
            + (
                path_meant(source)
                or "; give a folder with one sub-folder of images per class, or a .csv file with "
                "the columns path and label"
            )
        )


def open_outline(path: str, verify: bool = False) -> tuple[ModelOutline, str]:
    """What a file, or the best.safetensors in a run directory, says of its model; and its path.

    The header is read and checked, and with `verify` all of it. The network of its frozen features,
    if it is on such, need not be there.

    Raises
    ------
    ModelFileError
        There is none, or it is broken.
    """
    from nncore.training.model_outline import read_outline

    file = model_file(path)
    outline = read_outline(file)
    if verify:
        from nncore.training.model_file import load_to_show

        load_to_show(file)
    return outline, str(file)


def model_file(path: str) -> Path:
    """A model file, or the best one of a run directory; ModelFileError if that has none."""
    file = Path(path)
    if path.lower().endswith(".onnx") and os.path.isfile(path):
        raise ModelFileError(
            f"{path}: is an ONNX network, without classes and the way from a picture to its input; "
            f"train on it first: nncore train FOLDER --backbone {path}; in Python nncore.from_onnx "
            "reads it as it is"
        )
    # Unlike those of pathlib, these take a path that no file can have.
    if not os.path.lexists(at_home(path)):
        from nncore.training import ModelFileNotFoundError

        raise ModelFileNotFoundError(f"{path}: there is no such model file or run{run_meant(path)}")
    if os.path.isdir(path):
        file = file / BEST
        if not os.path.exists(file):
            raise ModelFileError(
                f"{path}: this folder holds no {BEST}; give a model file or a run directory"
            )
    return file


def run_meant(path: str) -> str:
    """What to add where there is no model file and no run at `path`: what is like it, there or
    among the runs where `train` puts them; else which runs there are."""
    near = path_meant(path)
    if near:
        return near
    named = path.rstrip(os.sep)
    for folder in dict.fromkeys((os.path.dirname(named), RUNS)):
        runs = _runs_in(folder or ".")
        name = os.path.basename(named)
        meant = [name] if name in runs else alike(name, runs)
        if meant:
            return did_you_mean([os.path.join(folder, one) for one in meant])
        if runs:
            shown = ", ".join(os.path.join(folder, one) for one in runs[:_MOST_RUNS])
            return f"; there are {shown}" + (" and others" if len(runs) > _MOST_RUNS else "")
    return ""


def _runs_in(folder: str) -> list[str]:
    """Names of the runs in a folder, the newest first."""

    def newest(name: str) -> float:
        return -os.path.getmtime(os.path.join(folder, name, BEST))

    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if os.path.exists(os.path.join(e.path, BEST))]
        return sorted(sorted(names), key=newest)
    except OSError:
        return []


def open_any_model(path: str) -> Sequential:
    """A model, whatever it was trained on; the network of its frozen features may be missing.

    Raises
    ------
    ModelFileError
        As `open_outline`.
    """
    from nncore.training.model_file import load_to_show

    return load_to_show(model_file(path))


def open_image_model(
    path: str, features: str | None = None
) -> tuple[Sequential, ClassMap, Preprocessing, str]:
    """A model that can read image files, with its classes and preprocessing.

    `features` is where the network of its frozen features is, if not beside it.

    Raises
    ------
    ModelFileError
        As `open_outline`, or the model was trained on arrays and does not say how to read files.
    """
    from nncore.training.model_file import load

    file = str(model_file(path))
    model = load(file, features)
    if model.preprocessing is None or model.classes is None:
        raise ModelFileError(
            f"{file}: this model was not trained on images and does not know how to prepare an "
            "image file; use it from Python, or train one by `nncore train`"
        )
    return model, model.classes, model.preprocessing, file
