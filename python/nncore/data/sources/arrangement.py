"""What the sub-folders of a folder are: classes, or parts that hold a folder per class each.

Names and content are looked at together. What they leave open is refused, with the words by which
a person says it; nothing is guessed in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from nncore.data.labels.class_map import canonical_name
from nncore.data.labels.parts import FolderName, part_of
from nncore.data.sources.entries import Level, Place
from nncore.errors import DataError
from nncore.files.file_names import as_text

# Beside others, these are things of their own: a train beside a bus, valid tickets beside invalid.
_ALSO_CLASSES = ("train", "training", "valid")


@dataclass(frozen=True)
class Arrangement:
    """What the sub-folders of one folder are.

    Attributes
    ----------
    outer
        The folder, or the one that is all it holds, in which they lie.
    classes
        Those that are classes.
    parts
        Those that hold a folder per class, with the part of the split ("train", "val", "test"), or
        None where they are portions of one set of images.
    inside
        Whether the sub-folders of the classes are the parts.
    left_out
        Those that are neither, with the reason.
    notes
        What a person may want to say otherwise.
    """

    outer: Level
    classes: list[Place] = field(default_factory=list)
    parts: list[tuple[Place, str | None]] = field(default_factory=list)
    inside: bool = False
    left_out: list[tuple[Place, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def arrangement_of(root: Place, known: Collection[str], layout: str) -> Arrangement:
    """What the sub-folders of `root` are, by a `LAYOUTS` word and the names of known classes.

    Raises
    ------
    DataError
        It is not clear, or they are no parts of a split where it was said that they are.
    """
    if layout == "classes":
        return Arrangement(root.level, classes=root.level.folders)
    outer, passed = _outermost(root, known)
    said = layout == "parts"
    notes = [f"{root.path}: the images are read from {outer.path}"] if passed and not said else []
    found = _View(outer, known, said).arranged()
    return Arrangement(
        outer.level,
        found.classes,
        found.parts,
        found.inside,
        found.left_out,
        notes + found.notes,
    )


def class_level(part: Place, classes: Collection[str]) -> Level:
    """The level of a part that holds its classes: where all it holds is one folder of folders, or
    of its own name ("seg_train/seg_train"), what that holds. `classes` are names of known ones.
    """
    place = part
    while len(place.folders) == 1 and not place.holds_pictures:
        only = place.folders[0]
        if only.name in classes or not (only.folders or _same_name(only, part)):
            break
        place = only
    return place.level


def _same_name(one: Place, other: Place) -> bool:
    return one.name.casefold() == other.name.casefold()


def _outermost(root: Place, known: Collection[str]) -> tuple[Place, bool]:
    """Through folders that hold one folder of folders and nothing else that counts."""
    place, passed = root, False
    while len(place.folders) == 1 and not place.holds_pictures:
        only = place.folders[0]
        if part_of(only.name) or _canonical(only) in known or not only.folders:
            break
        place, passed = only, True
    return place, passed


class _View:
    """The sub-folders of one folder, sorted by what their names and their content say."""

    def __init__(self, outer: Place, known: Collection[str], said: bool) -> None:
        self.outer, self.known, self.said = outer, known, said
        self.all = outer.folders
        self.names = {place.name: FolderName.of(place.name) for place in self.all}
        self.nested = [place for place in self.all if place.folders]
        self.named = [place for place in self.all if self._is_named(place)]
        self.unlabelled = [p for p in self.all if self._is(p, "unlabelled")]
        self.predicted = [p for p in self.all if self._is(p, "predicted")]
        taken = {p.name for p in (*self.named, *self.unlabelled, *self.predicted)}
        self.others = [place for place in self.all if place.name not in taken]

    def _is(self, place: Place, what: str) -> bool:
        return place not in self.named and getattr(self.names[place.name], what)

    def _is_named(self, place: Place) -> bool:
        """Whether it is called after a part; with further words, if another one has them, too."""
        name = self.names[place.name]
        if name.part is None or name.unlabelled or name.predicted:
            return False
        companions = [n for other, n in self.names.items() if other != place.name]
        return not name.stem or any(
            n.stem == name.stem and n.part != name.part and (n.part or n.predicted or n.unlabelled)
            for n in companions
        )

    def part(self, place: Place) -> str:
        return self.names[place.name].part or ""

    def arranged(self) -> Arrangement:
        if self.all and all(_canonical(place) in self.known for place in self.all):
            return self._classes()
        if self.said or self._said_by_the_map():
            return self._as_said()
        nested = [place for place in self.named if place.folders]
        parts = {self.part(place) for place in self.named}
        if not self.others:
            return self._split() if self.named else self._unnamed()
        if not self.named:
            return self._unnamed()
        if nested:
            return self._beside(nested)
        if len(parts) > 1:
            self._ask(
                f"{_listed(self.named)} are called as parts are, but hold no folder per class"
            )
        strong = [p for p in self.named if p.name.strip().lower() not in _ALSO_CLASSES]
        if strong:
            self._ask(f"{_listed(strong)} is called as a part of a split is")
        return self._unnamed()

    def _said_by_the_map(self) -> bool:
        """Whether all folders one level down are known classes, and none here is."""
        known = set(self.known)
        here = {_canonical(place) for place in self.all}
        return bool(self.nested) and self._inner(self.nested) <= known and not here & known

    # Parts of a split

    def _split(self, left_out: Iterable[tuple[Place, str]] = ()) -> Arrangement:
        """Those that are called after parts are parts; others have no label."""
        spelled = [f"{p.name} as {self.part(p)}" for p in self.named if part_of(p.name) is None]
        left = [*left_out, *_without_labels([*self.unlabelled, *self.predicted])]
        self._check_parts()
        notes = []
        if spelled and not self.said:
            notes.append(
                f"{self.outer.path}: its sub-folders are parts of a split ({', '.join(spelled)}); "
                f"if they are classes, say {_flag('classes')}"
            )
        notes += self._left_out_note(left)
        parts: list[tuple[Place, str | None]] = [(p, self.part(p)) for p in self.named]
        return Arrangement(self.outer.level, parts=parts, left_out=left, notes=notes)

    def _check_parts(self) -> None:
        where, names = self.outer.path, ", ".join(place.name for place in self.named)
        first: dict[str, Place] = {}
        for place in self.named:
            one, other = first.setdefault(self.part(place), place), place
            if one is other:
                continue
            a, b = self.names[one.name], self.names[other.name]
            if a.stem != b.stem or not a.numbers or not b.numbers:
                raise DataError(
                    f"{where}: the sub-folders {one.name!r} and {other.name!r} are both the part "
                    f"{self.part(place)!r} of a split; join them, or give one of them "
                    f"({_flag('classes')} if they are classes)"
                )
        if "train" not in first:
            raise DataError(
                f"{where}: its sub-folders ({names}) are parts of a split without training images; "
                f"give one of them, for example {self.named[0].path} ({_flag('classes')} if they "
                "are classes)"
            )
        if not any(p.folders for p in self.named if self.part(p) == "train"):
            raise DataError(
                f"{where}: its sub-folders ({names}) are parts of a split, but "
                f"{first['train'].path} has no sub-folder per class; make one, or give a table "
                f"with the columns path, label and split ({_flag('classes')} if they are classes)"
            )

    def _beside(self, nested: Sequence[Place]) -> Arrangement:
        """Some sub-folders are called after parts and hold folders, and there are others."""
        empty = [p for p in self.others if not p.folders and not p.holds_pictures]
        rest = [p for p in self.others if p not in empty]
        reason = "is beside the parts of a split and holds no folder per class"
        parts = {self.part(place) for place in nested}
        if not rest or ("train" in parts and len(parts) > 1 and not any(p.folders for p in rest)):
            return self._split((p, reason) for p in self.others)
        repeated = self._inner(nested) & (self._inner(rest) | {p.name for p in rest})
        flat = [p for p in rest if not p.folders]
        if repeated or flat or len(parts) > 1:
            self._ask(
                f"{_listed(nested)} {'is' if len(nested) == 1 else 'are'} called as parts are, "
                f"{_listed(rest)} {'is' if len(rest) == 1 else 'are'} not"
            )
        return self._classes(
            f"{_listed(nested)} {'is' if len(nested) == 1 else 'are'} taken for a class, as "
            f"{_listed(rest)} are"
        )

    # Other sub-folders

    def _unnamed(self) -> Arrangement:
        """No sub-folder is called after a part, or what is called so is a class beside others."""
        if self.predicted:
            self._ask(f"{_listed(self.predicted)} is called after pictures without a label")
        labelled = [p for p in self.all if p not in self.unlabelled]
        siblings = {place.name for place in labelled}
        for place in self.nested:
            again = siblings.intersection(inner.name for inner in place.folders)
            if again - {place.name}:
                self._ask(f"{place.name!r} holds folders named as those beside it: {_few(again)}")
        flat = [place for place in labelled if not place.folders]
        level = not any(place.holds_pictures for place in self.nested)
        if len(self.nested) < 2 or not level:
            return self._classes()
        inner = Counter(_canonical(one) for place in self.nested for one in place.folders)
        repeated = [name for name, times in inner.items() if times > 1]
        if not repeated:
            return self._classes()
        if not flat and all(FolderName.of(n).part and not FolderName.of(n).stem for n in inner):
            return self._inside()
        if not flat and self._are_portions():
            return self._pooled()
        if 2 * len(repeated) >= len(inner):
            self._ask(f"each of {_listed(self.nested)} holds folders of one name: {_few(repeated)}")
        return self._classes(
            f"the classes are {_listed(labelled)}; some hold folders of one name ({_few(repeated)})"
        )

    def _are_portions(self) -> bool:
        names = [self.names[place.name] for place in self.nested]
        return (
            all(name.portion for name in names)
            and len({name.stem for name in names}) == 1
            and len({name.numbers for name in names}) == len(names)
        )

    def _inside(self) -> Arrangement:
        """The split lies within the classes: cats/train, cats/test, dogs/train, ..."""
        kept = [p for p in self.all if p not in self.unlabelled]
        left = _without_labels(self.unlabelled)
        notes = self._left_out_note(left)
        return Arrangement(self.outer.level, kept, inside=True, left_out=left, notes=notes)

    def _pooled(self, left_out: Iterable[tuple[Place, str]] = ()) -> Arrangement:
        left = [*left_out, *_without_labels([*self.unlabelled, *self.predicted])]
        gone = {place.name for place, _ in left}
        parts: list[tuple[Place, str | None]] = [
            (p, None) for p in self.nested if p.name not in gone
        ]
        notes = []
        if not self.said:
            notes.append(
                f"{self.outer.path}: {_listed([p for p, _ in parts])} are taken together, as "
                "portions of one set of images; to keep them apart give a table with a column "
                f"split or group (if they are classes, say {_flag('classes')})"
            )
        notes += self._left_out_note(left)
        return Arrangement(self.outer.level, parts=parts, left_out=left, notes=notes)

    def _classes(self, note: str | None = None) -> Arrangement:
        proved = all(_canonical(place) in self.known for place in self.all)
        left = [] if proved else _without_labels(self.unlabelled)
        gone = {place.name for place, _ in left}
        notes = [] if note is None else [self._otherwise(note)]
        notes += self._left_out_note(left)
        kept = [place for place in self.all if place.name not in gone]
        return Arrangement(self.outer.level, kept, left_out=left, notes=notes)

    def _as_said(self) -> Arrangement:
        """They are parts, as a person or a class map says."""
        if not self.nested:
            raise DataError(
                f"{self.outer.path}: {_flag('parts')} says that its sub-folders hold a folder per "
                f"class each, but there is none in {_listed(self.all)}"
            )
        if self.named:
            left = [(p, "is called after no part of a split") for p in self.others]
            return self._split(left)
        inner = self._inner(self.nested)
        if all(FolderName.of(n).part and not FolderName.of(n).stem for n in inner):
            return self._inside()
        return self._pooled((p, "holds no folder per class") for p in self.others if not p.folders)

    def _inner(self, places: Iterable[Place]) -> set[str]:
        return {_canonical(one) for place in places for one in place.folders}

    def _left_out_note(self, left: Sequence[tuple[Place, str]]) -> list[str]:
        if not left:
            return []
        are = "is" if len(left) == 1 else "are"
        return [
            f"{self.outer.path}: {_listed([p for p, _ in left])} {are} left out, since the label "
            f"is not known (if {'it is a class' if are == 'is' else 'they are classes'}, say "
            f"{_flag('classes')})"
        ]

    def _otherwise(self, note: str) -> str:
        return f"{self.outer.path}: {note}; if they are parts of one set, say {_flag('parts')}"

    def _ask(self, reason: str) -> NoReturn:
        """Raise the error that says what is open, and how to say what is meant."""
        if self.nested:
            inner = sorted(self._inner(self.nested))
            parts = f"{_flag('parts')} if they are parts: the classes are then {_few(inner)}"
        else:
            parts = "move elsewhere what is none"
        raise DataError(
            f"{self.outer.path}: it is not clear whether its sub-folders are classes: {reason}. "
            f"Say {_flag('classes')} (in Python layout='classes') if they are: the classes are "
            f"then {_few([p.name for p in self.all])}; or {parts}"
        )


def _flag(word: str) -> str:
    return f"--layout {word}"


def _without_labels(places: Iterable[Place]) -> list[tuple[Place, str]]:
    return [(place, "is in a folder of pictures without labels") for place in places]


def _canonical(place: Place) -> str:
    try:
        return canonical_name(as_text(place.name))
    except ValueError:
        return place.name  # it is refused where it becomes a class


def _listed(places: Sequence[Place]) -> str:
    return _few([place.name for place in places])


def _few(names: Iterable[str], most: int = 6) -> str:
    listed = sorted(names)
    rest = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(map(repr, listed[:most])) + rest
