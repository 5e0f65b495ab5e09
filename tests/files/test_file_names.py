"""Names of files from one system to another."""

from __future__ import annotations

import ntpath
import os

import pytest

from nncore.files import file_names
from on_windows import windows_os


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setattr(file_names, "os", windows_os())


@pytest.mark.usefixtures("windows")
def test_cells_have_slashes():
    assert file_names.as_cell(r"..\photos\cat\1.jpg") == "../photos/cat/1.jpg"


def test_a_backslash_is_part_of_a_name_elsewhere():
    assert file_names.as_cell(r"a\b.jpg") == r"a\b.jpg"


@pytest.mark.usefixtures("windows")
def test_paths_between_drives(monkeypatch):
    monkeypatch.setattr(ntpath, "abspath", ntpath.normpath)  # it would ask this system
    assert file_names.relative(r"C:\photos\a.png", r"C:\runs") == r"..\photos\a.png"
    assert file_names.relative(r"D:\photos\a.png", r"C:\runs") == r"D:\photos\a.png"


def test_paths_between_folders():
    assert file_names.relative("/photos/a.png", "/runs") == os.path.join("..", "photos", "a.png")


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("name", ['say "it"', "a<b", "dot.", "space ", "tab\t"])
def test_letters_and_ends_that_windows_lacks(name):
    assert file_names.refused_name(name)


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize(
    "name",
    ["con", "Con", "nul.txt", "COM1", "lpt9.tar.gz", "aux .x", "a:b", "a\\b", "a?", "a*", "a|b"],
)
def test_names_that_windows_lacks(name):
    assert file_names.refused_name(name)


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("name", ["run-1", "console", "com10", ".hidden", "x.con", "ä ö", "~"])
def test_names_that_windows_has(name):
    assert file_names.refused_name(name) is None


@pytest.mark.parametrize("name", ["con", "a:b", "dot.", "a\\b"])
def test_other_systems_have_them(name):
    assert file_names.refused_name(name) is None
