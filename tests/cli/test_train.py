"""`nncore train`."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from nncore.training.run_directory import FILES
from textbook import TRAIN


def test_everything_of_a_run_is_written(run):
    # augmented.png comes with --augment.
    assert set(os.listdir(run)) == set(FILES) - {"augmented.png", "features.onnx"}
    assert (
        run / "classes.csv"
    ).read_text() == "Label,Description\n0,lying\n1,nothing\n2,standing\n"
    for name in os.listdir(run):
        if name.endswith(".png"):
            Image.open(run / name).verify()
    with open(run / "split.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] for row in rows].count("val") == 18
    assert len(rows) == 120


def test_config(run, pictures):
    tomllib = pytest.importorskip("tomllib")
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["run"]["command"].startswith(f"nncore {shlex.join(TRAIN)} {pictures}")
    assert config["data"]["source"] == str(pictures)
    assert config["data"]["train_images"] == 102
    assert config["data"]["size"] == [8, 8]
    assert config["model"]["preset"] == "mlp"
    assert config["training"] == {
        "epochs": 30,
        "batch_size": 32,
        "loss": "cross_entropy",
        "optimizer": "SGD",
        "learning_rate": 0.1,
        "seed": 0,
        "class_weight": "none",
        "augment": "off",
    }
    assert config["report"]["measured_on"] == "validation"


def test_loss_falls_and_the_best_epoch_is_kept(run, pictures):
    history = nn.History.from_csv(run / "history.csv")
    for name in ("loss", "val_loss"):
        assert history.history[name][-1] < 0.5 * history.history[name][0]
    model = nn.load(run / "best.safetensors")
    assert model.facts.epochs == history.best_epoch()
    report = json.loads((run / "report.json").read_text())
    best = history.best_epoch() - 1
    assert report["loss"] == pytest.approx(history.history["val_loss"][best])
    assert report["accuracy"] == history.history["val_accuracy"][best]
    assert report["accuracy"] > 0.8
    # Inputs were normalised, and the model knows how.
    assert 0.05 < model.preprocessing.mean[0] < 0.5
    assert 0.05 < model.preprocessing.std[0] < 0.5


def test_what_a_person_is_told(call, pictures, tmp_path):
    source = tmp_path / "my bars"
    shutil.copytree(pictures, source)
    (source / "notes.txt").write_text("not an image")
    (source / "lying" / "page.html").write_text("<html>")
    called = call(*TRAIN, source, "--output", tmp_path, "--epochs", 3, "--color", "rgb")
    assert called.code == 0
    told = called.out
    assert "120 images in 3 classes, read as 8x8 rgb" in told
    assert "lying         40" in told
    assert "skipped 2 files:" in told
    assert f"{source}/notes.txt: is not inside a class folder" in told
    assert f"{source}/lying/page.html: not an image" in told
    assert "18 validation images" in told
    assert "slightly" in told
    assert f"{tmp_path}/run-1/best.safetensors" in told
    assert f"nncore predict {tmp_path}/run-1 IMAGE..." in told
    assert [line[:9] for line in called.err.splitlines()] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]


def test_json_and_an_untouched_test_part(call, pictures, tmp_path):
    called = call(
        *("train", pictures, "--test", 0.2, "--json", "--quiet", "--model", "linear"),
        *("--output", tmp_path, "--epochs", 2, "--loss", "mse"),
    )
    assert called.err == ""
    told = json.loads(called.out)
    assert told["run"] == str(tmp_path / "run-1")
    assert told["model"] == str(tmp_path / "run-1" / "best.safetensors")
    assert told["measured_on"] == "test"
    assert told["images"] == {"train": 78, "val": 18, "test": 24}
    assert told["counts"] == {"lying": 40, "nothing": 40, "standing": 40}
    assert told["skipped"] == []
    assert told["epochs"] == 2
    assert told["loss_name"] == "mse"
    assert not told["interrupted"]
    report = json.loads((tmp_path / "run-1" / "report.json").read_text())
    assert report["images"] == 24
    assert told["accuracy"] == report["accuracy"]
    assert [kind.description.to_dict()["type"] for kind in nn.load(told["model"]).layers] == [
        "Flatten",
        "Dense",
    ]


def test_without_validation(call, pictures, tmp_path):
    called = call(
        *(*TRAIN, pictures, "--val", 0, "--output", tmp_path, "--name", "x"),
        *("--quiet", "--epochs", 2, "--no-normalize", "--hidden", "4"),
    )
    assert "on 120 training images" in called.out
    assert "says nothing" in called.out
    model = nn.load(tmp_path / "x" / "best.safetensors")
    assert model.preprocessing.mean is None
    assert model.layers[2].output_shape == (4,)


def test_the_same_command_gives_the_same_bytes(call, pictures, run, tmp_path):
    words = (*TRAIN, pictures, "--output", tmp_path, "--quiet", "--threads", 1)
    before = nn.get_num_threads()
    try:
        assert call(*words).code == 0
    finally:
        nn.set_num_threads(before)
    for name in ("best.safetensors", "classes.csv", "report.json"):
        assert (tmp_path / "run-1" / name).read_bytes() == (run / name).read_bytes()
    assert call(*words[:-2], "--seed", 1).code == 0
    assert (tmp_path / "run-2" / "best.safetensors").read_bytes() != (
        run / "best.safetensors"
    ).read_bytes()


def test_a_table_and_a_class_map(call, pictures, tmp_path):
    rows = [(f"{name}/{n}.png", name) for name in ("lying", "standing") for n in range(40)]
    table = pictures / "table.csv"
    table.write_text("path,label\n" + "".join(f"{path},{name}\n" for path, name in rows))
    names = tmp_path / "names.txt"
    names.write_text("standing\nlying\n")
    words = ("--classes", names, "--output", tmp_path, "--epochs", 1, "--json", "--quiet")
    try:
        told = json.loads(call(*TRAIN, table, *words).out)
    finally:
        table.unlink()
    assert told["classes"] == ["standing", "lying"]


def test_the_quality_gate(call, pictures, tmp_path):
    words = (*TRAIN, pictures, "--output", tmp_path, "--epochs", 1, "--quiet")
    assert call(*words, "--min-accuracy", 0.0).code == 0
    called = call(*words, "--min-accuracy", 1.0, "--learning-rate", 1e-9)
    assert called.code == 5
    assert "accuracy" in called.out
    (line,) = called.err.splitlines()
    assert line.startswith("nncore: error: accuracy 0.")
    assert "validation images is below --min-accuracy 1" in line


def test_bad_data(fails, pictures, tmp_path):
    out = ("--output", tmp_path / "runs")
    assert "nowhere: no such file or folder" in fails(3, "train", "nowhere", *out)
    assert "has no sub-folders" in fails(3, "train", pictures / "lying", *out)
    assert "parts of a split" in fails(3, "train", make(tmp_path / "a", "train", "test"), *out)
    assert "at least two sub-folders" in fails(3, "train", make(tmp_path / "b", "one"), *out)
    empty = make(tmp_path / "c", "one", "two")
    (empty / "two" / "0.png").unlink()
    assert "no usable image in class 'two'" in fails(3, "train", empty, *out)
    broken = make(tmp_path / "d", "one", "two")
    (broken / "two" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert "bad.png" in fails(3, "train", broken, *out)
    names = tmp_path / "names.json"
    names.write_text('["one", "three"]')
    told = fails(3, "train", make(tmp_path / "e", "one", "two"), "--classes", names, *out)
    assert "'two'" in told
    assert "'three'" in told
    assert "no such file" in fails(3, "train", pictures, "--classes", "none.csv", *out)
    assert not (tmp_path / "runs").exists()


def make(folder, *classes):
    for name in classes:
        (folder / name).mkdir(parents=True)
        Image.new("L", (4, 4), 9).save(folder / name / "0.png")
    return folder


def test_places_where_no_run_can_be_written(fails, pictures, run, tmp_path):
    words = (*TRAIN, pictures, "--quiet", "--epochs", 1)
    (tmp_path / "file").write_text("")
    told = fails(1, *words, "--output", tmp_path / "file")
    assert f"{tmp_path}/file: " in told
    assert "--output" in told
    told = fails(1, *words, "--output", tmp_path / "file", "--name", "x")
    assert "choose another place by --output" in told
    told = fails(1, *words, "--output", run.parent, "--name", run.name)
    assert told.startswith(f"{run}: this run folder is not empty")
    assert "--overwrite" in told


def test_overwrite(call, pictures, tmp_path):
    words = (*TRAIN, pictures, "--quiet", "--epochs", 1, "--output", tmp_path, "--name", "x")
    assert call(*words).code == 0
    (tmp_path / "x" / "mine.txt").write_text("kept")
    assert call(*words, "--overwrite").code == 0
    assert (tmp_path / "x" / "mine.txt").read_text() == "kept"


def test_a_run_that_diverges(fails, pictures, tmp_path):
    told = fails(
        *(1, *TRAIN, pictures, "--learning-rate", 1e30, "--quiet"),
        *("--no-normalize", "--output", tmp_path),
    )
    assert "not finite in epoch 1" in told
    assert "learning rate" in told


def test_too_few_images_for_validation_is_said(call, tmp_path):
    called = call(
        *(*TRAIN, make(tmp_path / "d", "one", "two"), "--epochs", 1),
        *("--output", tmp_path, "--name", "x"),
    )
    assert called.code == 0
    assert "nncore: warning: class 'one' (1 image(s)) has no validation image" in called.err
    assert "on 2 training images" in called.out


def test_ctrl_c_saves_what_was_trained(call, pictures, tmp_path):
    command = [*TRAIN, str(pictures), "--epochs", "1000000", "--json"]
    command += ["--output", str(tmp_path), "--name", "x"]
    with subprocess.Popen(
        [sys.executable, "-m", "nncore", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr:
            if re.match(r"epoch +3/", line):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    last = err.splitlines()[-1]
    assert last.startswith("nncore: error: interrupted after ")
    assert str(tmp_path / "x") in last
    told = json.loads(out)
    assert told["interrupted"]
    assert told["epochs"] >= 3
    assert set(os.listdir(tmp_path / "x")) == set(FILES) - {"augmented.png", "features.onnx"}
    assert call("evaluate", tmp_path / "x", pictures).code == 0


@pytest.mark.parametrize(
    ("name", "size", "kinds"),
    [
        ("cnn", 12, {"Conv2D", "MaxPool2D", "Flatten", "Dropout", "Dense"}),
        ("lenet", 28, {"Conv2D", "MaxPool2D", "Flatten", "Dense"}),
    ],
)
def test_convolutional_presets_learn(call, pictures, tmp_path, name, size, kinds):
    called = call(
        *("train", pictures, "--model", name, "--size", size, "--epochs", 8, "--quiet"),
        *("--output", tmp_path, "--name", name, "--json"),
    )
    assert json.loads(called.out)["accuracy"] > 0.8
    model = nn.load(tmp_path / name / "best.safetensors")
    assert {layer.description.to_dict()["type"] for layer in model.layers} == kinds


@pytest.mark.parametrize(
    ("words", "optimizer", "facts"),
    [
        (("--optimizer", "adam"), nn.Adam(), {"optimizer": "Adam", "learning_rate": 0.001}),
        (("--optimizer", "adamw", "--weight-decay", 0.1), nn.AdamW(weight_decay=0.1), {}),
        (("--optimizer", "rmsprop", "--learning-rate", 0.01), nn.RMSprop(0.01), {}),
        (("--momentum", 0.75), nn.SGD(0.025, momentum=0.75), {"momentum": 0.75}),
        (
            ("--schedule", "cosine", "--warmup", 0.5),
            nn.SGD(nn.Warmup(nn.CosineDecay(0.1), 2)),
            {"learning_rate": 0.1, "schedule": "cosine", "warmup": 0.5},
        ),
        (("--schedule", "one-cycle"), nn.SGD(nn.OneCycle(0.1)), {"schedule": "one-cycle"}),
        (("--schedule", "step"), nn.SGD(nn.StepDecay(0.1)), {}),
        (("--schedule", "exponential"), nn.SGD(nn.ExponentialDecay(0.1)), {}),
    ],
)
def test_optimizers_and_schedules(call, pictures, tmp_path, words, optimizer, facts):
    called = call(*TRAIN, pictures, "--output", tmp_path, "--epochs", 2, "--quiet", *words)
    assert called.code == 0, called.err
    assert nn.load(tmp_path / "run-1" / "best.safetensors").optimizer == optimizer
    config = (tmp_path / "run-1" / "config.toml").read_text()
    for name, value in facts.items():
        assert f"{name} = {json.dumps(value)}" in config


def test_early_stopping_and_time(call, pictures, tmp_path):
    words = ("train", pictures, "--output", tmp_path, "--quiet", "--json", "--model", "linear")
    told = json.loads(
        call(*words, "--epochs", 500, "--early-stopping", 2, "--learning-rate", 50.0).out
    )
    assert told["epochs"] < 500
    assert told["epochs"] - told["best_epoch"] == 2
    best = nn.load(told["model"])
    assert best.facts.epochs == told["best_epoch"]
    started = time.monotonic()
    told = json.loads(call(*words, "--epochs", 10**6, "--max-minutes", 0.01).out)
    assert 1 <= told["epochs"] < 10**6
    assert time.monotonic() - started < 30


def test_why_it_stopped_early_is_told(call, pictures, tmp_path):
    words = ("train", pictures, "--output", tmp_path, "--model", "linear")
    called = call(*words, "--epochs", 500, "--early-stopping", 2, "--learning-rate", 50.0)
    history = (tmp_path / "run-1" / "history.csv").read_text().splitlines()
    told = re.search(
        r"^stopped early at epoch (\d+) of 500: no lower validation loss for 2 epochs "
        r"\(--early-stopping\), the lowest was that of epoch (\d+)$",
        called.out,
        re.MULTILINE,
    )
    assert told, called.out
    assert int(told[1]) == int(told[2]) + 2 == len(history) - 1
    again = call("train", "--resume", tmp_path / "run-1")
    assert told[0] in again.out
    assert "epoch " not in again.err
    in_time = call(*words, "--epochs", 10**6, "--max-minutes", 0.005).out
    assert re.search(r"^stopped early at epoch \d+ of 1000000: another .* in time", in_time, re.M)
    for calm in (("--epochs", 2), ("--epochs", 3, "--early-stopping", 3)):
        assert "stopped early" not in call(*words, *calm).out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--optimizer", "adam", "--momentum", 0.9), "--momentum is for --optimizer sgd"),
        (("--early-stopping", 3, "--val", 0), "--early-stopping looks at the validation loss"),
        (("--schedule", "one-cycle", "--warmup", 1), "has a warm-up of its own"),
        (("--warmup", 30), "--warmup 30 must be below --epochs 30"),
        (("--momentum", 1), "--momentum: must be"),
        (("--max-minutes", 0), "--max-minutes: must be above 0"),
        (("--early-stopping", -1), "--early-stopping: must be at least 0"),
        (("--optimizer", "lion"), "invalid choice"),
    ],
)
def test_training_flags_that_contradict(call, pictures, tmp_path, words, message):
    called = call(*TRAIN, pictures, "--output", tmp_path, *words)
    assert called.code == 2
    assert message in called.err
    assert list(tmp_path.iterdir()) == []


def test_the_cache_changes_no_weight(pictures, tmp_path, call):
    def train(name: str, *cache: str) -> bytes:
        called = call(
            *(*TRAIN, pictures, "--output", tmp_path, "--name", name, "--epochs", "2"),
            *("--quiet", *cache),
        )
        assert (called.code, called.err) == (0, "")
        return (tmp_path / name / "best.safetensors").read_bytes()

    place = tmp_path / "cache"
    plain = train("off", "--cache", "off")
    assert not place.exists()
    assert train("first", "--cache", str(place)) == plain
    assert len(list(place.glob("*/manifest.json"))) == 1
    before = next(place.glob("*/images-*.npy"))
    assert train("second", "--cache", str(place)) == plain
    # The model asks for what training had left open: the same images serve.
    options = ("--cache", str(place), "--quiet", "--json")
    called = call("evaluate", tmp_path / "first", pictures, *options)
    assert called.code == 0, called.err
    assert list(place.glob("*/images-*.npy")) == [before]
    other = call("evaluate", tmp_path / "first", pictures, "--cache", "off", "--quiet", "--json")
    assert json.loads(called.out) == json.loads(other.out)


def test_a_cache_that_cannot_be_written_is_named(pictures, tmp_path, call):
    (tmp_path / "file").write_text("x")
    called = call(
        *(*TRAIN, pictures, "--output", tmp_path, "--name", "x", "--epochs", "1", "--quiet"),
        *("--cache", tmp_path / "file"),
    )
    assert called.code == 0
    assert called.err.startswith("nncore: warning: ")
    assert "file: the cache cannot be written: File exists; the images are read" in called.err


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_a_training_that_led_nowhere_says_so_once(call, tmp_path, quiet):
    rng = np.random.default_rng(0)
    for kind in ("a", "b"):
        (tmp_path / "noise" / kind).mkdir(parents=True)
        for number in range(30):
            noise = rng.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(noise).save(tmp_path / "noise" / kind / f"{number}.png")
    words = ("train", "--model", "linear", tmp_path / "noise", "--epochs", 3)
    called = call(*words, "--learning-rate", 30, "--output", tmp_path, *quiet)
    assert called.code == 0
    assert called.err.count("training led nowhere: its loss began at ") == 1
    assert "try 3, or look for one with lr-find" in called.err
