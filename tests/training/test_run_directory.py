"""`runs/NAME/`: where it is made, what is in it, when the files appear."""

from __future__ import annotations

import csv
import datetime
import hashlib
import json
import math
import os

import numpy as np
import pytest

from nncore.data import ImageDataset, SkippedFile
from nncore.data.augmentation import Augmentation
from nncore.errors import ModelFileError
from nncore.files.own_folders import MARKER
from nncore.layers import Dense, Flatten
from nncore.optimizers import SGD
from nncore.training.callbacks import Callback
from nncore.training.history import History
from nncore.training.loop import NonFiniteLossError
from nncore.training.model import Sequential
from nncore.training.model_file import load, load_training_state
from nncore.training.run_directory import FILES, RunDirectory, toml_text

pytestmark = pytest.mark.every_isa

NAMES = ["cat", "dog", "owl"]


def data_set(n=60):
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    images = rng.integers(0, 150, (n, 4, 5))
    images[np.arange(n), labels] += 100
    return ImageDataset.from_arrays(
        images.astype(np.uint8), labels, classes=NAMES, names=[f"{i}.png" for i in range(n)]
    )


def weights(model):
    return [array.tobytes() for array in model.get_weights()]


def train(run, *, epochs=4, interval=0.0, callbacks=(), optimizer=None, **settings):
    model = Sequential([Flatten(), Dense(3)])
    model.fit(
        data_set(),
        epochs=epochs,
        verbose=0,
        callbacks=[*callbacks, run.checkpoints(interval)],
        optimizer=optimizer or SGD(0.1),
        **settings,
    )
    return model


# -- where


def test_runs_are_numbered(tmp_path):
    root = tmp_path / "a" / "runs"
    paths = [RunDirectory.create(root).path for _ in range(3)]
    assert paths == [root / "run-1", root / "run-2", root / "run-3"]
    assert RunDirectory.create(root, "mine").path == root / "mine"
    assert os.listdir(paths[0]) == [MARKER]


def test_existing_run_is_not_touched_unless_asked(tmp_path):
    run = RunDirectory.create(tmp_path, "mine")
    assert RunDirectory.create(tmp_path, "mine").path == run.path  # Still empty.
    (run.path / "report.json").write_text("old")
    (run.path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"not empty.*mine"):
        RunDirectory.create(tmp_path, "mine")
    assert (run.path / "report.json").read_text() == "old"
    RunDirectory.create(tmp_path, "mine", overwrite=True)
    assert [path.name for path in run.path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/tmp"])
def test_bad_names(tmp_path, name):
    with pytest.raises(ValueError, match="name must be the name of one folder"):
        RunDirectory.create(tmp_path, name)


@pytest.mark.parametrize("name", [None, "mine"])
def test_unwritable_place_is_named(tmp_path, name):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=r"cannot write a run here.*file"):
        RunDirectory.create(tmp_path / "file" / "runs", name)
    (tmp_path / "mine").write_text("no folder")
    with pytest.raises(OSError, match=r"cannot write a run here.*mine"):
        RunDirectory.create(tmp_path, "mine")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_write_protected_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="cannot write a run here"):
        RunDirectory.create(tmp_path)


