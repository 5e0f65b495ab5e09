"""What was probably meant by a path where nothing is."""

from __future__ import annotations

import difflib
import itertools
import os
from collections.abc import Iterable, Iterator

from nncore.arguments import did_you_mean
from nncore.files.home import at_home

_MOST_SIBLINGS = 10_000  # that are compared: more take longer than a reader waits
_MOST = 3
_ALIKE = 0.65  # two letters of three that have changed places are alike


def path_meant(path: str | os.PathLike[str]) -> str:
    """``"; did you mean photos/?"`` of a path where nothing is: what is there
    by names like its own, the most alike first; empty where there is none."""
    return did_you_mean([_shown(near) for near in near_paths(path)])


def near_paths(path: str | os.PathLike[str]) -> list[str]:
    """The same as paths, at most three."""
    text = at_home(path)
    if not text or "\0" in text or os.path.lexists(text):
        return []
    folder, missing = text.rstrip(os.sep), list[str]()
    while folder and not os.path.isdir(folder):
        folder, name = os.path.split(folder)
        if not name:
            return []
        missing.insert(0, name)
    if os.path.lexists(os.path.join(folder, missing[0])):  # a file, or a link that leads nowhere
        return []
    return list(itertools.islice(_found(folder, missing), _MOST))


def _found(folder: str, parts: list[str]) -> Iterator[str]:
    """What is there, with names like these parts, one within the other."""
    if not parts:
        yield folder
        return
    exact = os.path.join(folder, parts[0])
    if os.path.lexists(exact):
        yield from _found(exact, parts[1:])
    else:
        for name in _near(folder, parts[0]):
            yield from _found(os.path.join(folder, name), parts[1:])


def _near(folder: str, name: str) -> list[str]:
    """Names in a folder that are like one, which is not there; the most alike first."""
    try:
        there = [one for one in sorted(os.listdir(folder or ".")) if not one.startswith(".")]
    except OSError:
        return []
    if len(there) > _MOST_SIBLINGS:
        return []
    return alike(name, there)


def alike(name: str, names: Iterable[str]) -> list[str]:
    """Those of some names of files that are like one, the most alike first, at most three.

    Endings that are equal say nothing: net.onnx is not like all.onnx.
    """
    stem, ending = os.path.splitext(name.casefold())
    of_stem: dict[str, list[str]] = {}
    for one in names:
        own_stem, own_ending = os.path.splitext(one.casefold())
        key = own_stem if own_ending == ending else own_stem + own_ending
        of_stem.setdefault(key, []).append(one)
    near = difflib.get_close_matches(stem, of_stem, _MOST, _ALIKE)
    near += difflib.get_close_matches(stem + ending, of_stem, _MOST, _ALIKE)
    return [one for key in dict.fromkeys(near) for one in of_stem[key]][:_MOST]


def _shown(path: str) -> str:
    return os.path.join(path, "") if os.path.isdir(path) else path
