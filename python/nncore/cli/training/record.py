"""`resume.json` of a run: what `nncore train` keeps for `nncore train --resume`.

All settings as they were settled, and of each image its path below the source, its digest, its
label and its part.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nncore.cli.flags.features import FeatureSettings
from nncore.cli.models import Network
from nncore.cli.output import count
from nncore.cli.parts import Parts, SplitSettings
from nncore.cli.training import recipe
from nncore.cli.training.plan import Plan, RunPlace, TrainSettings
from nncore.errors import DataError
from nncore.files.file_names import relative

if TYPE_CHECKING:
    from nncore.data import Corrections, ImageDataset
    from nncore.training.run_directory import RunDirectory

FORMAT = 1
_PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Image:
    """One image of a run, by its path below the source."""

    digest: str
    label: int
    part: str


def record_of(plan: Plan) -> dict[str, Any]:
    """The content of resume.json."""
    from nncore import _core

    settings, parts = plan.settings, plan.parts
    source, classes, table = settings.source, settings.classes, settings.split.table
    reading = dataclasses.asdict(settings.reading)
    del reading["request"], reading["preprocessing"]
    absolute = dataclasses.replace(
        settings,
        source=os.path.abspath(source),
        classes=None if classes is None else os.path.abspath(classes),
        split=dataclasses.replace(settings.split, table=table),
    )
    return {
        "format": FORMAT,
        "nncore": _core.__version__,
        "settings": {
            **{name: getattr(absolute, name) for name in _PLAIN},
            "audit": None if settings.audit is None else os.path.abspath(settings.audit),
            "reading": _plain(reading),
            "network": _plain(dataclasses.asdict(_with_absolute_file(settings.network))),
            "features": None
            if settings.features is None
            else _plain(dataclasses.asdict(settings.features))
            | {"file": os.path.abspath(settings.features.file)},
            "split": _plain(dataclasses.asdict(absolute.split)),
        },
        "training": _plain(dataclasses.asdict(plan.training)),
        "recipe": recipe.as_json(plan.recipe),
        "split": {"source": parts.source, "val_fraction": parts.val_fraction},
        "corrections": _corrected(plan.corrections, source),
        "preprocessing": parts.whole.preprocessing.to_dict(),
        "classes": list(parts.whole.classes.names),
        "images": [
            [part, path, digest, label]
            for part in _PARTS
            for path, digest, label in _images(parts.by_name[part], source)
        ],
    }


_PLAIN = ("command", "source", "classes", "normalize", "seed", "checkpoint_seconds")


def settings_of(record: Mapping[str, Any], run: RunDirectory) -> TrainSettings:
    """The settings of a run that is to go on.

    Raises
    ------
    DataError
        The record is damaged.
    """
    from nncore.data import Reading
    from nncore.training.settings import TrainingSettings

    try:
        if record["format"] != FORMAT:
            raise ValueError(f"its format is {record['format']!r}, not {FORMAT}")
        found = record["settings"]
        features = found["features"]
        return TrainSettings(
            **{name: found[name] for name in _PLAIN},
            audit=found.get("audit"),
            reading=Reading(**_tuples(found["reading"])),
            training=TrainingSettings(**_tuples(record["training"])),
            network=Network(**_tuples(found["network"])),
            features=None if features is None else FeatureSettings(**_tuples(features)),
            split=SplitSettings(**found["split"]),
            place=RunPlace(str(run.path.parent), run.path.name),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(run, error) from None


def _corrected(corrections: Corrections | None, source: str) -> dict[str, str | None] | None:
    """What an audit has decided, by the paths below the source."""
    if corrections is None:
        return None
    found = corrections.by_path
    return dict(zip(_below(found, source), found.values(), strict=True))


def corrections_of(
    record: Mapping[str, Any], data: ImageDataset, source: str, run: RunDirectory
) -> Corrections | None:
    """What an audit had decided of these images, whatever became of its table; None without one."""
    from nncore.data import Corrections

    kept = record.get("corrections")
    if kept is None:
        return None
    try:
        below = zip(data.paths, _below(data.paths, source), strict=True)
        return Corrections({path: kept[name] for path, name in below if name in kept})
    except (TypeError, ValueError) as error:
        raise _damaged(run, error) from None


def parts_of(
    record: Mapping[str, Any], data: ImageDataset, source: str, run: RunDirectory
) -> tuple[Parts, list[str]]:
    """The same parts of the images as before, and in words what is another now.

    Images that are new go to training.
    """
    try:
        known = {path: Image(digest, label, part) for part, path, digest, label in record["images"]}
        split, classes = record["split"], record["classes"]
        preprocessing = record["preprocessing"]
        source_words, val_fraction = str(split["source"]), float(split["val_fraction"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(run, error) from None
    found = list(_images(data, source))
    given = [known[path].part if path in known else "train" for path, _, _ in found]
    train, val, test = dataclasses.replace(data, given_split=given).split(0.0, 0.0)
    parts = Parts(data, train, val, test, val_fraction, source_words)
    changes = _changed(known, found)
    if list(data.classes.names) != classes:
        changes.append(f"the classes are {', '.join(data.classes.names)}")
    for name, value in data.preprocessing.to_dict().items():
        if preprocessing.get(name) != value:
            changes.append(f"{name} of the images is {value!r} instead of {preprocessing[name]!r}")
    in_order = [path for part in _PARTS for path, _, _ in _images(parts.by_name[part], source)]
    if not changes and in_order != list(known):
        changes.append("the images come in another order")
    return parts, changes


def _changed(known: Mapping[str, Image], found: list[tuple[str, str, int]]) -> list[str]:
    """In words: images that came, went, or are other ones now."""
    now = {path: (digest, label) for path, digest, label in found}
    both = [path for path in known if path in now]
    kinds = {
        "gone": [path for path in known if path not in now],
        "new": [path for path in now if path not in known],
        "changed": [path for path in both if now[path][0] != known[path].digest],
        "labelled otherwise": [path for path in both if now[path][1] != known[path].label],
    }
    return [
        f"{count(len(paths), 'image')} {kind}, such as {paths[0]}"
        for kind, paths in kinds.items()
        if paths
    ]


def _images(data: ImageDataset, source: str) -> Iterator[tuple[str, str, int]]:
    """Path below the source, digest of the file and label of each image."""
    digests = data.digests or [b""] * len(data)
    paths, labels = _below(data.paths, source), data.labels.tolist()
    for path, digest, label in zip(paths, digests, labels, strict=True):
        yield path, digest.hex(), label


def _below(paths: Iterable[str], source: str) -> list[str]:
    """Paths from the source on, which may have moved when the training goes on."""
    base = os.path.join(source if os.path.isdir(source) else os.path.dirname(source), "")
    return [path[len(base) :] if path.startswith(base) else relative(path, base) for path in paths]


def _with_absolute_file(network: Network) -> Network:
    if not network.on_onnx_file:
        return network
    return dataclasses.replace(network, backbone=os.path.abspath(str(network.backbone)))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON can hold it: a path as a text."""
    return {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in values.items()
    }


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Back from JSON, which has lists for tuples."""
    return {k: tuple(value) if isinstance(value, list) else value for k, value in values.items()}


def _damaged(run: RunDirectory, error: Exception) -> DataError:
    reason = f"no {error}" if isinstance(error, KeyError) else str(error)
    return DataError(f"{run.file('resume.json')}: cannot be understood: {reason}")
