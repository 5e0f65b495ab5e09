"""The page of an audit: what was found is shown, and nothing that is named on it acts."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest

import nncore as nn
from nncore.report import audit_page
from nncore.report.words import shown
from pages import HOSTILE_CLASSES, call, read


@pytest.fixture(scope="module")
def audited(hostile_pictures, tmp_path_factory):
    """The folder of an audit of pictures with bad names, a copy of one among them."""
    data = tmp_path_factory.mktemp("copies") / "<b>data"
    shutil.copytree(hostile_pictures, data)
    shutil.copy(data / "plain" / "1.png", data / HOSTILE_CLASSES[1] / "copy of plain.png")
    output = tmp_path_factory.mktemp("audits") / "<i>one"
    call("audit", data, "--output", output, "--folds", "2", "--quiet", "--max-broken", "0.5")
    return output


def test_hostile_names_are_words(audited):
    page = read(audited / "audit.html")
    assert sum(shown(name) in page.words for name in HOSTILE_CLASSES) >= 3
    assert "\\xff\\n.png" in page.words
    assert not page.all("script")
    raw = (audited / "audit.html").read_text(encoding="utf-8")
    assert "\u202e" not in raw
    assert "<b>data" not in raw
    assert "<i>one" not in raw


def test_what_the_table_lists_is_on_the_page(audited):
    page = read(audited / "audit.html")
    with open(audited / "audit.csv", newline="", encoding="utf-8", errors="replace") as file:
        rows = list(csv.DictReader(file))
    assert "copy of plain.png" in page.words
    assert "in 2 classes" in page.words
    images = page.all("img")
    assert len(images) >= len(rows)
    assert all(one["alt"].startswith("picture ") for one in images)
    assert all(one["src"].startswith("data:image/") for one in images)
    assert "nncore train" in page.words


def test_it_asks_nobody_for_anything(audited):
    raw = (audited / "audit.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in raw.replace("&#39;", "'")
    assert "http" not in raw.replace('http-equiv="', "")


def test_of_many_some_are_shown(monkeypatch, tmp_path):
    monkeypatch.setattr(audit_page, "_MOST_SUSPECTS", 2)
    images = np.random.default_rng(0).integers(0, 256, (60, 6, 6), dtype=np.uint8)
    found = nn.audit(nn.ImageDataset.from_arrays(images, np.arange(60) % 2), folds=2)
    audit_page.write_audit_page(found, tmp_path / "page.html")
    page = read(tmp_path / "page.html")
    left = len(found.suspects) - 2
    assert left > 0
    assert f"and {left} more, which are in audit.csv." in page.words
    assert f"image {found.suspects[0].position}" in page.words
