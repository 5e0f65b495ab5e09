"""Progressive JPEGs that go over their picture for ever: a few bytes and much time each."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from nncore import _core
from nncore.data.pictures.decode import BrokenImageError, decode_image
from nncore.data.pictures.jpeg_scans import MOST_SCANS, has_too_many_scans
from nncore.data.preprocessing import Preprocessing

PLAN = Preprocessing(8, 8, "gray")


def scans(count: int) -> bytes:
    """A gray picture of 16 x 16 pixels whose blocks end at once in each of so many scans."""
    stream = io.BytesIO()
    Image.new("L", (16, 16), 90).save(stream, "JPEG", progressive=True)
    whole = stream.getvalue()
    first = whole.index(b"\xff\xda")
    # A code of one bit, "the next four blocks and more end here", and a scan of all but the mean.
    code = b"\xff\xc4" + struct.pack(">H", 20) + b"\x10" + bytes([1] + [0] * 15) + b"\x20"
    scan = b"\xff\xda" + struct.pack(">H", 8) + bytes([1, 1, 0, 1, 63, 0]) + b"\x1f"
    mean = bytearray(whole[first : whole.index(b"\xff", first + 2)])
    mean[9] = 0  # all bits of it at once, so that nothing is left out
    return whole[:first] + bytes(mean) + code + (count - 1) * scan + b"\xff\xd9"


def test_as_many_scans_as_any_encoder_makes():
    data = scans(MOST_SCANS)
    assert not has_too_many_scans(data)
    assert np.ptp(decode_image(data, PLAN)) == 0
    if _core.info()["libjpeg"]:
        assert _core.plain_jpeg(data, 256, 256, 0, False) is not None


def test_too_many_are_refused():
    data = scans(MOST_SCANS + 1)
    with pytest.raises(BrokenImageError, match="more than 100 scans"):
        decode_image(data, PLAN)
    assert _core.plain_jpeg(data, 256, 256, 0, False) is None


def test_what_only_looks_like_scans_is_not_counted():
    plain = scans(10)
    note = b"\xff\xfe" + struct.pack(">H", 2 + 400) + 200 * b"\xff\xda"
    assert not has_too_many_scans(plain[:2] + note + plain[2:])
    assert not has_too_many_scans(plain + 200 * b"\xff\xda")  # behind its end
    assert has_too_many_scans(plain[:2] + note + scans(200)[2:])
