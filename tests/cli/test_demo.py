"""`nncore demo` and its digits; then README's and docs' Python, run beside them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nncore as nn
from nncore.cli.digits import NAMES, load_digits
from nncore.files.own_folders import MARKER

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo(call, tmp_path_factory):
    root = tmp_path_factory.mktemp("demo") / "nncore-demo"
    called = call("demo", "--output", root, "--json", "--quiet", "--min-accuracy", 0.96)
    assert called.code == 0, called.err
    assert called.err == ""
    return root, json.loads(called.out)


def test_the_copy_of_the_digits_is_the_real_thing():
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = datasets.load_digits()
    images, labels = load_digits()
    assert images.shape == (1797, 8, 8)
    np.testing.assert_array_equal(np.rint(images / 255 * 16), theirs.images)
    assert labels == theirs.target.tolist()


def test_accuracy(demo):
    root, told = demo
    assert told["test_accuracy"] >= 0.96
    assert told["test_images"] == 364
    # Counted again, from the files, by the Python of the README.
    model = nn.load(told["model"])
    found = model.predict(str(root / "digits" / "test"))
    right = sum(one.label == os.path.basename(os.path.dirname(one.path)) for one in found)
    assert right / len(found) == told["test_accuracy"]


def test_parts_do_not_overlap(demo):
    root, _ = demo
    names = [
        {file.name for file in (root / part).rglob("*.png")}
        for part in ("digits/train", "digits/test", "unlabelled")
    ]
    assert [len(part) for part in names] == [1423, 364, 10]
    assert len(names[0] | names[1] | names[2]) == 1797
    assert nn.ClassMap.read(root / "digits" / "train" / "classes.csv").names == NAMES


def test_unlabelled_digits_are_named(demo):
    _, told = demo
    _, labels = load_digits()
    assert len(told["predictions"]) == 10
    right = sum(
        one["label"] == NAMES[labels[int(Path(one["path"]).stem.removeprefix("digit-"))]]
        for one in told["predictions"]
    )
    assert right >= 9


def test_files(demo):
    root, _ = demo
    for name in ("gradient-descent.png", "test-report/confusion.png", "runs/digits/loss.png"):
        assert (root / name).stat().st_size > 1000
    assert json.loads((root / "test-report" / "report.json").read_text())["images"] == 364
    assert (root / MARKER).exists()  # known as nncore's own, wherever it lies


def test_again_and_for_people(demo, call):
    root, told = demo
    called = call("demo", "--output", root, "--min-accuracy", 1)
    assert called.code == 5
    assert called.err.splitlines()[-1].startswith("nncore: error: accuracy 0.9")
    assert f"test accuracy {told['test_accuracy']:.2%} on 364 digits" in called.out
    assert "--model linear --loss mse --learning-rate 5" in called.out
    commands = re.findall(r"^\$ (nncore .*)$", called.out, re.MULTILINE)
    # The first thing that a person sees is what `nncore train FOLDER` does by itself.
    assert not re.search("--(model|epochs)", commands[0])
    assert [command.split()[1] for command in commands] == ["train", "evaluate", "predict", "plot"]
    # The commands shown are the ones that ran: typed by hand they give the same.
    report = call(*commands[1].split()[1:], "--json", "--quiet")
    assert json.loads(report.out)["accuracy"] == told["test_accuracy"]
    # One level up is not taken for two classes called "test" and "train", but for a split.
    checked = json.loads(call("check", root / "digits", "--json").out)
    assert len(checked["counts"]) == 10
    assert checked["split"]["test"] == checked["images"] - checked["split"]["train"] == 364


def test_too_long_steps_end_in_infinity(demo, fails):
    """As the demo's last lines and docs/lesson.md say."""
    root, _ = demo
    flags = "--model linear --loss mse --learning-rate 5"
    assert flags in " ".join((ROOT / "docs/lesson.md").read_text().split())
    told = fails(1, "train", root / "digits" / "train", *flags.split(), "--quiet", "--output", root)
    assert "not finite in epoch 1" in told


def test_where_nothing_can_be_written(fails, tmp_path):
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in fails(1, "demo", "--output", tmp_path / "file")


def python_blocks(name: str) -> list[str]:
    return re.findall(
        r"^```python\n(.*?)^```$", (ROOT / name).read_text(), re.MULTILINE | re.DOTALL
    )


@pytest.mark.parametrize(
    "name", ["README.md", "docs/files.md", "docs/lesson.md", "docs/recipes.md"]
)
def test_documented_python_runs(demo, monkeypatch, capsys, name):
    root, _ = demo
    monkeypatch.chdir(root.parent)
    blocks = python_blocks(name)
    assert blocks
    for block in blocks:
        exec(compile(block, name, "exec"), {})
    shown = capsys.readouterr().out
    if name == "docs/lesson.md":
        # explain_step prints what the page says it prints.
        explained = re.search(
            r"^```\n(One training step.*?)^```$", (ROOT / name).read_text(), re.M | re.S
        )
        assert explained.group(1) in shown
    else:
        printed = {
            "README.md": "accuracy",
            "docs/files.md": "(3, 3, 1, 16)",
            "docs/recipes.md": "batch_size",
        }
        assert printed[name] in shown


def test_documented_commands_are_known(call):
    names = ("README.md", "CONTRIBUTING.md", "docs/files.md", "docs/lesson.md", "docs/recipes.md")
    for name in names:
        for verb, rest in re.findall(
            r"nncore ([a-z]+)((?: --?[a-z-]+)*)", (ROOT / name).read_text()
        ):
            if verb in ("demo", "check", "train", "evaluate", "predict", "info", "plot"):
                known = call(verb, "--help").out
                assert all(flag in known for flag in rest.split()), (name, verb, rest)


@pytest.mark.parametrize("name", ["lesson.py", "arrays.py"])
def test_examples(name, tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    if name == "lesson.py":
        for told in ("SSE of a cat: 0.6638", "the answer is Dog", "one weight: 0.3855"):
            assert told in done.stdout


def test_attribution_travels_with_the_digits():
    from nncore.cli import digits

    text = (digits._FOLDER / "ATTRIBUTION.txt").read_text()
    assert "Alpaydin" in text
    assert "CC BY 4.0" in text
    assert (digits._FOLDER / "digits.png").stat().st_size < 100_000
