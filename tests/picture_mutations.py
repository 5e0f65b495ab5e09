"""PNG and JPEG files that are changed by their structure and not byte by byte.

A file is taken apart into its chunks or segments. These are left out, repeated, exchanged, renamed
and taken from other files; their fields leave their ranges, what is packed is changed before it is
packed. Checksums and lengths are mostly right again: what is checked later is reached, too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np

Rng = np.random.Generator
Part = tuple[bytes, bytes]  # name, content

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_NAMES = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"iCCP", b"zTXt", b"eXIf")
PNG_NAMES += (b"acTL", b"fcTL", b"fdAT", b"sRGB", b"abcd", b"ABCD", b"\0\0\0\0")
# SOF0 to SOF15, DHT, RST0, SOI, EOI, SOS, DQT, DRI, APP0, 1, 2, 14, COM, TEM, RES
JPEG_MARKERS = (0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA, 0xC4, 0xD0, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD)
JPEG_MARKERS += (0xE0, 0xE1, 0xE2, 0xEE, 0xFE, 0x01, 0x02)
EDGES = (0, 1, 2, 3, 4, 7, 8, 9, 16, 127, 128, 254, 255)


def png_parts(data: bytes) -> list[Part]:
    parts, at = [], len(PNG_SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        parts.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return parts


def jpeg_parts(data: bytes) -> list[Part]:
    """Segments, each by its marker; what is coded goes with the scan that it follows."""
    parts, at = [], 0
    while at < len(data):
        marker = data[at + 1]
        if marker in (0xD8, 0xD9):
            parts.append((bytes([marker]), b""))
            at += 2
            continue
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if marker == 0xDA:
            while data[end] != 0xFF or data[end + 1] == 0 or 0xD0 <= data[end + 1] < 0xD8:
                end += 1
        parts.append((bytes([marker]), data[at + 4 : end]))
        at = end
    return parts


class PictureMutator:
    """Makes files of others of one kind. The same for the same numbers of `rng`."""

    def __init__(self, files: Sequence[bytes], rng: Rng) -> None:
        self.rng = rng
        self.is_png = files[0].startswith(PNG_SIGNATURE)
        self.files = [(png_parts if self.is_png else jpeg_parts)(data) for data in files]
        assert [self._whole(parts) for parts in self.files] == list(files)

    def mutated(self) -> bytes:
        parts = list(self._choose(self.files))
        for _ in range(self._choose((1, 1, 1, 2, 3))):
            self._choose((self._order, self._content, self._content))(parts)
        data = bytearray(self._whole(parts, careless=self.rng.random() < 0.15))
        if self.rng.random() < 0.1:
            del data[self.rng.integers(len(data) + 1) :]
        if self.rng.random() < 0.1:
            data += self.rng.bytes(20)
        return bytes(data)

    def _choose(self, among: Sequence):
        return among[self.rng.integers(len(among))]

    def _order(self, parts: list[Part]) -> None:
        """Parts leave, come twice or from another file, change places or get other names."""
        if not parts:
            return
        at, other = self.rng.integers(len(parts), size=2)
        match self.rng.integers(6):
            case 0:
                del parts[at]
            case 1:
                parts[at:at] = [parts[other]] * self._choose((1, 2, 200))
            case 2:
                parts[at], parts[other] = parts[other], parts[at]
            case 3:
                names = PNG_NAMES if self.is_png else [bytes([m]) for m in JPEG_MARKERS]
                parts[at] = self._choose(names), parts[at][1]
            case 4:
                parts.insert(at, self._choose(self._choose(self.files)))
            case _:
                name, content = parts[at]
                cut = self.rng.integers(len(content) + 1)
                parts[at : at + 1] = [(name, content[:cut]), (name, content[cut:])]

    def _content(self, parts: list[Part]) -> None:
        if not parts:
            return
        at = int(self.rng.integers(len(parts)))
        name, content = parts[at]
        if name == b"IDAT" and self.rng.random() < 0.7:
            parts[at] = name, self._packed(content)
        else:
            parts[at] = name, self._bytes(content)

    def _packed(self, content: bytes) -> bytes:
        """Changed before it is packed; or so much of it that it must not be unpacked."""
        try:
            lines = zlib.decompress(content)
        except zlib.error:
            return self._bytes(content)
        if self.rng.random() < 0.02:
            return zlib.compress(bytes(1 << 24), 1)
        return zlib.compress(self._bytes(lines))

    def _bytes(self, content: bytes) -> bytes:
        data = bytearray(content)
        at = int(self.rng.integers(len(data) + 1))
        match self.rng.integers(6):
            case 0:
                data[at:at] = data[: self.rng.integers(len(data) + 1)]
            case 1:
                del data[at : at + 1 + self.rng.integers(4)]
            case 2:  # a field of two or four bytes
                size = self._choose((2, 4))
                value = self._choose((0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1))
                data[at : at + size] = (value % 256**size).to_bytes(size, "big")
            case 3:
                data[at : at + 1] = bytes([self.rng.integers(256)])
            case _:
                data[at : at + 1] = bytes([self._choose(EDGES)])
        return bytes(data)

    def _whole(self, parts: Sequence[Part], careless: bool = False) -> bytes:
        write: Callable[[Part, int], bytes] = self._chunk if self.is_png else self._segment
        spoiled = int(self.rng.integers(len(parts))) if careless and parts else -1
        data = [write(part, int(number == spoiled)) for number, part in enumerate(parts)]
        return (PNG_SIGNATURE if self.is_png else b"") + b"".join(data)

    def _chunk(self, part: Part, spoiled: int) -> bytes:
        name, content = part
        check = zlib.crc32(name + content) ^ spoiled
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    def _segment(self, part: Part, spoiled: int) -> bytes:
        marker, content = part
        if marker in (b"\xd8", b"\xd9") and not content:
            return b"\xff" + marker
        # What is coded behind the header of a scan is not counted.
        length = 2 + len(content)
        if marker == b"\xda" and content:
            length = min(length, 6 + 2 * content[0])
        return b"\xff" + marker + struct.pack(">H", (length + spoiled) % 2**16) + content
