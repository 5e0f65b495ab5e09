"""What tests of pages share: names as bad as can be, a way to call a command, a reader of pages."""

from __future__ import annotations

import contextlib
import io
import os
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

from nncore.cli import main

HOSTILE_CLASSES = (
    "<script>alert(1)</script>".replace("/", "\u2215"),
    "\" onload='alert(1)'><b>",
    "many words and {{ 7 * 7 }} {% raw %}",
    "\u202eevil \u05d0\u05d1\u05d2",
    "z" + "\u0301" * 40,
    "plain",
)
HOSTILE_FILE = b"<img src=x onerror=alert(1)>\xff\n.png"


def call(*words: object) -> str:
    """Standard output of a command that must succeed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    assert code == 0, err.getvalue()
    return out.getvalue()


def write_pictures(folder: Path, classes: tuple[str, ...], count: int) -> None:
    """Noisy 6 x 6 pictures; a lighter line for the class."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(3 if label == len(classes) - 1 else count):
            pixels = rng.integers(0, 150, (6, 6)).astype(np.uint8)
            pixels[label % 6] += 60
            file = HOSTILE_FILE if number == 0 else b"%d.png" % number
            Image.fromarray(pixels).save(os.fsencode(folder / name) + b"/" + file, "PNG")
    (folder / classes[0] / "broken <i>.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")


VOID = {"meta", "link", "img", "br", "circle", "path", "rect"}


class Page(HTMLParser):
    """Elements, words, and whether what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words, self.open = "", []
        self.ids: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    assert len(text) < 3_000_000
    found = Page(text)
    for tag, attributes in found.elements:
        assert tag not in ("script", "iframe", "object", "form", "base", "b", "i"), tag
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style", tag
            if name in ("href", "src"):
                assert (value or "").startswith(("#", "data:")), value
    targets = {attributes.get("id") for _, attributes in found.elements}
    for link in found.all("a"):
        assert (link["href"] or "")[1:] in targets
    for image in found.all("img"):
        assert image["alt"]
        assert int(image["width"] or 0) > 0
    return found
