"""Protocol buffers, taken apart without their package: fields by number, as they lie in the bytes.

Source of the encoding: protobuf.dev, "Encoding". Nothing here nests, so that no file can make it
recurse.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5

Message = bytes | memoryview


def messages(message: bytes | memoryview, number: int) -> list[memoryview]:
    return [
        value
        for field, value in fields(message)
        if field == number and isinstance(value, memoryview)
    ]


def fields(message: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: an int, or the bytes of what has a length."""
    view, position = memoryview(message), 0
    while position < len(view):
        tag, position = varint(view, position)
        kind = tag & 7
        if kind == VARINT:
            value, position = varint(view, position)
            yield tag >> 3, value
            continue
        if kind == BYTES:
            length, position = varint(view, position)
        elif kind in (FIXED_64, FIXED_32):
            length = 8 if kind == FIXED_64 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {position}")
        if length > len(view) - position:
            raise ValueError(f"ends within a field at byte {position}")
        yield tag >> 3, view[position : position + length]
        position += length


def varint(view: memoryview, position: int) -> tuple[int, int]:
    """The number at `position`, seven bits per byte, lowest first; and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(view):
            raise ValueError("ends within a number")
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError(f"a number without end at byte {position}")


def texts(message: Message, number: int) -> list[str]:
    """The strings of that field."""
    return [str(value, "utf-8") for value in messages(message, number)]


def text(message: Message, number: int) -> str:
    """The last string of that field; empty without one."""
    return (texts(message, number) or [""])[-1]


def integers(message: Message, number: int) -> list[int]:
    """The numbers int64 of that field, packed or one by one."""
    found: list[int] = []
    for field, value in fields(message):
        if field != number:
            continue
        if isinstance(value, int):
            found.append(signed(value))
            continue
        position = 0
        while position < len(value):
            one, position = varint(value, position)
            found.append(signed(one))
    return found


def integer(message: Message, number: int, default: int = 0) -> int:
    """The last number int64 of that field."""
    return (integers(message, number) or [default])[-1]


def floats(message: Message, number: int) -> list[float]:
    """The numbers float32 of that field, packed or one by one."""
    raw = b"".join(messages(message, number))
    if len(raw) % 4:
        raise ValueError(f"{len(raw)} bytes are no whole float32 numbers")
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def signed(value: int) -> int:
    """The int64 that a varint of ten bytes means."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
