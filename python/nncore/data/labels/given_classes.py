"""Classes as people give them, and whether they agree with what is found."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from nncore.data.labels.class_map import ClassMap, list_names
from nncore.errors import DataError

Classes = ClassMap | str | os.PathLike[str] | Sequence[str]


def as_class_map(classes: Classes) -> ClassMap:
    """A class map, the one in a file, or that of a list of names."""
    if isinstance(classes, ClassMap):
        return classes
    if isinstance(classes, (str, os.PathLike)):
        return ClassMap.read(classes)
    return ClassMap.from_names(classes)


def check_agreement(
    where: str,
    what: str,
    found: Collection[str],
    given: Classes,
    classes: ClassMap,
    allow_missing_classes: bool,
) -> None:
    """DataError that lists both sides unless the names `found` are those of the class map, which
    was made of what was `given`."""
    unknown = sorted(name for name in found if name not in classes)
    there = set(found)
    missing = [] if allow_missing_classes else [name for name in classes if name not in there]
    if unknown or missing:
        problems = []
        if unknown:
            problems.append(f"{what} of other names: {list_names(unknown)}")
        if missing:
            problems.append(f"classes without {what}: {list_names(missing)}")
        if isinstance(given, (str, os.PathLike)):
            known, listed = f"the class names in {os.fspath(given)}", "in that file"
        else:
            known, listed = "the known classes", "known classes"
        raise DataError(
            f"{where}: disagrees with {known}: {'; '.join(problems)} "
            f"({what}: {list_names(sorted(found))}; {listed}: {list_names(classes)})"
        )


def integers_as_names(labels: list[str], classes: ClassMap) -> list[str]:
    """Names of labels that are written as integers; unchanged when any of them is a name."""
    if any(label in classes for label in labels):
        return labels
    known = {str(label): name for label, name in enumerate(classes)}
    return [known.get(label, label) for label in labels]
