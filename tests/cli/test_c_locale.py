"""Names are UTF-8 whatever the locale says: in the C locale without Python's UTF-8 mode, too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import unicodedata

import pytest

from nncore.files.file_names import as_path, as_text, joined_bytes

CLASSES = ("Grün", "猫", unicodedata.normalize("NFD", "Rosé"))
PROGRAM = """
import contextlib, io, json, sys
from nncore.cli import main
print(sys.getfilesystemencoding())
for words in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(words)
    print(json.dumps([code, out.getvalue()]))
"""


@pytest.fixture
def in_c_locale(tmp_path):
    """Call commands in another process; gives exit code and JSON of each."""
    data = tmp_path / "data"

    def call(*commands):
        env = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
        words = [[*command, "--json", "--quiet"] for command in commands]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, json.dumps(words)],
            env=env,
            cwd=tmp_path,
            capture_output=True,
        )
        first, *lines = done.stdout.decode("ascii").splitlines()
        if first == "utf-8":
            pytest.skip("this Python reads names as UTF-8 in any locale")
        assert len(lines) == len(commands), done.stderr
        return [(code, json.loads(out) if out else None) for code, out in map(json.loads, lines)]

    call.data = data
    return call


def test_classes_tables_and_splits(in_c_locale, new_pictures, tmp_path):
    for old, new in zip(("lying", "standing", "nothing"), CLASSES, strict=True):
        shutil.copytree(new_pictures / old, tmp_path / "data" / new)
        (tmp_path / "data" / new / "0.png").rename(tmp_path / "data" / new / f"{new} é.png")
    names = sorted(unicodedata.normalize("NFC", name) for name in CLASSES)
    train = ("train", "data", "--model", "linear", "--epochs", "1", "--name")
    results = in_c_locale(
        ("check", "data"),
        (*train, "a"),
        (*train, "b", "--split", "runs/a/split.csv"),
        ("check", "runs/a/split.csv"),
        ("predict", "runs/a", "data", "--csv", "p.csv"),
        ("check", "p.csv"),
    )
    assert [code for code, _ in results] == [0] * 6
    check, trained, _, table, predicted, again = (told for _, told in results)
    assert check["classes"] == trained["classes"] == table["classes"] == names
    assert check["images"] == table["images"] == again["images"] == 36
    paths = {one["path"] for one in predicted["predictions"]}
    assert "data/猫/猫 é.png" in paths
    text = (tmp_path / "runs/a/split.csv").read_text(encoding="utf-8")
    assert text == (tmp_path / "runs/b/split.csv").read_text(encoding="utf-8")
    assert "../../data/Grün/Grün é.png,Grün," in text
    assert "data/猫/猫 é.png" in (tmp_path / "p.csv").read_text(encoding="utf-8")


def test_what_is_no_utf8_is_still_refused(in_c_locale, new_pictures, tmp_path):
    shutil.copytree(new_pictures, tmp_path / "data")
    os.rename(tmp_path / "data" / "lying", os.fsencode(tmp_path / "data") + b"/Gr\xfcn")
    ((code, told),) = in_c_locale(("check", "data"))
    assert code == 3
    assert "not UTF-8" in told["problems"][0]


def test_names_here():
    for name in ("plain", "Grün", "caf\udce9"):
        assert as_text(as_path(name)) == name
        assert joined_bytes(name) == name
    assert joined_bytes("Gr\udcc3\udcbcn and caf\udce9") == "Grün and caf\udce9"


def test_names_by_another_encoding(monkeypatch):
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-1")
    monkeypatch.setattr(os, "fsencode", lambda name: name.encode("iso8859-1"))
    monkeypatch.setattr(os, "fsdecode", lambda name: name.decode("iso8859-1"))
    assert as_text("GrÃ¼n") == "Grün"
    assert as_path("Grün") == "GrÃ¼n"
