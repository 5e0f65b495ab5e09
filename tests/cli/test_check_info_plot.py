"""`nncore check`, `nncore info`, `nncore plot`."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from PIL import Image

import nncore as nn


@pytest.fixture
def odd(tmp_path):
    """Two good classes, an empty one, and all kinds of odd files."""
    root = tmp_path / "odd"
    for name in ("a", "b", "empty"):
        (root / name).mkdir(parents=True)
    Image.new("RGB", (20, 10), "red").save(root / "a" / "1.jpg")
    Image.new("RGB", (20, 10), "red").save(root / "a" / "again.jpg")
    Image.new("L", (30, 30), 7).save(root / "a" / "2.png")
    Image.new("RGBA", (8, 8), "blue").save(root / "b" / "3.png")
    shutil.copy(root / "a" / "2.png", root / "b" / "same.png")
    (root / "b" / "broken.png").write_bytes((root / "b" / "3.png").read_bytes()[:40])
    (root / "b" / "notes.txt").write_text("x")
    (root / ".DS_Store").write_bytes(b"x")
    return root


def test_check_good(call, pictures):
    called = call("check", pictures, "--json")
    assert called.code == 0
    assert called.err == ""
    told = json.loads(called.out)
    assert told["counts"] == {"lying": 40, "nothing": 40, "standing": 40}
    assert told["skipped"] == told["problems"] == []
    assert told["size"] == [8, 8]
    assert told["color"] == "gray"
    assert told["sizes"] == {"8x8": 120}
    assert told["modes"] == {"L": 120}
    assert told["duplicates"] == 0
    text = call("check", pictures).out
    assert "120 images in 3 classes" in text
    assert "train reads them as 8x8 gray" in text
    assert "skipped no file" in text


def test_check_tells_everything_and_then_fails(call, odd):
    called = call("check", odd, "--json")
    assert called.code == 3
    told = json.loads(called.out)
    assert told["images"] == 5
    assert told["counts"] == {"a": 3, "b": 2, "empty": 0}
    assert told["size"] == [64, 64]
    assert told["color"] == "rgb"
    assert told["sizes"] == {"10x20": 2, "30x30": 2, "8x8": 1}
    assert told["modes"] == {"L": 2, "RGB": 2, "RGBA": 1}
    assert told["formats"] == {"PNG": 3, "JPEG": 2}
    assert told["duplicates"] == 2
    assert told["duplicates_across_classes"] == 1
    kinds = {os.path.basename(one["path"]): one["kind"] for one in told["skipped"]}
    assert kinds == {".DS_Store": "hidden", "broken.png": "broken", "notes.txt": "foreign"}
    assert all(one["reason"] for one in told["skipped"])
    lines = called.err.splitlines()
    assert len(lines) == 2
    assert "broken.png" in lines[0]
    assert "no usable image in class 'empty'" in lines[1]
    text = call("check", odd, "--max-broken", 0.5)
    assert len(text.err.splitlines()) == 1
    assert "contradictory" in text.out
    assert f"{odd}/b/notes.txt: not an image" in text.out


def test_check_what_is_no_data_set(fails, pictures, tmp_path):
    assert "no such file or folder" in fails(3, "check", tmp_path / "none")
    assert "has no sub-folders" in fails(3, "check", pictures / "lying")


def test_info(call):
    assert json.loads(call("info", "--json").out) == nn.info()
    called = call("info")
    assert called.code == 0
    for name, value in nn.info().items():
        assert name in called.out
        assert str(value[0] if isinstance(value, list) else value) in called.out or value is None


def test_info_of_a_model(call, run):
    told = json.loads(call("info", run, "--json").out)
    model = nn.load(run / "best.safetensors")
    assert told["path"] == str(run / "best.safetensors")
    assert told["input_shape"] == [8, 8, 1]
    assert told["classes"] == ["lying", "nothing", "standing"]
    assert told["parameters"] == model.parameter_count
    kinds = [layer["type"] for layer in told["layers"]]
    assert kinds == ["Flatten", "Dropout", "Dense", "Dropout", "Dense"]
    assert told["layers"][-1]["output_shape"] == [3]
    assert told["preprocessing"] == model.preprocessing.to_dict()
    assert told["training"]["images"] == 102
    text = call("info", run / "best.safetensors").out
    assert "dense_1 (Dense)" in text
    assert "0 lying, 1 nothing, 2 standing" in text
    assert "SGD(learning_rate=0.1)" in text


def test_plot_a_run_again(call, run, tmp_path):
    told = json.loads(call("plot", run, "--output", tmp_path / "new", "--json").out)
    names = ["loss.png", "accuracy.png", "iterations.png", "confusion.png"]
    assert told["files"] == [str(tmp_path / "new" / name) for name in names]
    for name in ("loss.png", "accuracy.png", "confusion.png"):
        # Equal input gives equal bytes, so these are the pictures of the run.
        assert (tmp_path / "new" / name).read_bytes() == (run / name).read_bytes()


def test_plot_a_table(call, run, tmp_path):
    shutil.copy(run / "history.csv", tmp_path)
    called = call("plot", tmp_path / "history.csv")
    assert called.out.splitlines() == [f"{tmp_path}/loss.png", f"{tmp_path}/accuracy.png"]
    assert sorted(os.listdir(tmp_path)) == ["accuracy.png", "history.csv", "loss.png"]


def test_plot_gradient_descent(call, tmp_path):
    file = tmp_path / "descent.svg"
    called = call("plot", "gradient-descent", "--output", file)
    assert called == (0, f"{file}\n", "")
    usual = file.read_bytes()
    assert call("plot", "gradient-descent", "--output", file, "--steps", 3).code == 0
    assert file.read_bytes() != usual


def test_bad_input_of_plot(fails, run, pictures, tmp_path):
    assert "none.csv" in fails(3, "plot", tmp_path / "none.csv")
    assert "holds no history.csv" in fails(3, "plot", pictures)
    bad = tmp_path / "history.csv"
    bad.write_text("epoch,loss\n")
    assert f"{bad}', line 1" in fails(3, "plot", bad)
    bad.write_text((run / "history.csv").read_text().splitlines()[0] + "\n")
    assert "no finished epoch" in fails(3, "plot", bad)
    shutil.copy(run / "history.csv", bad)
    (tmp_path / "report.json").write_text('{"classes": []}')
    assert "report.json" in fails(3, "plot", tmp_path)
    (tmp_path / "report.json").write_text("[")
    assert "report.json" in fails(3, "plot", tmp_path)
    (tmp_path / "file").write_text("")
    assert f"{tmp_path}/file" in fails(1, "plot", run, "--output", tmp_path / "file")
