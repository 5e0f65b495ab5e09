"""PNG and JPEG files that are changed by their structure: pictures or a reason, and the same by the
core and by Pillow.

    NNCORE_TEST_CALLS=20000 NNCORE_TEST_SEED=1 pytest tests/data/test_mutated_pictures.py

is the long form. `picture_mutations.py` says what is changed.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections import Counter

import numpy as np
import pytest
from PIL import Image

import limited_cases
from nncore.data.pictures import decode as decoding
from nncore.data.pictures.decode import UnusableImageError
from nncore.data.pictures.facts import image_facts
from nncore.data.pictures.request import Request
from nncore.errors import DataError
from picture_mutations import PictureMutator

pytestmark = pytest.mark.every_isa

CALLS = int(os.environ.get("NNCORE_TEST_CALLS", "400"))
SEED = int(os.environ.get("NNCORE_TEST_SEED", "0"))
MOST_PIXELS = 1 << 20


def files(kind: str) -> list[bytes]:
    """Of each mode and way of coding."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((24, 20))
    rgba = rgb.copy()
    rgba.putalpha(rgb.convert("L"))
    wide = Image.fromarray(rng.integers(0, 65536, (20, 24), dtype=np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    pictures: list[tuple[Image.Image, dict[str, object]]]
    if kind == "PNG":
        pictures = [(rgb.convert(mode), {}) for mode in ("L", "RGB", "LA", "1")]
        pictures += [(rgba, {}), (wide, {}), (rgb.quantize(7), {"transparency": 3})]
        pictures += [(rgb, {"icc_profile": bytes(400), "exif": exif})]
    else:
        pictures = [(rgb.convert(mode), {}) for mode in ("L", "RGB", "CMYK")]
        pictures += [(rgb, {"subsampling": 0}), (rgb, {"progressive": True, "exif": exif})]
        pictures += [(rgb, {"restart_marker_blocks": 1}), (rgb, {"icc_profile": bytes(400)})]
    encoded = []
    for picture, options in pictures:
        stream = io.BytesIO()
        picture.save(stream, kind, **options)
        encoded.append(stream.getvalue())
    return encoded


def decoded(data: bytes, size: tuple[int, int] | None) -> np.ndarray | None:
    """Pixels, or None for a reason."""
    try:
        pixels = decoding.decode(data, Request(size, "rgb", (255, 255, 255), MOST_PIXELS))
    except DataError:
        return None
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    assert size is None or pixels.shape[:2] == size
    return pixels


def changed_pictures(kind, path):
    warnings.simplefilter("ignore")  # Pillow's about what is odd
    ways = {name: getattr(decoding, name) for name in ("plain_png", "plain_jpeg", "_tagged_jpeg")}
    mutator = PictureMutator(files(kind), np.random.default_rng(SEED))
    found: Counter[str] = Counter()
    for number in range(CALLS):
        data = mutator.mutated()
        path.write_bytes(data)  # what does harm is left there
        with contextlib.suppress(UnusableImageError):
            image_facts(path)
        size = (9, 7) if number % 2 else None
        pixels = decoded(data, size)
        for name in ways:
            setattr(decoding, name, lambda *arguments: None)
        by_pillow = decoded(data, size)
        for name, way in ways.items():
            setattr(decoding, name, way)
        same = np.array_equal(pixels, by_pillow) if pixels is not None else by_pillow is None
        assert same, f"{kind} {number} of seed {SEED} is another picture by the core"
        found["pictures" if pixels is not None else "refused"] += 1
        yield f"{kind} {number} of seed {SEED}"
    return found


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_changed_pictures_do_no_harm(tmp_path, kind):
    found = limited_cases.run(changed_pictures, kind, tmp_path / "picture")
    print(dict(found))
    assert min(found["pictures"], found["refused"]) > CALLS / 20, found
