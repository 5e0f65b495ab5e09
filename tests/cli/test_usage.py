"""The command line itself: help, version, wrong flags."""

from __future__ import annotations

import subprocess
import sys

import pytest

import nncore
from nncore.cli.parser import VERBS


def python(*args: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, timeout=60, **options
    )


def test_version(call):
    assert call("--version") == (0, f"nncore {nncore.__version__}\n", "")


def test_help_lists_every_verb(call):
    called = call("--help")
    assert called.code == 0
    assert called.err == ""
    for verb in VERBS:
        assert f"\n    {verb}" in called.out
        assert call(verb, "--help").out.startswith(f"usage: nncore {verb} ")


def test_help_imports_nothing_heavy():
    heavy = "{'numpy', 'PIL', 'matplotlib', 'safetensors', 'tqdm', 'subprocess'}"
    code = (
        "import sys; from nncore.cli import main; code = main(['--help']); "
        f"print(code, {heavy} & set(sys.modules), file=sys.stderr)"
    )
    assert python("-c", code).stderr == "0 set()\n"


def test_python_dash_m_gives_the_exit_code():
    done = python("-m", "nncore", "train")
    assert done.returncode == 2
    assert done.stderr.startswith("nncore: error: the following arguments are required")
    assert python("-m", "nncore", "info").returncode == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "a verb is needed: check, train"),
        (("fly",), "'fly'"),
        (("train",), "FOLDER"),
        (("train", "x", "--epoch", "3"), "--epoch"),  # no abbreviations
        (("train", "x", "--epochs", "0"), "--epochs: must be at least 1, not 0"),
        (("train", "x", "--batch-size", "0"), "--batch-size: must be at least 1, not 0"),
        (("train", "x", "--batch-size", "1.5"), "--batch-size: must be a whole number, not '1.5'"),
        (("train", "x", "--learning-rate", "nan"), "--learning-rate: must be a finite number"),
        (("train", "x", "--learning-rate", "inf"), "--learning-rate: must be a finite number"),
        (("train", "x", "--learning-rate", "-1"), "--learning-rate: must be above 0, not -1"),
        (("train", "x", "--loss", "hinge"), "cross_entropy"),  # lists the known ones
        (("train", "x", "--model", "brain"), "mlp"),
        (("train", "x", "--hidden", "8,x"), "--hidden: must be a whole number, not 'x'"),
        (("train", "x", "--hidden", "8", "--model", "linear"), "--hidden is for --model mlp"),
        (("train", "x", "--size", "8x8x8"), "--size"),
        (("train", "x", "--size", "0"), "--size: must be from 1 to 16384"),
        (("train", "x", "--color", "blue"), "gray"),
        (("train", "x", "--val", "1"), "--val: must be at least 0 and below 1, not 1"),
        (("train", "x", "--val", "0.5", "--test", "0.5"), "leave nothing for training"),
        (("train", "x", "--name", "a/b"), "--name"),
        (("train", "x", "--name=--"), "argument --name: '--' is no value"),
        (("check", "x", "--cache=--"), "argument --cache: '--' is no value"),
        (("train", "x", "--seed", "-1"), "--seed: must be from 0"),
        (("train", "x", "--threads", "0"), "--threads: must be from 1 to 1024, not 0"),
        (("train", "x", "--min-accuracy", "90"), "--min-accuracy: must be from 0 to 1, not 90"),
        (("train", "x", "--max-broken", "two"), "--max-broken"),
        (("predict", "x"), "PATH"),
        (("predict", "x", "y", "--top-k", "0"), "--top-k: must be at least 1, not 0"),
        (("plot", "x", "--steps", "5"), "--steps is for"),
        (("plot", "gradient-descent", "--start", "nan"), "--start"),
        (("plot", "gradient-descent", "--output", "x.gif"), "x.gif"),
    ],
)
def test_wrong_command_lines(fails, words, told):
    assert told in fails(2, *words)


@pytest.mark.parametrize("variable", ["NNCORE_ISA", "NNCORE_NUM_THREADS"])
def test_a_wrong_environment_variable_is_one_line(variable):
    import os

    done = python("-m", "nncore", "info", env={**os.environ, variable: "nonsense"})
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("nncore: error: ")
    assert variable in line
    assert "nonsense" in line


def test_threads_are_set(call):
    before = nncore.get_num_threads()
    try:
        assert '"threads": 3' in call("info", "--json", "--threads", "3").out
    finally:
        nncore.set_num_threads(before)
