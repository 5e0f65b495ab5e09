"""The parts of a multipart body (RFC 7578, RFC 2046) that is in memory as a whole.

Whatever is not as these say is refused: a guess about where one file ends and the next begins would
be a hole. Names are text to show, never a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_PARAMETER = re.compile(r';\s*([\w!#$%&\'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*)\s*')
_MOST_HEADER_BYTES = 8192
_LONGEST_NAME = 255


class MultipartError(ValueError):
    """The body is not what its content type says."""


class TooManyPartsError(ValueError):
    """More parts than allowed."""


@dataclass(frozen=True)
class Part:
    """One part: the name of its field, that of its file (None: it is no file), and the bytes."""

    field: str
    filename: str | None
    content: memoryview


def boundary_of(content_type: str) -> bytes:
    """The boundary that a content type of multipart names; MultipartError without one."""
    found = _parameters(content_type.partition(";")[2]).get("boundary", "")
    if not _BOUNDARY.fullmatch(found):
        raise MultipartError("the content type is multipart, but names no valid boundary")
    return found.encode("ascii")


def parts_of(body: bytes, boundary: bytes, most: int) -> list[Part]:
    """All parts, `most` at the most.

    Raises
    ------
    MultipartError
        The body is cut off, or not multipart.
    TooManyPartsError
        There are more.
    """
    return list(_parts(body, boundary, most))


def _parts(body: bytes, boundary: bytes, most: int) -> Iterator[Part]:
    view, line = memoryview(body), b"--" + boundary
    # A preamble may stand before the first boundary, which begins a line.
    start = 0 if body.startswith(line) else body.find(b"\r\n" + line) + 2
    if start == 1:
        raise MultipartError("the boundary that the content type names is nowhere in the body")
    count, position = 0, start + len(line)
    while True:
        ending = body[position : position + 2]
        if ending == b"--":
            return
        # Spaces may follow a boundary.
        after = body.find(b"\r\n", position, position + 256)
        if after < 0 or body[position:after].strip(b" \t"):
            raise MultipartError("a boundary is not followed by the end of its line")
        count += 1
        if count > most:
            raise TooManyPartsError(f"more than {most} parts")
        # The line end that closes the headers may be the one that opens them: no headers.
        headers_end = body.find(b"\r\n\r\n", after, after + 4 + _MOST_HEADER_BYTES)
        if headers_end < 0:
            raise MultipartError("a part has no end of its headers, or too long ones")
        content = headers_end + 4
        end = body.find(b"\r\n" + line, content - 2)
        if end < 0:
            raise MultipartError("the body ends within a part: it was cut off")
        yield _part(body[after + 2 : headers_end], view[content : max(content, end)])
        position = end + 2 + len(line)


def _part(headers: bytes, content: memoryview) -> Part:
    for line in headers.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or not name.strip() or name != name.strip():
            raise MultipartError("a part has a header line without a name")
        if name.lower() == b"content-disposition":
            text = value.decode("utf-8", "replace").strip()
            kind, _, rest = text.partition(";")
            if kind.strip().lower() != "form-data":
                break
            found = _parameters(rest)
            filename = found.get("filename")
            return Part(
                shown_name(found.get("name", "")),
                None if filename is None else shown_name(filename),
                content,
            )
    raise MultipartError("a part has no header 'Content-Disposition: form-data'")


def _parameters(text: str) -> dict[str, str]:
    """`a=b; c="d"` by names in lower case; the first of equal ones counts."""
    found: dict[str, str] = {}
    position, text = 0, ";" + text.strip()
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise MultipartError("parameters of a header cannot be read")
        name, value = match.groups()
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1]) if name != "filename" else value[1:-1]
            # Browsers write so what would end the quotes or the line.
            value = value.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
        found.setdefault(name.lower(), value)
        position = match.end()
    return found


def shown_name(name: str) -> str:
    """The last part of a name, without what is no letter on a line: a text for people."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter for letter in last if letter.isprintable())[:_LONGEST_NAME]
