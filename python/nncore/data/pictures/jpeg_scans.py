"""How often a JPEG goes over its picture: a stranger may write thousands of scans."""

from __future__ import annotations

import re

# Encoders make a dozen. kMostScans of cpp/images/plain_jpeg.cpp is the same.
MOST_SCANS = 100

_START_OF_SCAN = b"\xff\xda"
_END, _STANDING_ALONE = 0xD9, (0x01, 0xD8)
# Within a scan a zero follows where 0xff is a number, and restarts belong to it.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")


def has_too_many_scans(data: bytes) -> bool:
    """Whether the first picture of a JPEG file has more than `MOST_SCANS` scans."""
    if data.count(_START_OF_SCAN) <= MOST_SCANS:  # pictures in the header are counted, too
        return False
    scans, at = 0, 2
    while scans <= MOST_SCANS:
        found = _MARKER.search(data, at)
        if found is None or found[1][0] == _END:
            return False
        at = found.end()
        if found[1][0] in _STANDING_ALONE:
            continue
        scans += found[0] == _START_OF_SCAN
        at += int.from_bytes(data[at : at + 2], "big")
    return True
