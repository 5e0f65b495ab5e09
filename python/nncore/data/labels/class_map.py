"""Class names and their integer labels: one ordered list, three file formats."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.arguments import check_int, check_sequence
from nncore.data.labels.encoding import check_labels, integer_labels
from nncore.errors import DataError
from nncore.files.atomic import atomic_write_text
from nncore.files.near_paths import path_meant
from nncore.files.regular_files import read_regular

FORMATS = (".csv", ".txt", ".json")
_LARGEST_TEXT = 1 << 30  # bytes of a table
_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")


def canonical_name(name: str) -> str:
    """The one spelling of a class name: Unicode NFC, no surrounding white space.

    macOS stores "é" in folder names as two code points and spreadsheets as one; compared raw, two
    names that look the same would be two classes.

    Raises
    ------
    TypeError
        `name` is not a string.
    ValueError
        Nothing is left, or the name holds control characters or bytes that are not UTF-8.
    """
    if not isinstance(name, str):
        raise TypeError(f"a class name must be a string, not {type(name).__name__} ({name!r})")
    result = unicodedata.normalize("NFC", name.strip())
    if not result:
        raise ValueError(f"class name {name!r} is empty")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in result):
        raise ValueError(
            f"class name {name!r} holds control characters or bytes that are not UTF-8; rename it"
        )
    return result


def sort_class_names(names: Iterable[str]) -> list[str]:
    """Sort names: as numbers when every one is an integer ("2" before "10"), else as text."""
    listed = list(names)
    if listed and all(_INTEGER.fullmatch(name) for name in listed):
        return sorted(listed, key=lambda name: (int(name), name))
    return sorted(listed)


@dataclass(frozen=True, repr=False)
class ClassMap:
    """Class names in the order of their labels 0..K-1.

    Parameters
    ----------
    names
        K >= 1 different names; they are brought to their canonical spelling (NFC, stripped).

    Raises
    ------
    TypeError
        A name is not a string, or `names` is one string.
    ValueError
        No name at all, an empty name, or a name twice.
    """

    names: tuple[str, ...]
    _labels: dict[str, int] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.names, str):
            raise TypeError(f"names must be a sequence of strings, not the string {self.names!r}")
        labels: dict[str, int] = {}
        for position, raw in enumerate(self.names):
            name = canonical_name(raw)
            if name in labels:
                raise ValueError(
                    f"class name {name!r} stands twice, at positions {labels[name]} and "
                    f"{position}; every class needs its own name"
                )
            labels[name] = position
        if not labels:
            raise ValueError("class names: at least one is needed, got none")
        object.__setattr__(self, "names", tuple(labels))
        object.__setattr__(self, "_labels", labels)

    @classmethod
    def from_names(cls, names: Iterable[str]) -> ClassMap:
        """Class map with the names in the given order: the first is label 0."""
        check_sequence("names", names)
        return cls(names if isinstance(names, str) else tuple(names))  # type: ignore[arg-type]

    @classmethod
    def from_folder_names(cls, names: Iterable[str]) -> ClassMap:
        """Class map of folder names, in the order of `sort_class_names`."""
        return cls(tuple(sort_class_names(canonical_name(name) for name in names)))

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and unicodedata.normalize("NFC", name.strip()) in self._labels

    def __repr__(self) -> str:
        shown = ", ".join(f"{label}: {name!r}" for label, name in enumerate(self.names[:12]))
        return f"ClassMap({shown}{', ...' if len(self.names) > 12 else ''})"

    def index(self, name: str) -> int:
        """Label of a class name; ValueError, listing the known names, if there is none."""
        label = self._labels.get(canonical_name(name))
        if label is None:
            raise ValueError(f"unknown class name {name!r}; the classes are {list_names(self)}")
        return label

    def name(self, index: int) -> str:
        """Name of a label; ValueError if it is outside 0..K-1, TypeError if not an integer."""
        return self.names[check_int("index", index, 0, len(self.names) - 1)]

    def encode(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Labels, int32 (N,), of N class names; ValueError names the first unknown one."""
        if isinstance(names, str):
            raise TypeError(f"names must be a sequence of strings, not the string {names!r}")
        check_sequence("names", names)
        try:
            return np.fromiter(map(self._labels.__getitem__, names), np.int32, len(names))
        except (KeyError, TypeError):  # another spelling, or a mistake
            labels = self._labels_of(names)
            return np.fromiter(map(labels.__getitem__, names), np.int32, len(names))

    def _labels_of(self, names: Sequence[str]) -> dict[str, int]:
        """Label of every spelling of a name among `names`."""
        labels: dict[str, int] = {}
        for position, name in enumerate(names):
            if not isinstance(name, str) or name not in labels:
                try:
                    labels[name] = self.index(str(name) if isinstance(name, np.str_) else name)
                except ValueError as error:
                    raise ValueError(f"position {position}: {error}") from None
        return labels

    def decode(self, indices: ArrayLike) -> list[str]:
        """Names of N labels; ValueError names the first one outside 0..K-1."""
        labels = integer_labels(indices, "indices")
        check_labels(labels, len(self.names), "indices")
        return [self.names[label] for label in labels.tolist()]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> ClassMap:
        """Read a class map; the extension says the format.

        ``.csv`` has the header ``Label,Description`` and rows such as ``0,Cat`` (other columns
        are ignored, rows may stand in any order); ``.txt`` has one name per line, label 0 first;
        ``.json`` holds ``["Cat", "Dog"]``, ``{"0": "Cat"}`` or ``{"Cat": 0}``. UTF-8, with or
        without a byte order mark.

        Raises
        ------
        DataError
            The file is missing or not UTF-8; a name is empty or stands twice; labels are not
            exactly 0..K-1. The message names the file and, where there is one, the line.
        """
        file = Path(path)
        suffix = file.suffix.lower()
        if suffix not in FORMATS:
            raise DataError(
                f"{file}: class names are read from {', '.join(FORMATS)} files, not {file.suffix!r}"
            )
        text = read_text(file)
        parse = {".csv": _parse_csv, ".txt": _parse_txt, ".json": _parse_json}[suffix]
        return cls(_order(file, parse(file, text)))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the class map as ``.csv``, ``.txt`` or ``.json`` (a list), whole or not at all.

        Raises
        ------
        ValueError
            The extension is none of these.
        OSError
            The file cannot be written.
        """
        file = Path(path)
        suffix = file.suffix.lower()
        if suffix == ".csv":
            stream = io.StringIO()
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(("Label", "Description"))
            writer.writerows(enumerate(self.names))
            text = stream.getvalue()
        elif suffix == ".txt":
            text = "".join(f"{name}\n" for name in self.names)
        elif suffix == ".json":
            text = json.dumps(list(self.names), ensure_ascii=False, indent=2) + "\n"
        else:
            raise ValueError(
                f"{file}: class names are written as {', '.join(FORMATS)}, not {file.suffix!r}"
            )
        atomic_write_text(file, text)


def list_names(names: Iterable[str], limit: int = 20) -> str:
    """Names for an error message: quoted, comma-separated, cut after `limit`."""
    listed = list(names)
    rest = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(repr(name) for name in listed[:limit]) + rest


def read_text(file: Path, keep_odd_bytes: bool = False) -> str:
    """Text of a UTF-8 file, without byte order mark; DataError names the file and the line.

    Bytes that are not UTF-8 can be kept, as lone surrogates: file names may hold any.
    """
    try:
        data = read_regular(file, _LARGEST_TEXT)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file{path_meant(file)}") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    try:
        return data.decode("utf-8-sig", "surrogateescape" if keep_odd_bytes else "strict")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{file}, line {line}: not UTF-8 text; save the file as UTF-8") from None


# Each parser yields (place for messages, label, name).
_Entry = tuple[str, int, str]


def _parse_csv(file: Path, text: str) -> Iterator[_Entry]:
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        if header.count("label") != 1 or header.count("description") != 1:
            raise DataError(
                f"{file}, line 1: the header must be Label,Description; found {','.join(header)!r}"
            )
        label_column, name_column = header.index("label"), header.index("description")
        for row in reader:
            if not any(map(str.strip, row)):
                continue  # spreadsheets end a table in rows of commas
            place = f"line {reader.line_num}"
            if len(row) <= max(label_column, name_column):
                raise DataError(f"{file}, {place}: needs a label and a description; found {row}")
            yield place, _label(file, place, row[label_column]), row[name_column]
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: {error}") from None


def _parse_txt(file: Path, text: str) -> Iterator[_Entry]:
    # Blank lines at the end are the editor's; a blank line before a name would shift its label.
    lines = text.rstrip().split("\n") if text.strip() else []
    for label, line in enumerate(lines):
        yield f"line {label + 1}", label, line


def _parse_json(file: Path, text: str) -> Iterator[_Entry]:
    try:
        content: Any = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise DataError(f"{file}, line {error.lineno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # a number or a nesting beyond all measure
        raise DataError(f"{file}: not a list of class names: {error}") from None
    if isinstance(content, _Pairs):
        values = [value for _, value in content]
        if all(isinstance(value, str) for value in values):
            for key, value in content:
                yield f"entry {key!r}", _label(file, f"entry {key!r}", key), value
            return
        if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            for key, value in content:
                yield f"entry {key!r}", value, key
            return
    elif isinstance(content, list) and all(isinstance(name, str) for name in content):
        for label, name in enumerate(content):
            yield f"entry {label}", label, name
        return
    raise DataError(f'{file}: expected ["Cat", ...], {{"0": "Cat"}} or {{"Cat": 0}}')


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a key that stands twice is seen."""


