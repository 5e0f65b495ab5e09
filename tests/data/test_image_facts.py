"""What the header of a picture says."""

from __future__ import annotations

import pytest
from PIL import Image

from nncore.data import BrokenImageError, NotAnImageError
from nncore.data.pictures.facts import ImageFacts, image_facts


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
