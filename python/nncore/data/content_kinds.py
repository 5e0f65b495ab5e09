"""What a file is that is no picture and no table, told by its content: for messages."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """`name` with its article, and what to do with it instead."""

    name: str
    advice: str


_UNPACK = "unpack it, and give the folder that has a sub-folder of pictures per class"
_SAVE_AS_CSV = "save its sheet as CSV (UTF-8) with the columns path and label, and give that"
_EXPORT = (
    "write the pictures into a folder with a sub-folder per class, or give arrays to "
    "nncore.ImageDataset.from_arrays"
)
_GIVE_DATA = "give the folder or table of the labelled pictures"
_MAKE_TABLE = "make it a .csv with the columns path and label, or sort the pictures into folders"

_ARCHIVES = {
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\0": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a rar archive",
}
_OTHERS = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": Kind("an old Excel or Office file", _SAVE_AS_CSV),
    b"\x93NUMPY": Kind("a NumPy array", _EXPORT),
    b"\x89HDF\r\n\x1a\n": Kind("an HDF5 file", _EXPORT),
    b"PAR1": Kind("a Parquet table", _MAKE_TABLE),
    b"SQLite format 3\0": Kind("an SQLite database", _MAKE_TABLE),
    b"%PDF-": Kind("a PDF document", _GIVE_DATA),
}
_ZIP = b"PK\x03\x04"
# What the names in a zip begin with where it is more than that.
_IN_ZIP = (
    ("xl/", Kind("an Excel workbook (xlsx)", _SAVE_AS_CSV)),
    ("word/", Kind("a Word document", _GIVE_DATA)),
    ("ppt/", Kind("a PowerPoint file", _GIVE_DATA)),
    ("content.xml", Kind("an OpenDocument file, such as a spreadsheet", _SAVE_AS_CSV)),
    ("Index/", Kind("a file of Apple's Numbers or Pages", _SAVE_AS_CSV)),
)
# The first line of TOML or INI; JSON has no word in brackets.
_SECTION = re.compile(rb"\[\[?[A-Za-z_][\w. -]*\]\]?")
SAFETENSORS = Kind("a model file (safetensors)", _GIVE_DATA)


def kind_of(content: bytes) -> Kind | None:
    """Of a file's content, or its beginning; None for text, pictures and what is not known."""
    if content.startswith(_ZIP):
        return _zip_kind(content)
    for start, name in _ARCHIVES.items():
        if content.startswith(start):
            return Kind(name, _UNPACK)
    if content[257:262] == b"ustar":
        return Kind("a tar archive", _UNPACK)
    for start, kind in _OTHERS.items():
        if content.startswith(start):
            return kind
    if content[8:9] == b"{" and 0 < int.from_bytes(content[:8], "little") < 1 << 32:
        return SAFETENSORS
    if content[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return Kind("a pickle of Python", _EXPORT)
    if content[4:8] == b"ftyp" and content[8:12] in (b"isom", b"mp42", b"qt  ", b"M4V ", b"avc1"):
        return Kind("a film", "take pictures out of it, into a folder with a sub-folder per class")
    return None


def text_kind_of(content: bytes) -> Kind | None:
    """Of text that is no table."""
    first = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if first == b"<":
        return Kind("a web page or XML", _MAKE_TABLE)
    if first == b"[" and _SECTION.fullmatch(content.lstrip().split(b"\n", 1)[0].strip()):
        return Kind("a file of settings (TOML or INI)", _GIVE_DATA)
    return Kind("JSON", _MAKE_TABLE) if first in (b"{", b"[") else None


def _zip_kind(content: bytes) -> Kind:
    try:
        names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        names = []
    for start, kind in _IN_ZIP:
        if any(name.startswith(start) for name in names):
            return kind
    if any(name.endswith("data.pkl") for name in names):
        return Kind("a model file of PyTorch", _GIVE_DATA)
    if names and all(name.endswith(".npy") for name in names):
        return Kind("a file of NumPy arrays (npz)", _EXPORT)
    return Kind("a zip archive", _UNPACK)