def test_folder_that_refuses_files_is_found_before_training(tmp_path, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied", os.path.join(dir, "tmpabc"))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(PermissionError, match=r"cannot write a run here: Permission denied.*run-1"):
        RunDirectory.create(tmp_path)


# -- what


def test_complete_run_has_every_file(tmp_path):
    run = RunDirectory.create(tmp_path)
    data = data_set()
    run.write_config({"train": {"epochs": 4, "data": "photos"}})
    parts = {"train": data.subset(range(40)), "val": data.subset(range(40, 60))}
    run.write_data(data.classes, parts, [SkippedFile("a.txt", "not an image", "foreign")])
    model = train(run, validation_data=parts["val"])
    run.write_augmented(data.images, Augmentation(shift=0.5), seed=1)
    network = run.file("classes.csv")
    run.keep_features(network, hashlib.sha256(network.read_bytes()).hexdigest())
    run.write_history(model.history)
    report = model.evaluate(data)
    run.write_report(report, data.images, {"command": "nncore train"})
    assert json.loads(run.file("provenance.json").read_text()) == {"command": "nncore train"}
    run.write_resume({"format": 1})
    assert run.read_resume() == {"format": 1}
    # The page is made of these by another room.
    assert {path.name for path in run.path.iterdir()} == set(FILES) - {"report.html"}

    def rows(name):
        return list(csv.reader(run.file(name).read_text(encoding="utf-8").splitlines()))

    assert rows("classes.csv")[1:] == [["0", "cat"], ["1", "dog"], ["2", "owl"]]
    assert [row[2] for row in rows("split.csv")] == ["split"] + ["train"] * 40 + ["val"] * 20
    assert rows("skipped.csv")[1] == ["a.txt", "foreign", "not an image"]
    assert len(rows("history.csv")) == 5
    written = json.loads(run.file("report.json").read_text())
    assert written["accuracy"] == report.accuracy
    assert written["confusion"] == report.confusion.tolist()
    for name in FILES:
        if name.endswith(".png"):
            assert run.file(name).read_bytes().startswith(b"\x89PNG")


def test_report_without_images_has_no_picture_of_mistakes(tmp_path):
    run = RunDirectory.create(tmp_path)
    run.write_report(train(run).evaluate(data_set()))
    assert not run.file("mistakes.png").exists()
    assert run.file("confusion.png").exists()


def test_history_without_epochs_has_no_curves(tmp_path):
    run = RunDirectory.create(tmp_path)
    run.write_history(History("mse"))
    assert sorted(os.listdir(run.path)) == [MARKER, "history.csv"]


def test_unknown_file_names():
    with pytest.raises(ValueError, match=r"no file 'weights\.h5'; it has: config"):
        RunDirectory("anywhere").file("weights.h5")


# -- checkpoints


@pytest.mark.parametrize("interval", [0.0, math.inf])
def test_best_and_last_model(tmp_path, interval):
    run = RunDirectory.create(tmp_path)
    history, kept = [], {}

    class Keep(Callback):
        def on_epoch_end(self, epoch, logs):
            history.append(logs["val_loss"])
            kept[epoch] = weights(self.model)
            if epoch == 3:
                raise KeyboardInterrupt

    class Worsen(Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 2:
                self.model.set_weights([w[..., ::-1] * 50 for w in self.model.get_weights()])

    model = Sequential([Flatten(), Dense(3)])
    data = data_set()
    model.fit(
        data,
        validation_data=data,
        epochs=4,
        verbose=0,
        callbacks=[run.checkpoints(interval), Worsen(), Keep()],
        optimizer=SGD(0.001),
    )
    assert np.argmin(history) == 1
    best, last = load(run.file("best.safetensors")), load(run.file("last.safetensors"))
    assert best.facts.epochs == 2
    assert best.evaluate(data).loss == pytest.approx(history[1])
    assert weights(last) == kept[3] == weights(model)
    assert last.facts.epochs == 3
    assert len(run.file("history.csv").read_text().splitlines()) == 4


def test_last_model_can_be_resumed(tmp_path):
    class Stop(Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.stop_training = epoch == 2

    first, second = RunDirectory.create(tmp_path), RunDirectory.create(tmp_path)
    whole = train(first, epochs=5)
    train(second, epochs=5, callbacks=[Stop()])
    state = load_training_state(second.file("last.safetensors"))
    state.model.fit(
        data_set(),
        epochs=3,
        optimizer=state.model.optimizer,
        history=state.history,
        callbacks=[second.checkpoints()],
        verbose=0,
    )
    assert weights(state.model) == weights(whole)
    for name in ("best.safetensors", "last.safetensors"):
        assert weights(load(first.file(name))) == weights(load(second.file(name)))


def test_divergence_keeps_the_best_and_an_earlier_last(tmp_path):
    class Ruin(Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 2:
                self.model.set_weights([np.full_like(w, 3e38) for w in self.model.get_weights()])

    run = RunDirectory.create(tmp_path)
    model = Sequential([Flatten(), Dense(3)])
    with pytest.raises(NonFiniteLossError):
        model.fit(
            data_set(),
            loss="mse",
            verbose=0,
            callbacks=[run.checkpoints(math.inf), Ruin()],
        )
    assert load(run.file("best.safetensors")).facts.epochs == 2
    assert load(run.file("last.safetensors")).facts.epochs == 1


def test_files_are_not_written_more_often_than_asked(tmp_path, monkeypatch):
    writes = []
    monkeypatch.setattr(
        "nncore.training.run_directory.write_model_file",
        lambda path, data: writes.append(path.name),
    )
    train(RunDirectory.create(tmp_path), epochs=20, interval=3600.0)
    assert writes.count("last.safetensors") == 2  # After the first epoch and at the end.
    assert writes.count("best.safetensors") <= 2


# -- TOML


def test_toml_reads_back():
    tomllib = pytest.importorskip("tomllib")
    sections = {
        "train": {
            "epochs": 3,
            "learning_rate": 1e-05,
            "numpy": np.float64(0.1),
            "big": 1e16,
            "shuffle": True,
            "path": 'C:\\x "y"\n\tü 🐈 \x7f \x00',
            "hidden": [128, 64],
            "nothing": [],
            "when": datetime.datetime(2024, 5, 6, 7, 8, 9),
            "day": datetime.date(2024, 5, 6),
            "inf": math.inf,
        },
        "a b.c": {"ü": 1, "": 2, "x-y_Z9": 3},
    }
    assert tomllib.loads(toml_text(sections)) == sections


def test_toml_leaves_none_out_and_survives_odd_file_names():
    tomllib = pytest.importorskip("tomllib")
    text = toml_text({"a": {"none": None, "path": os.fsdecode(b"caf\xe9.png")}})
    assert tomllib.loads(text) == {"a": {"path": "caf?.png"}}


@pytest.mark.parametrize("value", [{"x": 1}, object(), [None], b"x"])
def test_toml_names_what_it_cannot_write(value):
    with pytest.raises(TypeError, match=r"train\.key: cannot write a"):
        toml_text({"train": {"key": value}})


# -- the network of frozen features


def test_the_network_is_its_own_whatever_becomes_of_the_file(tmp_path):
    run = RunDirectory.create(tmp_path / "runs")
    (tmp_path / "hub").mkdir()
    blob, link = tmp_path / "hub" / "blob", tmp_path / "hub" / "net.onnx"
    blob.write_bytes(b"network")
    link.symlink_to("blob")
    run.keep_features(link, hashlib.sha256(b"network").hexdigest())
    with blob.open("r+b") as file:
        file.write(b"another")
    blob.unlink()
    kept = run.file("features.onnx")
    assert kept.read_bytes() == b"network"
    assert not kept.is_symlink()


def test_a_network_that_changed_meanwhile_is_not_kept(tmp_path):
    run = RunDirectory.create(tmp_path / "runs")
    (tmp_path / "net.onnx").write_bytes(b"another")
    with pytest.raises(ModelFileError, match=r"net\.onnx: was changed since"):
        run.keep_features(tmp_path / "net.onnx", hashlib.sha256(b"network").hexdigest())
    with pytest.raises(ModelFileError, match=r"none\.onnx: cannot be read any more"):
        run.keep_features(tmp_path / "none.onnx", "")
    assert not run.file("features.onnx").exists()
