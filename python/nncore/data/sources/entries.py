"""What lies in folders, sorted by name; what is left out whatever it holds."""

from __future__ import annotations

import operator
import os
import stat
from collections.abc import Callable, Iterator
from functools import cached_property

from nncore.data.pictures.formats import IMAGE_EXTENSIONS
from nncore.data.skipped import SkippedFile
from nncore.data.sources.wrong_kind import refuse_wrong_kind
from nncore.errors import DataError
from nncore.files.near_paths import path_meant
from nncore.files.own_folders import LEFT_OUT, is_own_file, is_own_folder

CLASS_MAP_FILE = "classes.csv"

_by_name = operator.attrgetter("name")
_LOOKED_INTO = 5  # files without an image's name, to see whether a folder holds pictures


class Place:
    """A folder among others, and what it holds, each looked up once and when it is asked for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = os.path.basename(os.path.normpath(path))

    @cached_property
    def _plain(self) -> list[str] | None:
        from nncore import _core

        # What most class folders are, three times as fast; anything odd is for Python to judge.
        return _core.plain_files(self.path)

    def files(self, skipped: list[SkippedFile]) -> list[str]:
        """Regular files below, sorted by path; everything else goes to `skipped`."""
        if self._plain is None:
            return list(_walk(self.path, skipped))
        start = os.path.join(self.path, "")
        return [start + name for name in self._plain]

    @cached_property
    def is_own(self) -> bool:
        """Whether all that it holds was written by nncore."""
        return is_own_folder(self.path, self._plain)

    @property
    def left_out(self) -> SkippedFile:
        """The record of it as nncore's own."""
        return SkippedFile(self.path, LEFT_OUT, "own")

    @cached_property
    def level(self) -> Level:
        """What it holds itself."""
        return Level(self)

    @cached_property
    def folders(self) -> list[Place]:
        """The sub-folders."""
        return [] if self._plain is not None else self.level.folders

    @cached_property
    def holds_pictures(self) -> bool:
        """Whether pictures lie in it, beside its sub-folders."""
        return any_picture(self.level.loose)


class Level:
    """What one folder holds: sub-folders, its class map, other files, what is left out anyway."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.folders: list[Place] = []
        self.class_map: str | None = None
        self.loose: list[str] = []
        self.skipped: list[SkippedFile] = []
        for entry in _entries(place.path):
            if _is_hidden(entry.name):
                self.skipped.extend(_hidden(entry))
            elif not entry.is_file(follow_symlinks=False) and _leads_to(entry, stat.S_ISDIR):
                if _leads_around(entry, place.path):
                    self.skipped.append(
                        SkippedFile(entry.path, "is a link to a folder that it lies in", "foreign")
                    )
                elif (inner := Place(entry.path)).is_own:
                    self.skipped.append(inner.left_out)
                else:
                    self.folders.append(inner)
            elif entry.name == CLASS_MAP_FILE:
                self.class_map = entry.path
            elif is_own_file(entry.path):
                self.skipped.append(SkippedFile(entry.path, LEFT_OUT, "own"))
            else:
                self.loose.append(entry.path)


def any_picture(files: list[str]) -> bool:
    """Whether one of some files is a picture, by its name, or else by the first headers."""
    from nncore.data.pictures.decode import UnusableImageError
    from nncore.data.pictures.facts import image_facts

    if any(os.path.splitext(file)[1].lower() in IMAGE_EXTENSIONS for file in files):
        return True
    for file in files[:_LOOKED_INTO]:
        try:
            image_facts(file)
        except UnusableImageError:
            continue
        return True
    return False


def _leads_around(entry: os.DirEntry[str], folder: str) -> bool:
    """Whether a link leads back to `folder`, which it lies in, or to one around it."""
    if not entry.is_symlink():
        return False
    inside, target = os.path.realpath(folder), os.path.realpath(entry.path)
    try:
        return os.path.commonpath([inside, target]) == target
    except ValueError:  # on two drives
        return False


def _walk(folder: str, skipped: list[SkippedFile]) -> Iterator[str]:
    """`Place.files`, of whatever is there."""
    waiting = _entries(folder)[::-1]  # a stack: folders may be nested deeper than Python's calls
    while waiting:
        entry = waiting.pop()
        if _is_hidden(entry.name):
            skipped.extend(_hidden(entry))
        elif entry.is_file(follow_symlinks=False):
            yield entry.path  # what nearly all are, told without asking the system again
        elif entry.is_dir(follow_symlinks=False):
            if (inner := Place(entry.path)).is_own:
                skipped.append(inner.left_out)
            else:
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
        raise DataError(f"{folder}: no such folder{path_meant(folder)}") from None
    except NotADirectoryError:
        refuse_wrong_kind(folder)
        raise DataError(f"{folder}: is a file, not a folder") from None
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error
