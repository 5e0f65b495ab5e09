"""Refuse files that are neither a folder of classes nor a table, and say what they are."""

from __future__ import annotations

import os

from nncore.data.content_kinds import Kind, kind_of, text_kind_of
from nncore.data.pictures.decode import UnusableImageError
from nncore.data.pictures.facts import image_facts
from nncore.data.pictures.formats import WEAK
from nncore.errors import DataError
from nncore.files.regular_files import open_regular

# A zip's list of files is at its end; a longer one is a zip all the same.
_LOOKED_AT = 1 << 28


def refuse_wrong_kind(path: str | os.PathLike[str]) -> None:
    """DataError that says what a file is and what to do, unless it may be a table.

    A file that is missing or cannot be read is for whoever opens it to tell.
    """
    kind = file_kind(path)
    if kind is not None:
        raise DataError(f"{os.fspath(path)}: is {kind.name}, no table of pictures; {kind.advice}")


def file_kind(path: str | os.PathLike[str]) -> Kind | None:
    """What a file is by its content; None for a table, what is not known or cannot be read."""
    try:
        descriptor, _ = open_regular(path)
        with open(descriptor, "rb") as file:
            content = file.read(1 << 12)
            if content.startswith(b"PK"):
                content += file.read(_LOOKED_AT)
    except OSError:
        return None
    return kind_of(content) or text_kind_of(content) or _picture(path, content)


def _picture(path: str | os.PathLike[str], content: bytes) -> Kind | None:
    if not _is_binary(content):
        return None
    try:
        facts = image_facts(path)
    except UnusableImageError:
        return None
    if facts.format in WEAK:
        return None
    return Kind(
        f"a picture ({facts.format})",
        "give the folder that has a sub-folder of pictures per class (nncore predict names what "
        "is on a single picture)",
    )


def _is_binary(content: bytes) -> bool:
    """Whether it is no text: neither a table nor a fault in one."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start < len(content) - 4 or b"\0" in content  # a letter may be cut in two
    return b"\0" in content
