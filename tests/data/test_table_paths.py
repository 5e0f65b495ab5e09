"""Paths in tables that are nearly right are found, or what is nearly meant is named."""

from __future__ import annotations

import ntpath
import os
import types
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore.data import ImageDataset
from nncore.data.sources import table_paths
from nncore.data.sources.table_paths import TablePaths
from nncore.errors import DataError
from on_windows import windows_os


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(path, "PNG")
    return path


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        (nfd("Ångström/a.png"), "Ångström/a.png"),
        ("Ångström/é.png", nfd("Ångström/é.png")),
        (f"é/{nfd('é')}.png", f"{nfd('é')}/é.png"),  # each part in its own way
        (nfd("한글/b.png"), "한글/b.png"),
        ("a/b/c.png", "a\\b\\c.png"),
        ("a/b/c.png", ".\\a\\b\\c.png"),
        (nfd("é/c.png"), "é\\c.png"),
        ("a/c.png", "  a/c.png\t"),
        ("a/c.png ", "a/c.png "),
        ("a\\c.png", "a\\c.png"),
    ],
)
def test_found(tmp_path: Path, stored: str, typed: str):
    path = picture(tmp_path / stored)
    assert os.path.samefile(TablePaths(str(tmp_path)).find(typed), path)


def test_the_exact_name_comes_first(tmp_path: Path):
    for name in ("é.png", nfd("é.png"), "a\\b.png", "a/b.png", "c.png", "c.png "):
        picture(tmp_path / name)
    find = TablePaths(str(tmp_path)).find
    for name in ("é.png", nfd("é.png"), "a\\b.png", "a/b.png", "c.png", "c.png "):
        assert find(name) == str(tmp_path / name)


def test_two_that_could_be_meant_are_none(tmp_path: Path):
    # One composed by half, one not at all: the typed one is neither.
    whole = "ế"
    half = unicodedata.normalize("NFD", "ê") + "\N{COMBINING ACUTE ACCENT}"
    for name in ("ê\N{COMBINING ACUTE ACCENT}.png", half + ".png"):
        picture(tmp_path / name)
    assert not os.path.lexists(TablePaths(str(tmp_path)).find(whole + ".png"))


def test_only_odd_names_are_asked_for(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(os.path, "lexists", lambda path: pytest.fail("asked the system"))
    assert TablePaths("base").find("a/b.png") == "base/a/b.png"


@pytest.mark.parametrize(
    ("stored", "typed", "near"),
    [
        ("img/a/0.png", "photos/img/a/0.png", "img/a/0.png"),  # a folder too many
        ("img/a/0.png", "C:\\Users\\me\\img\\a\\0.png", "img/a/0.png"),
        ("img/a/0.png", "/home/other/img/a/0.png", "img/a/0.png"),
        ("img/a/0.png", "a/0.png", "img/a/0.png"),  # one too few
        ("img/a/0.png", "IMG/A/0.PNG", "img/a/0.png"),
        ("img/a/0.png", "img/a/0.jpg", "img/a/0.png"),
        ("img/é/0.png", nfd("IMG/É/0.PNG"), "img/é/0.png"),
        ("img/a  b/0.png", "img/a b/0.png", "img/a  b/0.png"),
    ],
)
def test_what_is_nearly_meant_is_named(tmp_path: Path, stored: str, typed: str, near: str):
    picture(tmp_path / stored)
    picture(tmp_path / "other.png")
    text = f"path,label\nother.png,x\n{typed},y\n"
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        ImageDataset.from_csv(tmp_path / "t.csv")
    assert f"no such file; is {tmp_path}/{near} meant?" in str(caught.value)


def test_a_file_that_is_there_from_the_current_folder(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "img" / "0.png")
    picture(tmp_path / "tables" / "1.png")
    (tmp_path / "tables" / "t.csv").write_text("path,label\nimg/0.png,a\n1.png,b\n")
    with pytest.raises(DataError, match=r"no such file; is img/0\.png meant"):
        ImageDataset.from_csv("tables/t.csv")


def test_nothing_is_near(tmp_path: Path):
    picture(tmp_path / "0.png")
    places = TablePaths(str(tmp_path))
    for name in ("1.png", "..", "a/../b.png", "", "/", "x" * 300, "0.png/0.png"):
        assert places.near(str(tmp_path / name)) in (None, str(tmp_path / "0.png"))


def test_a_split_table_is_matched_alike(tmp_path: Path):
    for name in ("é", "b"):
        for number in range(2):
            picture(tmp_path / "data" / nfd(name) / f"{number}.png")
    lines = ["path,split"]
    lines += [f"data\\é\\{n}.png,{part}" for n, part in enumerate(("val", "train"))]
    lines += [f"data/b/{n}.png,{part}" for n, part in enumerate(("val", "train"))]
    (tmp_path / "split.csv").write_text("\n".join(lines), encoding="utf-8")
    data = ImageDataset.from_folder(tmp_path / "data").with_split(tmp_path / "split.csv")
    assert data.given_split == ["val", "train"] * 2
    assert data.split_notes == []


def test_drives_of_windows(monkeypatch):
    """A path of another drive than the table's is looked for from its root on."""
    there = {r"D:\photos", r"D:\photos\cät.png"}

    def lexists(path: str) -> bool:
        return path in there

    paths = types.SimpleNamespace(**{**vars(ntpath), "lexists": lexists})
    monkeypatch.setattr(table_paths, "os", windows_os(path=paths))
    found = table_paths.TablePaths(r"C:\tables")
    monkeypatch.setattr(found, "_alike", lambda folder, step, key: [])
    assert found.find("D:/photos/cät.png") == r"D:\photos\cät.png"
