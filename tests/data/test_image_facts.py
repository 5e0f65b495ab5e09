"""What the header of a picture says."""

from __future__ import annotations

import pytest
from PIL import Image

from nncore.data import BrokenImageError, NotAnImageError
from nncore.data.pictures.facts import ImageFacts, image_facts
from nncore.data.sources.table import read_table
from nncore.errors import DataError


@pytest.mark.parametrize(
    ("mode", "name", "expected"),
    [
        ("L", "a.png", ImageFacts("PNG", "L", 5, 7)),
        ("RGB", "a.jpg", ImageFacts("JPEG", "RGB", 5, 7)),
        ("P", "wrong.jpg", ImageFacts("GIF", "P", 5, 7)),
        ("I;16", "a.png", ImageFacts("PNG", "I;16", 5, 7)),
    ],
)
def test_facts(tmp_path, mode, name, expected):
    Image.new(mode, (7, 5)).save(tmp_path / name, expected.format)
    assert image_facts(tmp_path / name) == expected


def test_no_picture(tmp_path):
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(NotAnImageError, match="not an image"):
        image_facts(tmp_path / "a.png")
    with pytest.raises(BrokenImageError, match="no such file"):
        image_facts(tmp_path / "b.png")


def test_a_header_that_pillow_takes_and_stumbles_over(tmp_path):
    """As any error of it: OSError here."""
    path = tmp_path / "a.pcx"
    path.write_bytes(b"\n" + bytes(8) + b"{e" + b"\xff" * 60)
    with pytest.raises(BrokenImageError, match=r"a\.pcx: cannot be decoded: unknown PCX mode"):
        image_facts(path)
    with pytest.raises(DataError, match=r"table\.csv"):
        read_table(path.rename(tmp_path / "table.csv"))
