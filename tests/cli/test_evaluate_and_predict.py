"""`nncore evaluate` and `nncore predict`, and that they agree."""

from __future__ import annotations

import csv
import json
import os
import shutil

import pytest
from PIL import Image


def test_evaluate_and_predict_agree(call, run, new_pictures):
    report = json.loads(call("evaluate", run, new_pictures, "--json").out)
    found = json.loads(call("predict", run, new_pictures, "--json", "--top-k", 3).out)
    right = 0
    confusion = [[0] * 3 for _ in range(3)]
    for one in found["predictions"]:
        truth = os.path.basename(os.path.dirname(one["path"]))
        right += one["label"] == truth
        classes = report["classes"]
        confusion[classes.index(truth)][classes.index(one["label"])] += 1
        assert one["label"] == one["top"][0]["label"]
        assert one["probability"] == one["top"][0]["probability"]
        assert sum(kind["probability"] for kind in one["top"]) == pytest.approx(1, abs=1e-5)
    assert len(found["predictions"]) == report["images"] == 36
    assert report["accuracy"] == right / 36 > 0.8
    assert report["confusion"] == confusion
    assert report["loss_name"] == "cross_entropy"
    assert report["skipped"] == found["skipped"] == []


def test_evaluate_for_people(call, run, new_pictures):
    called = call("evaluate", run, new_pictures)
    assert called.err == ""
    assert called.out.startswith(f"{run}/best.safetensors on {new_pictures}\n")
    assert "36" in called.out
    assert "standing" in called.out
    assert call("evaluate", run / "last.safetensors", new_pictures, "--quiet").code == 0


def test_evaluate_writes_files(call, fails, run, new_pictures, tmp_path):
    out = tmp_path / "a" / "b"
    told = json.loads(call("evaluate", run, new_pictures, "--output", out, "--json").out)
    files = ("report.html", "report.json", "confusion.png", "mistakes.png")
    assert told["files"] == [f"{out}/{name}" for name in files]
    assert all((out / name).exists() for name in files)
    assert json.loads((out / "report.json").read_text())["accuracy"] == told["accuracy"]
    Image.open(out / "confusion.png").verify()
    (tmp_path / "file").write_text("")
    assert f"{tmp_path}/file" in fails(
        1, "evaluate", run, new_pictures, "--output", tmp_path / "file"
    )


def test_the_quality_gate(call, run, new_pictures, tmp_path):
    assert call("evaluate", run, new_pictures, "--min-accuracy", 0.5).code == 0
    (tmp_path / "x").mkdir()
    # What lies is not standing: the model must be wrong.
    shutil.copytree(new_pictures / "lying", tmp_path / "x" / "standing")
    called = call("evaluate", run, tmp_path / "x", "--min-accuracy", 0.9)
    assert called.code == 5
    assert "12 right" not in called.out
    (line,) = called.err.splitlines()
    assert "is below --min-accuracy 0.9" in line


def test_some_of_the_classes_are_enough(call, run, new_pictures, tmp_path):
    shutil.copytree(new_pictures / "lying", tmp_path / "one" / "lying")
    (tmp_path / "one" / "standing").mkdir()
    report = json.loads(call("evaluate", run, tmp_path / "one", "--json").out)
    assert report["images"] == 12
    assert report["per_class"]["standing"]["recall"] is None
    shutil.rmtree(tmp_path / "one" / "standing")
    assert json.loads(call("evaluate", run, tmp_path / "one", "--json").out)["images"] == 12


def test_an_unknown_class_lists_both_sides(fails, run, new_pictures, tmp_path):
    shutil.copytree(new_pictures, tmp_path / "more")
    (tmp_path / "more" / "lying").rename(tmp_path / "more" / "leaning")
    told = fails(3, "evaluate", run, tmp_path / "more")
    assert "'leaning'" in told
    for name in ("lying", "nothing", "standing"):
        assert f"'{name}'" in told


