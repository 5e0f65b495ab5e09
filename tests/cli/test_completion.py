"""`nncore completion SHELL`: scripts that shells understand and that complete what there is."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    pytest.importorskip("shtab")
    path = tmp_path_factory.mktemp("completion") / "nncore.bash"
    done = subprocess.run(
        [sys.executable, "-m", "nncore", "completion", "bash"], capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    path.write_bytes(done.stdout)
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["tr"], "train"),
        (["train", "--lea"], "--learning-rate"),
        (["train", "--model", "ln"], ""),
        (["train", "--model", "le"], "lenet"),
        (["evaluate", "FOLDER/ph"], "FOLDER/photos"),
        (["train", "--backbone", "FOLDER/ph"], "FOLDER/photos"),
        (["train", "--split", "FOLDER/ph"], "FOLDER/photos"),
        (["check", "--cache", "FOLDER/ph"], "FOLDER/photos"),
    ],
)
def test_bash_completes(script, tmp_path, words, offered):
    (tmp_path / "photos").mkdir()
    words = [word.replace("FOLDER", str(tmp_path)) for word in words]
    typed = " ".join(["nncore", *words])
    code = (
        f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; "
        'COMP_LINE="${COMP_WORDS[*]}"; _shtab_nncore; echo "${COMPREPLY[*]}"'
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.rstrip("\n") == offered.replace("FOLDER", str(tmp_path))


def test_missing_extra_is_named(fails, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert 'pip install "shtab>=' in fails(1, "completion", "bash")


def test_unknown_shell(fails):
    assert "invalid choice: 'ksh'" in fails(2, "completion", "ksh")
