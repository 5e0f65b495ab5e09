"""`look_at_headers`: what many picture files say together."""

from __future__ import annotations

import numpy as np
from PIL import Image

from nncore.data.sources import headers
from nncore.data.sources.headers import Headers, look_at_headers


def picture(path, width, height, mode="RGB"):
    Image.fromarray(np.zeros((height, width, len(mode)), np.uint8), mode).save(path)
    return str(path)


def test_shorter_sides_and_transparency(tmp_path):
    paths = [
        picture(tmp_path / "a.png", 10, 30),
        picture(tmp_path / "b.png", 50, 20, "RGBA"),
        picture(tmp_path / "c.png", 99, 70),
        str(tmp_path / "missing.png"),
    ]
    (tmp_path / "text.png").write_text("no picture")
    assert look_at_headers([*paths, str(tmp_path / "text.png")]) == Headers(20, 1 / 3)
    assert look_at_headers([str(tmp_path / "text.png")]) is None
    assert look_at_headers([]) is None


def test_of_many_some_are_looked_at(monkeypatch):
    seen = []
    monkeypatch.setattr(headers, "_facts", lambda path: seen.append(path))
    assert look_at_headers([str(number) for number in range(1000)]) is None
    assert seen == [str(number) for number in range(0, 1000, 5)]
