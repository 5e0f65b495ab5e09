"""`nncore check`, `nncore info`, `nncore plot`."""

from __future__ import annotations

import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from nncore.cli.output import table
from nncore.cli.parts import val_fraction


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
    assert told["duplicate_sets"] == told["notes"] == []
    assert told["imbalance"] == 1
    assert told["split"] is told["groups"] is told["sheet"] is None
    assert told["size_reason"] == "every image has this size"
    assert told["color_reason"] == "every image is stored as gray"
    assert told["memory_bytes"] == 2 * 120 * 8 * 8
    assert told["seconds"]["epoch"] > 0
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
    assert told["duplicate_sets"] == [
        {
            "paths": [str(odd / "a" / "1.jpg"), str(odd / "a" / "again.jpg")],
            "classes": ["a"],
            "parts": [],
        },
        {
            "paths": [str(odd / "a" / "2.png"), str(odd / "b" / "same.png")],
            "classes": ["a", "b"],
            "parts": [],
        },
    ]
    assert told["size_reason"] == "the images have 3 different sizes"
    assert told["color_reason"] == f"3 images stored in colour, first {odd}/a/1.jpg"
    assert any("both labels" in note for note in told["notes"])
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
    assert "skipped 3 files (1 broken, 1 foreign, 1 hidden; --json lists all):" in text.out
    # The set that contradicts itself comes first.
    lines = text.out.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("duplicates"))
    assert lines[place + 1] == f"  {odd}/a/2.png = {odd}/b/same.png"


def test_check_names_suspicious_classes(call, tmp_path):
    rng = np.random.default_rng(0)
    for name, images in {"many": 30, "few": 2, "lone": 1}.items():
        (tmp_path / name).mkdir()
        for number in range(images):
            gray = rng.integers(0, 256, (9, 9, 1), dtype=np.uint8)
            pixels = np.repeat(gray, 3, axis=2)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    called = call("check", tmp_path, "--json")
    assert called.code == 0
    told = json.loads(called.out)
    assert told["imbalance"] == 30
    alone, unequal, gray, few, lone = told["notes"]
    assert alone.startswith("only one image in class 'lone'")
    assert unequal.startswith("class 'many' has 30 times as many images as class 'lone'")
    assert "--color gray" in gray
    assert few.startswith("class 'few' (2 image(s)) has no validation image")
    assert lone.startswith("class 'lone' (1 image(s)) has no validation image")
    text = call("check", tmp_path).out
    assert all(f"note: {note}" in text for note in told["notes"])
    shutil.rmtree(tmp_path / "lone")
    told = json.loads(call("check", tmp_path, "--json").out)
    assert told["imbalance"] == 15
    assert "'many' has 15 times as many images as class 'few'" in told["notes"][0]


def test_the_part_for_validation():
    """As `nncore train --help` says: 15%, and at most 3,000 images."""
    for images, part in ((0, 0.15), (10, 0.15), (20_000, 0.15), (60_000, 0.05)):
        assert val_fraction(images) == pytest.approx(part)


def test_check_data_with_a_split(call, pictures, tmp_path):
    for part, numbers in {"train": range(9), "val": range(9, 12), "test": range(12, 14)}.items():
        for name in ("lying", "nothing"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in numbers:
                shutil.copy(pictures / name / f"{number}.png", tmp_path / part / name)
    shutil.copy(pictures / "lying" / "0.png", tmp_path / "test" / "lying" / "again.png")
    shutil.copy(pictures / "lying" / "9.png", tmp_path / "val" / "lying" / "again.png")
    told = json.loads(call("check", tmp_path, "--json").out)
    assert told["split"] == {"train": 18, "val": 7, "test": 5}
    assert told["duplicates"] == 2
    assert told["split_counts"]["lying"] == {"train": 9, "val": 4, "test": 3}
    assert told["duplicates_across_splits"] == 1
    assert [one["parts"] for one in told["duplicate_sets"]] == [["test", "train"], ["val"]]
    assert any("more than one part of the given split" in note for note in told["notes"])
    text = call("check", tmp_path).out
    assert re.search(r"class +images +train +val +test\n +lying +16 +9 +4 +3\n", text)
    assert "comes with the data: 18 train, 7 val, 5 test" in text
    assert "1 picture in more than one part of the split" in text
    # A class that cannot be learned is what training would refuse, too.
    shutil.rmtree(tmp_path / "train" / "nothing")
    for verb in ("check", "train"):
        called = call(verb, tmp_path, "--json")
        assert called.code == 3
        assert "no training image of class 'nothing'" in called.err


def test_check_draws_a_contact_sheet(call, fails, odd, tmp_path):
    sheet = tmp_path / "sheet.png"
    called = call("check", odd, "--sheet", sheet, "--json")
    assert json.loads(called.out)["sheet"] == str(sheet)
    with Image.open(sheet) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    colors = {tuple(color) for color in np.unique(pixels, axis=0).tolist()}
    assert {(254, 0, 0), (0, 0, 255)} <= colors  # the red pictures of a, the blue one of b
    assert "must end in .png" in fails(2, "check", odd, "--sheet", tmp_path / "sheet.txt")


def test_tables_stand_straight_with_wide_letters():
    lines = table([("class", "images"), ("\u732b", "1"), ("e\u0301te\u0301", "10")]).splitlines()
    assert lines == ["  class  images", "  \u732b          1", "  e\u0301te\u0301        10"]


def test_check_what_is_no_data_set(fails, pictures, tmp_path):
    assert "no such file or folder" in fails(3, "check", tmp_path / "none")
    assert "has no sub-folders" in fails(3, "check", pictures / "lying")


def test_info(call):
    assert nn.info().items() <= json.loads(call("info", "--json").out).items()
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


def test_check_uses_the_cache_and_says_the_same(pictures, tmp_path, call):
    place = tmp_path / "cache"
    answers = []
    for cache in ("off", str(place), str(place)):
        called = call("check", pictures, "--cache", cache, "--quiet", "--json")
        assert called.code == 0, called.err
        answers.append(json.loads(called.out))
        del answers[-1]["seconds"]
        assert place.exists() == (len(answers) > 1)
    assert answers[0] == answers[1] == answers[2]
    assert len(list(place.glob("*/images-*.npy"))) == 1