def test_evaluate_a_table(call, run, new_pictures, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text(f"path,label\n{new_pictures}/lying/0.png,lying\n")
    assert json.loads(call("evaluate", run, table, "--json").out)["images"] == 1


def test_predict_for_people(call, run, new_pictures):
    files = [new_pictures / "standing" / "3.png", new_pictures / "lying" / "0.png"]
    called = call("predict", run, *files)
    assert called.code == 0
    assert called.err == ""
    rows = [line.split("\t") for line in called.out.splitlines()]
    assert [row[0] for row in rows] == [str(file) for file in files]
    assert [row[1] for row in rows] == ["standing", "lying"]
    assert all(1 / 3 < float(row[2]) <= 1 for row in rows)
    (three,) = call("predict", run, files[0], "--top-k", 3).out.splitlines()
    cells = three.split("\t")
    assert cells[:3] == rows[0]
    assert sorted(cells[1::2]) == ["lying", "nothing", "standing"]
    assert sum(map(float, cells[2::2])) == pytest.approx(1, abs=1e-5)


def test_predict_writes_csv(call, fails, run, new_pictures, tmp_path):
    file = tmp_path / "out.csv"
    called = call("predict", run, new_pictures / "lying", "--top-k", 2, "--csv", file)
    with open(file, newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["path", "label", "probability", "label_2", "probability_2"]
    assert rows[1:] == [line.split("\t") for line in called.out.splitlines()]
    told = fails(1, "predict", run, new_pictures, "--csv", tmp_path / "none" / "out.csv")
    place = f"{tmp_path}/none/out.csv"
    assert told == f"{place}: No such file or directory; choose another place by --csv"


def test_predict_names_what_it_skips(call, run, new_pictures, tmp_path):
    shutil.copy(new_pictures / "lying" / "0.png", tmp_path / "a\tb\n.png")
    (tmp_path / "notes.txt").write_text("no picture")
    called = call("predict", run, tmp_path)
    assert called.code == 0
    (line,) = called.out.splitlines()
    assert line.split("\t")[0] == rf"{tmp_path}/a\tb\n.png"
    assert called.err == f"nncore: warning: skipped {tmp_path}/notes.txt: not an image\n"
    told = json.loads(call("predict", run, tmp_path, "--json").out)
    assert told["predictions"][0]["path"] == f"{tmp_path}/a\tb\n.png"
    assert [(one["path"], one["reason"]) for one in told["skipped"]] == [
        (f"{tmp_path}/notes.txt", "not an image")
    ]


def test_names_that_are_not_utf8(call, run, new_pictures, tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    shutil.copy(new_pictures / "lying" / "0.png", name)
    told = json.loads(call("predict", run, tmp_path, "--json").out)
    assert os.fsencode(told["predictions"][0]["path"]) == name
    assert call("predict", run, tmp_path).out.startswith(rf"{tmp_path}/caf\udce9.png")
    assert call("predict", run, tmp_path, "--csv", tmp_path / "p.csv").code == 0
    assert name in (tmp_path / "p.csv").read_bytes()


def test_bad_input_of_predict(fails, run, new_pictures, tmp_path):
    page = tmp_path / "page.jpg"
    page.write_text("<html>")
    assert fails(3, "predict", run, page) == f"{page}: not an image"
    assert "no such file" in fails(3, "predict", run, "missing.png")
    (tmp_path / "empty").mkdir()
    assert "holds no files" in fails(3, "predict", run, tmp_path / "empty")
    told = fails(2, "predict", run, new_pictures, "--top-k", 4)
    assert told == f"--top-k 4: the model {run}/best.safetensors has 3 classes"


def test_runs_that_are_not_there(fails, run, new_pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pets", "fruit"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        shutil.copy(run / "best.safetensors", tmp_path / "runs" / name)
        os.utime(tmp_path / "runs" / name / "best.safetensors", (0, len(name)))
    missing = "there is no such model file or run"
    for given, hint in {
        "runs/pest": "; did you mean runs/pets/?",
        "rnus/fruits": "; did you mean runs/fruit/?",
        "pets": "; did you mean runs/pets?",
        "fruti": "; did you mean runs/fruit?",
        "runs/none": "; there are runs/fruit, runs/pets",
        "elsewhere/none": "; there are runs/fruit, runs/pets",
    }.items():
        assert fails(4, "predict", given, new_pictures) == f"{given}: {missing}{hint}"
    assert fails(3, "plot", "runs/pest").endswith("; did you mean runs/pets/?")
    assert fails(3, "report", "runs/pest").endswith("; did you mean runs/pets/?")
    assert fails(2, "train", "--resume", "pets").endswith("; did you mean runs/pets?")


def test_pictures_that_are_not_there(call, fails, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (8, 8)).save("new.png")
    reason = "no such file or folder; did you mean new.png?"
    assert fails(3, "predict", run, "nwe.png") == f"nwe.png: {reason}"
    assert fails(3, "train", "nwe.png") == f"nwe.png: {reason}"
    told = call("predict", run, "new.png", "neww.png").err
    assert f"skipped neww.png: {reason}" in told


def test_bad_models(fails, run, new_pictures, tmp_path):
    for verb in ("predict", "evaluate", "info"):
        rest = () if verb == "info" else (new_pictures,)
        assert "no such model file" in fails(4, verb, tmp_path / "none.safetensors", *rest)
        assert "holds no best.safetensors" in fails(4, verb, tmp_path, *rest)
        half = tmp_path / "half.safetensors"
        half.write_bytes((run / "best.safetensors").read_bytes()[:1000])
        assert str(half) in fails(4, verb, half, *rest)
        assert "safetensors" in fails(4, verb, new_pictures / "lying" / "0.png", *rest)


def test_a_model_of_arrays_cannot_read_files(fails, call, new_pictures, tmp_path):
    import numpy as np

    import nncore as nn

    model = nn.Sequential([nn.Dense(2)])
    model.fit(np.zeros((4, 3), np.float32), [0, 1, 0, 1], epochs=1, verbose=0)
    model.save(tmp_path / "m.safetensors")
    assert "image file" in fails(4, "predict", tmp_path / "m.safetensors", new_pictures)
    assert call("info", tmp_path / "m.safetensors").code == 0
