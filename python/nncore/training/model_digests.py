"""The digests by which every damaged byte of a model file is found.

A file is 8 bytes with the length of the header, the header (JSON), the tensors. The description
within the header begins with 64 digits: BLAKE2b-128 of the tensors, then of all that is before
them, with zeros in place of these last 32 digits. It says "sealed" in a second place, so that no
single flipped bit makes the file look like one that was written before there were digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

DIGESTS, SEALED = "digests", "sealed"
_HALF = 32
UNSEALED = "0" * 2 * _HALF
# As the description's JSON text stands within the JSON of the header.
_BEFORE = b'"nncore":"{\\"digests\\": \\"'


def sealed(data: bytes) -> bytes:
    """A model file whose description begins with the digests `UNSEALED`, with the right ones."""
    start = 8 + int.from_bytes(data[:8], "little")
    place = _place(data[:start])
    assert place is not None
    tensors = _digest(memoryview(data)[start:])
    header = data[:place] + tensors + data[place + _HALF : start]
    seal = _digest(header)
    middle = place + _HALF
    return b"".join((header[:middle], seal, header[middle + _HALF :], memoryview(data)[start:]))


def is_sealed(described: Mapping[str, Any]) -> bool:
    """Whether a file with this description carries digests."""
    return DIGESTS in described or SEALED in described


def header_is_whole(header: bytes) -> bool:
    """Whether all before the tensors (the length included) is what was written."""
    place = _place(header)
    if place is None:
        return False
    middle = place + _HALF
    seal = header[middle : middle + _HALF]
    return seal == _digest(header[:middle] + b"0" * _HALF + header[middle + _HALF :])


def tensors_are_whole(header: bytes, tensors: bytes | memoryview) -> bool:
    """Whether the tensors are those that the header tells of; it must be whole itself."""
    place = _place(header)
    return place is not None and header[place : place + _HALF] == _digest(tensors)


def _place(header: bytes) -> int | None:
    at = header.find(_BEFORE)
    return None if at < 0 else at + len(_BEFORE)


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=_HALF // 2).hexdigest().encode()
