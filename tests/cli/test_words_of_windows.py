"""Patterns that the shell of Windows leaves alone, and commands as it takes them."""

from __future__ import annotations

import os

import pytest

from nncore.cli import quoting, wildcards
from nncore.cli.flags import values
from nncore.files import file_names
from on_windows import windows_os


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setattr(wildcards, "os", windows_os(path=os.path))


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.jpg", "c.png", "what?.png"):
        (tmp_path / name).touch()


@pytest.mark.usefixtures("files", "windows")
@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["predict", "run", "*.jpg"], ["predict", "run", "a.jpg", "b.jpg"]),
        (["?.png", "x"], ["c.png", "x"]),
        (["*.gif"], ["*.gif"]),
        (["what?.png"], ["what?.png"]),
        (["--csv=*.jpg", "a.jpg"], ["--csv=*.jpg", "a.jpg"]),
        ([], []),
    ],
)
def test_patterns(given, found):
    assert wildcards.expanded(given) == found


@pytest.mark.usefixtures("files")
def test_other_shells_have_replaced_them():
    assert wildcards.expanded(["*.jpg"]) == ["*.jpg"]


@pytest.mark.usefixtures("windows")
def test_the_command_line_expands_them(run, new_pictures, call):
    called = call("predict", run, new_pictures / "lying" / "1*.png", "--json")
    assert called.code == 0, called.err
    assert called.out.count('"path"') == 3


def test_commands_to_type(monkeypatch):
    assert quoting.joined(["nncore", "info", "my run"]) == "nncore info 'my run'"
    monkeypatch.setattr(quoting, "os", windows_os())
    assert quoting.joined(["nncore", "info", "my run"]) == 'nncore info "my run"'
    assert quoting.quoted(r"C:\my runs\a") == r'"C:\my runs\a"'


def test_names_of_runs(monkeypatch):
    assert values.run_name("a:b") == "a:b"
    monkeypatch.setattr(file_names, "os", windows_os())
    with pytest.raises(values.argparse.ArgumentTypeError, match="'a:b': Windows has no ':'"):
        values.run_name("a:b")
    assert values.run_name("a-b") == "a-b"
