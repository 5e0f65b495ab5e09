"""Which files a folder of images holds: one sub-folder per class, or unlabelled pictures."""

from __future__ import annotations

import operator
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from nncore.data.labels.class_map import canonical_name
from nncore.data.labels.parts import part_of
from nncore.data.skipped import SkippedFile
from nncore.errors import DataError

CLASS_MAP_FILE = "classes.csv"

_by_name = operator.attrgetter("name")


@dataclass(frozen=True)
class FolderScan:
    """Files of a labelled folder, before any is opened.

    `paths` are sorted by class folder and then within it, and `names` has the class name of each;
    `classes` the names of all class folders, empty ones included; `class_map` the folder's own
    ``classes.csv``, if it has one. `parts` has "train", "val" or "test" for every file where the
    folder holds a split, else it is None.
    """

    classes: list[str]
    paths: list[str]
    names: list[str]
    skipped: list[SkippedFile]
    class_map: str | None
    parts: list[str] | None = None


def scan_folder(folder: str | os.PathLike[str]) -> FolderScan:
    """Find the files of every class folder, nested folders included.

    A folder whose sub-folders are all named ``train``, ``val``, ``valid``, ``validation``, ``test``
    or the like holds the parts of a split, each with a sub-folder per class.

    Links to files and links that are class folders are followed; links to folders deeper down are
    not, since they could lead round in a circle. Dot-files and ``__MACOSX`` are left out.

    Raises
    ------
    DataError
        The folder is missing or unreadable, has no sub-folder, or two of them have one name.
    """
    root = os.fspath(folder)
    top = _Level.of(root)
    if not top.folders:
        raise DataError(
            f"{root}: has no sub-folders ({len(top.loose)} files lie directly in it); "
            "put the images of each class into a sub-folder named after the class"
        )
    parts = [part_of(entry.name) for entry in top.folders]
    if None in parts:
        return _scan_classes(root, top)
    return _scan_split(root, top, [part for part in parts if part is not None])


@dataclass(frozen=True)
class _Level:
    """What one folder holds: sub-folders, its class map, other files, what is left out anyway."""

    folders: list[os.DirEntry[str]]
    class_map: str | None
    loose: list[str]
    skipped: list[SkippedFile]

    @classmethod
    def of(cls, folder: str) -> _Level:
        level = cls([], None, [], [])
        class_map = None
        for entry in _entries(folder):
            if _is_hidden(entry.name):
                level.skipped.extend(_hidden(entry))
            elif _leads_to(entry, stat.S_ISDIR):
                if _leads_around(entry, folder):
                    level.skipped.append(
                        SkippedFile(entry.path, "is a link to a folder that it lies in", "foreign")
                    )
                else:
                    level.folders.append(entry)
            elif entry.name == CLASS_MAP_FILE:
                class_map = entry.path
            else:
                level.loose.append(entry.path)
        return replace(level, class_map=class_map)


def _scan_classes(root: str, level: _Level) -> FolderScan:
    skipped = [SkippedFile(path, "is not inside a class folder", "foreign") for path in level.loose]
    skipped += level.skipped
    paths: list[str] = []
    names: list[str] = []
    seen: dict[str, str] = {}
    for entry in level.folders:
        try:
            name = canonical_name(entry.name)
        except ValueError as error:
            raise DataError(f"{root}: sub-folder {entry.name!r}: {error}") from None
        if name in seen:
            raise DataError(
                f"{root}: the sub-folders {seen[name]!r} and {entry.name!r} name the same class"
            )
        seen[name] = entry.name
        found = _files_below(entry.path, skipped)
        paths += found
        names += [name] * len(found)
    return FolderScan(list(seen), paths, names, skipped, level.class_map)