def _label(file: Path, place: str, text: str) -> int:
    if not _INTEGER.fullmatch(text.strip()):
        raise DataError(f"{file}, {place}: the label must be an integer; found {text!r}")
    return int(text)


def _order(file: Path, entries: Iterable[_Entry]) -> tuple[str, ...]:
    """Names sorted by label, after checking that labels are 0..K-1 and all names differ."""
    names: dict[int, str] = {}
    places: dict[str, str] = {}
    label_places: dict[int, str] = {}
    for place, label, raw in entries:
        try:
            name = canonical_name(raw)
        except ValueError as error:
            raise DataError(f"{file}, {place}: {error}") from None
        if label < 0:
            raise DataError(f"{file}, {place}: the label {label} is negative; labels start at 0")
        if label in names:
            raise DataError(
                f"{file}, {place}: the label {label} stands twice (also {label_places[label]})"
            )
        if name in places:
            raise DataError(
                f"{file}, {place}: the class {name!r} stands twice (also {places[name]})"
            )
        names[label], places[name], label_places[label] = name, place, place
    if not names:
        raise DataError(f"{file}: holds no class")
    for expected, label in enumerate(sorted(names)):
        if label != expected:
            raise DataError(
                f"{file}, {label_places[label]}: the labels have a gap: {expected} is missing "
                f"before {label}; labels must be 0..{len(names) - 1}"
            )
    return tuple(names[label] for label in range(len(names)))
