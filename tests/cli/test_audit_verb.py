"""`nncore audit`, and `nncore train --audit`, which obeys its table."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from textbook import TRAIN


@pytest.fixture(scope="module")
def swapped(pictures, tmp_path_factory):
    """The bars, some of them in a wrong folder: the folder, and their right class by path."""
    folder = tmp_path_factory.mktemp("swapped") / "bars"
    shutil.copytree(pictures, folder)
    wrong = {}
    for number, (own, other) in enumerate(
        [("lying", "standing"), ("nothing", "lying"), ("standing", "nothing"), ("lying", "nothing")]
    ):
        moved = folder / other / f"swapped-{number}.png"
        shutil.move(folder / own / f"{number}.png", moved)
        wrong[str(moved)] = own
    return folder, wrong


@pytest.fixture(scope="module")
def audited(call, swapped, tmp_path_factory):
    """What an audit of them prints as JSON, and its folder."""
    output = tmp_path_factory.mktemp("audits") / "one"
    called = call("audit", swapped[0], "--output", output, "--json")
    assert called.code == 0, called.err
    assert called.err == ""
    return json.loads(called.out), output


def rows_of(table):
    with open(table, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def edited(audited, place, actions):
    """A copy of the table with actions by file name: (action, suggested)."""
    place.mkdir(exist_ok=True)
    rows = rows_of(audited[1] / "audit.csv")
    for row in rows:
        row["path"] = os.path.realpath(audited[1] / row["path"])
        action, suggested = actions.get(Path(row["path"]).name, ("", row["suggested"]))
        row |= {"action": action, "suggested": suggested}
    with open(place / "audit.csv", "w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows(rows)
    return place / "audit.csv"


def test_json_names_the_swapped_ones_first(audited, swapped):
    told, _ = audited
    wrong = swapped[1]
    first = told["suspects"][: len(wrong)]
    assert {one["path"]: one["suggested"] for one in first} == wrong
    assert all(Path(one["path"]).parent.name == one["label"] for one in told["suspects"])
    assert len(told["suspects"]) >= 0.05 * told["images"]
    assert {"duplicates", "outliers", "quality", "estimated_errors", "settings"} <= set(told)
    assert told["files"][0].endswith("audit.csv")


def test_the_table_is_to_be_edited(audited, swapped):
    told, output = audited
    rows = rows_of(output / "audit.csv")
    assert list(rows[0]) == ["path", "label", "suggested", "score", "reason", "action"]
    paths = [os.path.realpath(output / row["path"]) for row in rows]
    suspects = [os.path.realpath(one["path"]) for one in told["suspects"]]
    assert paths[: len(suspects)] == suspects
    assert {row["action"] for row in rows} == {""}
    assert [float(row["score"]) for row in rows[: len(suspects)]] == pytest.approx(
        [one["score"] for one in told["suspects"]], abs=1e-6
    )
    assert (output / ".nncore").is_file()  # no folder of pictures


def test_a_person_is_told_what_to_do(call, swapped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called = call("audit", swapped[0], "--folds", 2, "--seed", 1)
    assert called.code == 0, called.err
    assert "wrong labels; look first at these" in called.out
    assert "swapped-" in called.out
    assert f"nncore train {swapped[0]} --audit audit/audit.csv" in called.out
    assert (tmp_path / "audit" / "audit.csv").is_file()
    # The same again: nobody has filled in the table.
    assert call("audit", swapped[0], "--folds", 2, "--quiet").code == 0


def test_what_a_person_filled_in_is_not_written_over(call, fails, audited, swapped, tmp_path):
    table = edited(audited, tmp_path / "mine", {"swapped-0.png": ("move", "lying")})
    before = table.read_bytes()
    words = fails(2, "audit", swapped[0], "--output", table.parent)
    assert "--overwrite" in words
    assert table.read_bytes() == before
    called = call("audit", swapped[0], "--output", table.parent, "--overwrite", "--folds", 2)
    assert called.code == 0
    assert {row["action"] for row in rows_of(table)} == {""}


def test_train_obeys_and_the_run_tells(call, audited, swapped, tmp_path):
    actions = {
        "swapped-0.png": ("move", "lying"),
        "swapped-1.png": ("leave out", ""),
        "swapped-2.png": ("keep", ""),
    }
    table = edited(audited, tmp_path / "mine", actions)
    words = (swapped[0], "--audit", table, "--output", tmp_path, "--name", "one")
    called = call(*TRAIN, "--epochs", 2, *words)
    assert called.code == 0, called.err
    assert "1 image moved to another class, 1 left out" in called.out
    run = tmp_path / "one"
    split = {Path(row["path"]).name: row for row in rows_of(run / "split.csv")}
    assert split["swapped-0.png"]["label"] == "lying"
    assert split["swapped-2.png"]["label"] == "nothing"
    assert "swapped-1.png" not in split
    skipped = {Path(row["path"]).name: row["kind"] for row in rows_of(run / "skipped.csv")}
    assert skipped["swapped-1.png"] == "audited"
    tomllib = pytest.importorskip("tomllib")
    config = tomllib.loads((run / "config.toml").read_text())["data"]
    assert (config["audit"], config["moved"], config["left_out"]) == (str(table), 1, 1)
    assert config["images"] == 119
    # Nothing was moved.
    assert (swapped[0] / "standing" / "swapped-0.png").is_file()


def test_a_training_goes_on_to_the_same_weights_without_the_table(call, audited, swapped, tmp_path):
    actions = {"swapped-0.png": ("move", "lying"), "swapped-1.png": ("leave out", "")}
    table = edited(audited, tmp_path / "mine", actions)
    words = (*TRAIN, swapped[0], "--audit", table, "--output", tmp_path, "--quiet")
    assert call(*words, "--epochs", 4, "--name", "whole").code == 0
    assert call(*words, "--epochs", 2, "--name", "half").code == 0
    table.unlink()
    moved = tmp_path / "elsewhere"
    shutil.copytree(swapped[0], moved)
    half = tmp_path / "half"
    called = call("train", moved, "--resume", half, "--epochs", 4, "--accept-changes", "--quiet")
    assert called.code == 0, called.err
    assert "labelled otherwise" not in called.err
    one, other = (nn.load(tmp_path / name / "last.safetensors") for name in ("whole", "half"))
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(a, b)
    split = {Path(row["path"]).name: row["label"] for row in rows_of(half / "split.csv")}
    assert split["swapped-0.png"] == "lying"
    assert "swapped-1.png" not in split


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (("throw away", ""), "the action is 'throw away'"),
        (("move", "cow"), "there is no class 'cow'"),
    ],
)
def test_errors_name_the_row(fails, audited, swapped, tmp_path, action, words):
    table = edited(audited, tmp_path / "mine", {"swapped-3.png": action})
    line = next(i for i, row in enumerate(rows_of(table), 2) if "swapped-3" in row["path"])
    told = fails(3, *TRAIN, swapped[0], "--audit", table, "--output", tmp_path / "runs")
    assert told.startswith(f"{table}, line {line}: ")
    assert words in told
    assert not (tmp_path / "runs").exists()


def test_a_missing_table_is_told_before_the_pictures_are_read(
    fails, swapped, tmp_path, monkeypatch
):
    monkeypatch.setattr(nn.ImageDataset, "read", None)
    told = fails(3, "train", swapped[0], "--audit", tmp_path / "no.csv")
    assert "no.csv" in told


def test_ctrl_c_leaves_nothing(swapped, tmp_path):
    code = (
        "import signal, sys\n"
        "from nncore.auditing import out_of_sample\n"
        "from nncore.cli import main\n"
        "def stop(*_):\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "out_of_sample._judge = stop\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = ["audit", str(swapped[0]), "--output", str(tmp_path / "out"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 130, done.stderr
    assert done.stdout == ""
    assert done.stderr == "nncore: error: interrupted\n"
    assert list(tmp_path.iterdir()) == []


def test_usage(fails, swapped):
    assert "--folds" in fails(2, "audit", swapped[0], "--folds", 1)
    assert "leave these out" in fails(
        2, "audit", swapped[0], "--backbone", "efficientnet-lite0", "--size", 32
    )
    assert "required" in fails(2, "audit")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Large pictures of two colours, one in the wrong folder."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name, color in (("blue", (20, 40, 220)), ("red", (220, 40, 20))):
        (folder / name).mkdir()
        for number in range(8):
            pixels = np.clip(rng.normal(color, 40, (80, 80, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}-{number}.png")
    shutil.move(folder / "blue" / "blue-0.png", folder / "red" / "blue-0.png")
    return folder


def test_photos_are_judged_on_a_backbone_by_itself(call, photos, tmp_path):
    called = call("audit", photos, "--output", tmp_path, "--json", "--quiet")
    assert called.code == 0, called.err
    told = json.loads(called.out)
    assert told["settings"]["network"] == "efficientnet-lite0"
    assert Path(told["suspects"][0]["path"]).name == "blue-0.png"
    assert told["suspects"][0]["suggested"] == "blue"