def _scan_split(root: str, top: _Level, parts: Sequence[str]) -> FolderScan:
    skipped = [
        SkippedFile(path, "is not inside a part of the split", "foreign") for path in top.loose
    ]
    skipped += top.skipped
    classes: dict[str, None] = {}
    paths: list[str] = []
    names: list[str] = []
    sides: list[str] = []
    folder_of: dict[str, str] = {}
    maps: dict[str, str] = {}
    for entry, part in zip(top.folders, parts, strict=True):
        other = folder_of.setdefault(part, entry.name)
        if other != entry.name:
            raise DataError(
                f"{root}: the sub-folders {other!r} and {entry.name!r} are both the part {part!r} "
                "of a split; join them, or give one of them"
            )
        level = _Level.of(entry.path)
        if not level.folders and part == "train":
            raise DataError(
                f"{root}: its sub-folders ({', '.join(folder_of)}) are parts of a split, but "
                f"{entry.path} has no sub-folder per class"
            )
        scan = _scan_classes(entry.path, level)
        classes.update(dict.fromkeys(scan.classes))
        paths += scan.paths
        names += scan.names
        sides += [part] * len(scan.paths)
        skipped += scan.skipped
        if scan.class_map is not None:
            maps[part] = scan.class_map
    if "train" not in folder_of:
        raise DataError(
            f"{root}: its sub-folders ({', '.join(e.name for e in top.folders)}) are parts of a "
            f"split without training images; give one of them, for example {top.folders[0].path}"
        )
    class_map = top.class_map or maps.get("train")
    skipped += [
        SkippedFile(path, "is not used: the class map is that of the whole or of train", "foreign")
        for path in maps.values()
        if path != class_map
    ]
    return FolderScan(list(classes), paths, names, skipped, class_map, sides)


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
        return [p for files, _ in parts for p in files], [s for _, left in parts for s in left]
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(f"a path must be a string or Path, not {type(source).__name__}")
    path = os.fspath(source)
    skipped: list[SkippedFile] = []
    if not os.path.lexists(path):
        reason = "no such file or folder"
    elif not os.path.isdir(path):
        return [path], []
    elif found := _files_below(path, skipped):
        return found, skipped
    else:
        reason = "the folder holds no files"
    if not skip_unusable:
        raise DataError(f"{path}: {reason}")
    return [], [*skipped, SkippedFile(path, reason)]


def _leads_around(entry: os.DirEntry[str], folder: str) -> bool:
    """Whether a link leads back to `folder`, which it lies in, or to one around it."""
    if not entry.is_symlink():
        return False
    inside, target = os.path.realpath(folder), os.path.realpath(entry.path)
    return os.path.commonpath([inside, target]) == target


def _files_below(folder: str, skipped: list[SkippedFile]) -> list[str]:
    """Regular files below `folder`, sorted by path; everything else goes to `skipped`."""
    from nncore import _core

    # What most class folders are, three times as fast; anything odd is for Python to judge.
    names = _core.plain_files(folder)
    if names is None:
        return list(_walk(folder, skipped))
    start = os.path.join(folder, "")
    return [start + name for name in names]


def _walk(folder: str, skipped: list[SkippedFile]) -> Iterator[str]:
    """`_files_below`, of whatever is there."""
    waiting = _entries(folder)[::-1]  # a stack: folders may be nested deeper than Python's calls
    while waiting:
        entry = waiting.pop()
        if _is_hidden(entry.name):
            skipped.extend(_hidden(entry))
        elif entry.is_file(follow_symlinks=False):
            yield entry.path  # what nearly all are, told without asking the system again
        elif entry.is_dir(follow_symlinks=False):
            waiting += _entries(entry.path)[::-1]
        elif _leads_to(entry, stat.S_ISDIR):
            skipped.append(
                SkippedFile(entry.path, "is a link to a folder, which is not followed", "foreign")
            )
        elif entry.is_symlink() or _leads_to(entry, stat.S_ISREG):
            # A link that leads nowhere is kept: decoding reports it as a missing image.
            yield entry.path
        else:
            skipped.append(SkippedFile(entry.path, "is not a regular file", "foreign"))


def _hidden(entry: os.DirEntry[str]) -> Iterator[SkippedFile]:
    """Every file in a hidden place, so that the count is right."""
    if not entry.is_dir(follow_symlinks=False):
        yield SkippedFile(entry.path, "is hidden", "hidden")
        return
    for place, folders, names in os.walk(entry.path):
        folders.sort()
        for name in sorted(names):
            yield SkippedFile(os.path.join(place, name), "is in a hidden folder", "hidden")


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _leads_to(entry: os.DirEntry[str], kind: Callable[[int], bool]) -> bool:
    """What is found when links are followed; False for links in a circle or to nowhere."""
    try:
        return kind(entry.stat().st_mode)
    except OSError:
        return False


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What a folder holds, sorted by name, so that no order depends on the file system."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=_by_name)
    except FileNotFoundError:
        raise DataError(f"{folder}: no such folder") from None
    except NotADirectoryError:
        raise DataError(f"{folder}: is a file, not a folder") from None
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error
