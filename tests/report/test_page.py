"""The frame of all pages: nothing that is named in a page can act in it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from nncore.report import page
from nncore.report.words import shortened, shown

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "</style></title><svg onload=alert(1)>",
    "two\nlines\r\tand\x00 more\u2028",
    "\u202eright to left override",
    "עברית",
    "z" + "\u0301" * 200,
    "caf\udce9.png",
    "\ud800 alone",
    "javascript:alert(1)",
    "a" * 500,
]


class Elements(HTMLParser):
    """What a browser would make of a page: elements with attributes, and the words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture
def with_template(tmp_path, monkeypatch):
    """A page of one line of template."""
    environment = page._environment()
    monkeypatch.setattr(environment.loader, "searchpath", [str(page.TEMPLATES), str(tmp_path)])

    def make(line: str, **values) -> str:
        name = f"t{len(list(tmp_path.iterdir()))}.html"
        head = '{% extends "base.html" %}{% block content %}'
        (tmp_path / name).write_text(head + line + "{% endblock %}")
        environment.cache.clear()
        return page.render(name, values, title=values.get("text", "t"))

    return make


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(with_template, text):
    plain = with_template("", text="plain")
    line = '<p>{{ text }}</p><p title="{{ text }}">{{ text|name }}{{ text|name(20) }}</p>'
    got = with_template(line, text=text)
    found, expected = Elements(got), Elements(plain)
    assert [tag for tag, _ in found.found] == [
        *(tag for tag, _ in expected.found[: len(expected.found) - 2]),
        *("p", "p", "bdi", "bdi"),
        *(tag for tag, _ in expected.found[-2:]),
    ]
    for tag, attributes in found.found:
        assert not [name for name in attributes if name.startswith("on")], tag
    assert found.words.count(shown(text)) >= 3  # title, text and name
    got.encode("utf-8")


def test_what_cannot_be_seen_is_shown():
    assert shown("a\nb\u202e\x00\udcff") == "a\\nb\\u202e\\x00\\xff"
    assert shown("\udcc3\udca9") == "é"  # UTF-8 that was read byte by byte
    assert shown("\ud800") == "\\ud800"
    family = "👨\u200d👩\u200d👧 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    assert shown(family) == family


def test_long_names_keep_their_ends():
    assert shortened("abc", 3) == "abc"
    assert shortened("abcdefghij", 5) == "ab…ij"
    assert len(shortened("x" * 100, 24)) == 24


def test_the_policy_lets_in_the_styles_of_the_page_alone(with_template):
    text = with_template("")
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = dict(
        rule.split(" ", 1)
        for meta in Elements(text).all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
        for rule in (meta["content"] or "").split("; ")
    )
    assert rules["style-src"] == f"'sha256-{digest}'"
    assert rules["script-src"] == rules["default-src"] == rules["base-uri"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "connect-src" not in rules
    assert "connect-src 'self'" in page.security_policy([], ["code"], connects=True)


def test_an_unknown_value_is_an_error(with_template):
    with pytest.raises(Exception, match="'missing' is undefined"):
        with_template("{{ missing }}")


def _contrast(one: str, other: str) -> float:
    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_told_apart():
    """WCAG 2.1 AA: 4.5 for words, 3 for lines of charts; light, then dark."""
    css = page.asset("base.css")
    blocks = re.findall(r":root \{(.*?)\}", css, re.S)
    assert len(blocks) == 2
    for block in blocks:
        color = dict(re.findall(r"--([\w-]+): (#\w{6});", block))
        for ground in ("ground", "card"):
            for words in ("ink", "soft", "accent", "good", "bad"):
                assert _contrast(color[words], color[ground]) >= 4.5, (words, ground)
            for line in [name for name in color if name.startswith("line-")] + ["mark"]:
                assert _contrast(color[line], color[ground]) >= 3, (line, ground)
    shades = re.findall(r"\.shade-\d \{ background: (#\w{6}); color: (#\w{6}); \}", css)
    assert len(shades) == 20
    for ground, words in shades:
        assert _contrast(ground, words) >= 4.5
