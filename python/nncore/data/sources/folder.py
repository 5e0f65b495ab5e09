"""Which files a folder of images holds: one sub-folder per class, or unlabelled pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from nncore.data.labels.class_map import canonical_name
from nncore.data.labels.parts import FolderName
from nncore.data.skipped import SkippedFile
from nncore.data.sources.arrangement import Arrangement, arrangement_of, class_level
from nncore.data.sources.entries import Level, Place
from nncore.errors import DataError
from nncore.files.file_names import as_text
from nncore.files.home import at_home
from nncore.files.near_paths import path_meant

_NO_SUCH_PATH = "no such file or folder"
_MOST_LOOKED_FOR = 20  # each is a look into its folder


@dataclass(frozen=True)
class FolderScan:
    """Files of a labelled folder, before any is opened.

    `paths` are sorted by class folder and then within it, and `names` has the class name of each;
    `classes` the names of all class folders, empty ones included; `class_map` the folder's own
    ``classes.csv``, if it has one. `parts` has "train", "val" or "test" for every file where the
    folder holds a split, else it is None; `notes` say what a person may want to say otherwise.
    """

    classes: list[str]
    paths: list[str]
    names: list[str]
    skipped: list[SkippedFile]
    class_map: str | None
    parts: list[str] | None = None
    notes: list[str] = field(default_factory=list)


def scan_folder(
    folder: str | os.PathLike[str],
    layout: str = "auto",
    known: Callable[[str | None], Collection[str]] = lambda class_map: (),
) -> FolderScan:
    """Find the files of every class folder, nested folders included.

    The sub-folders are classes, or parts with a folder per class each (`arrangement_of`): those of
    a split where they are called after ``train``, ``val`` and ``test``.

    Links to files and links that are class folders are followed; links to folders deeper down are
    not, since they could lead round in a circle. Dot-files and ``__MACOSX`` are left out.

    Parameters
    ----------
    folder
        Where to look.
    layout
        What its sub-folders are said to be, one of `LAYOUTS`.
    known
        Gives the names of the classes that are known, from the path of the folder's own class map.

    Raises
    ------
    DataError
        The folder is missing or unreadable, has no sub-folder, or two of them have one name; or it
        is not clear whether they are classes.
    """
    root = Place(at_home(folder))
    top = root.level
    if not top.folders:
        raise DataError(
            f"{root.path}: has no sub-folders ({len(top.loose)} files lie directly in it); "
            "put the images of each class into a sub-folder named after the class"
        )
    found = arrangement_of(root, known(top.class_map), layout)
    if found.parts:
        scan = _scan_parts(found)
    elif found.inside:
        scan = _scan_parts_inside(found)
    else:
        scan = _scan_classes(found.outer.place.path, found.outer, found.classes)
    skipped = list(scan.skipped)
    for place, reason in found.left_out:
        skipped += [SkippedFile(path, reason, "foreign") for path in place.files(skipped)]
    return replace(scan, skipped=skipped, notes=found.notes)


def _scan_classes(where: str, level: Level, folders: Sequence[Place]) -> FolderScan:
    skipped = [SkippedFile(path, "is not inside a class folder", "foreign") for path in level.loose]
    skipped += level.skipped
    paths: list[str] = []
    names: list[str] = []
    classes = _class_names(where, folders)
    for name, place in zip(classes, folders, strict=True):
        found = place.files(skipped)
        paths += found
        names += [name] * len(found)
    return FolderScan(classes, paths, names, skipped, level.class_map)


def _class_names(where: str, folders: Sequence[Place]) -> list[str]:
    seen: dict[str, str] = {}
    for place in folders:
        try:
            name = canonical_name(as_text(place.name))
        except ValueError as error:
            raise DataError(f"{where}: sub-folder {place.name!r}: {error}") from None
        if name in seen:
            raise DataError(
                f"{where}: the sub-folders {seen[name]!r} and {place.name!r} name the same class"
            )
        seen[name] = place.name
    return list(seen)


def _scan_parts(found: Arrangement) -> FolderScan:
    """Parts of a split, or portions of one set, with a folder per class each."""
    skipped = [
        SkippedFile(path, "is not inside a part of the split", "foreign")
        for path in found.outer.loose
    ]
    skipped += found.outer.skipped
    classes: dict[str, None] = {}
    paths: list[str] = []
    names: list[str] = []
    sides: list[str] = []
    maps: list[tuple[str | None, str]] = []
    # What several folders of one part are called are classes, here and in the other parts.
    several = {one.name for place, _ in found.parts if place.folders[1:] for one in place.folders}
    for place, part in found.parts:
        level = class_level(place, several)
        scan = _scan_classes(place.path, level, level.folders)
        classes.update(dict.fromkeys(scan.classes))
        paths += scan.paths
        names += scan.names
        sides += [part] * len(scan.paths) if part is not None else []
        skipped += scan.skipped
        if scan.class_map is not None:
            maps.append((part, scan.class_map))
    of_training = [path for part, path in maps if part in ("train", None)]
    class_map = found.outer.class_map or next(iter(of_training), None)
    skipped += [
        SkippedFile(
            path, "is not used: the class names are those of the whole, or of train", "foreign"
        )
        for _, path in maps
        if path != class_map
    ]
    return FolderScan(list(classes), paths, names, skipped, class_map, sides or None)


def _scan_parts_inside(found: Arrangement) -> FolderScan:
    """Classes that hold the parts of a split each."""
    where = found.outer.place.path
    classes = _class_names(where, found.classes)
    scans = [_scan_classes(place.path, place.level, place.folders) for place in found.classes]
    loose = [
        SkippedFile(path, "is not inside a class folder", "foreign") for path in found.outer.loose
    ]
    paths = [path for scan in scans for path in scan.paths]
    names = [name for name, scan in zip(classes, scans, strict=True) for _ in scan.paths]
    sides = [FolderName.of(folder).part or "train" for scan in scans for folder in scan.names]
    skipped = [*loose, *found.outer.skipped, *(left for scan in scans for left in scan.skipped)]
    return FolderScan(classes, paths, names, skipped, found.outer.class_map, sides)


def list_images(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> list[str]:
    """Paths of the pictures to predict.

    Parameters
    ----------
    source
        A file, a folder (every file in it and its sub-folders, sorted; hidden ones left out), or
        a list of files and folders, whose order is kept.

    Returns
    -------
    Paths of files; whether each is an image is found when it is decoded (`load_images`).

    Raises
    ------
    DataError
        A path does not exist, a folder holds no file, or the list is empty.
    """
    return find_images(source)[0]


def find_images(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    skip_unusable: bool = False,
) -> tuple[list[str], list[SkippedFile]]:
    """`list_images`, and the files that it left out (hidden ones, links to folders, devices).

    With `skip_unusable` paths that do not exist and folders that hold no file are among them.
    """
    if isinstance(source, (list, tuple)):
        parts = [find_images(item, skip_unusable=skip_unusable) for item in source]
        if not parts:
            raise DataError("no images: the list of paths is empty")
        left_out = _with_paths_meant(s for _, left in parts for s in left)
        return [p for files, _ in parts for p in files], left_out
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"a path must be a string or Path, not {type(source).__name__}")
    path = at_home(source)
    skipped: list[SkippedFile] = []
    if not os.path.lexists(path):
        reason = _NO_SUCH_PATH if skip_unusable else _NO_SUCH_PATH + path_meant(path)
    elif not os.path.isdir(path):
        return [path], []
    elif found := Place(path).files(skipped):
        return found, skipped
    else:
        reason = "the folder holds no files"
    if not skip_unusable:
        raise DataError(f"{path}: {reason}")
    return [], [*skipped, SkippedFile(path, reason)]


def _with_paths_meant(skipped: Iterable[SkippedFile]) -> list[SkippedFile]:
    """The same, the first paths where nothing is with those that may be meant."""
    named = list(skipped)
    missing = [place for place, file in enumerate(named) if file.reason == _NO_SUCH_PATH]
    for place in missing[:_MOST_LOOKED_FOR]:
        file = named[place]
        named[place] = replace(file, reason=file.reason + path_meant(file.path))
    return named
