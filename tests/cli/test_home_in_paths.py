"""`~` at the beginning of any path is the home folder, whether it is read or written."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import nncore as nn
from nncore.cli.parser import build_parser
from nncore.files.home import at_home
from textbook import TRAIN

PLACES = ("FILE", "DIR", "PATH", "FOLDER", "RUN", "MODEL", "ONNX", "CSV")
NO_PATHS = ("runs",)


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "home"
    assert [path for path in (tmp_path / "here").iterdir() if path.name.startswith("~")] == []


def flags_that_take_paths() -> Iterator[tuple[str, argparse.Action]]:
    (verbs,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    for verb, parser in verbs.choices.items():
        for action in parser._actions:
            words = str(action.metavar or "").replace(".onnx", "").split("|")
            if any(word in PLACES for word in words):
                yield f"{verb} {action.dest}", action


PATHS = dict(flags_that_take_paths())


def test_there_are_such_flags():
    assert {"train output", "predict csv", "check data", "evaluate cache"} <= set(PATHS)
    assert len(PATHS) > 25


@pytest.mark.parametrize("flag", PATHS)
def test_every_flag_that_takes_a_path(flag, home):
    typed = PATHS[flag].type
    assert typed is not None, f"{flag} needs type=values.path"
    assert typed("~/x.onnx") == f"{home}/x.onnx"
    assert typed("./~/x.onnx") == "./~/x.onnx"


def test_a_training_at_home(call, pictures, home):
    shutil.copytree(pictures, home / "photos")
    words = (*TRAIN, "~/photos", "--epochs", 1, "--output=~/runs", "--name=a", "--cache=~/pixels")
    assert call(*words).code == 0
    assert (home / "runs/a/best.safetensors").exists()
    assert (home / "pixels").is_dir()
    assert call("plot", "~/runs/a", "--output=~/drawn").code == 0
    assert (home / "drawn/loss.png").exists()
    assert call("check", "~/photos", "--sheet=~/s.png", "--cache", "off").code == 0
    assert (home / "s.png").exists()


def write_all(model: nn.Sequential, data: nn.ImageDataset) -> None:
    from nncore.data import write_skipped_csv, write_split_csv
    from nncore.training.run_directory import RunDirectory

    model.save("~/m.safetensors")
    model.history.to_csv("~/h.csv")
    model.history.plot("~/h.png")
    model.evaluate(data).write_json("~/r.json")
    data.classes.write("~/c.csv")
    write_split_csv("~/split.csv", {"train": data})
    write_skipped_csv("~/skipped.csv", [])
    RunDirectory.create("~/more", "x")


def test_python(pictures, home):
    shutil.copytree(pictures, home / "photos")
    data = nn.ImageDataset.from_folder(Path("~/photos"), cache="~/pixels")
    model = nn.Sequential([nn.Flatten(), nn.Dense(3)])
    callbacks = [nn.CSVLogger("~/log.csv"), nn.ModelCheckpoint("~/{epoch}.safetensors", "loss")]
    model.fit(data, epochs=1, verbose=0, callbacks=callbacks)
    write_all(model, data)
    written = {path.name for path in home.iterdir()}
    assert written >= {
        *("pixels", "log.csv", "1.safetensors", "m.safetensors", "h.csv", "h.png", "r.json"),
        *("c.csv", "split.csv", "skipped.csv", "more"),
    }
    again = nn.load("~/m.safetensors")
    picture = "~/photos/lying/0.png"
    assert again.predict(picture)[0].path == f"{home}/photos/lying/0.png"
    assert again.predict(["~/photos/lying"])[0].label in data.classes.names
    assert nn.ImageDataset.from_csv("~/split.csv", classes="~/c.csv").counts == data.counts
    assert data.with_split("~/split.csv").given_split == ["train"] * len(data)
    assert len(nn.History.from_csv("~/h.csv")) == 1
    Path("t.csv").write_text(f"path,label\n{picture},a\n~/photos/standing/0.png,b\n")
    assert len(nn.ImageDataset.from_csv("t.csv")) == 2


def test_what_is_no_home(monkeypatch):
    for path in ("./~", "a~", "~nobody-of-this-name/x", "~lock.docx", "", "x/~/y"):
        assert at_home(path) == path
    assert at_home(b"~/x") == b"~/x"
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(ValueError, match="no home folder"):
        at_home("~/x")
