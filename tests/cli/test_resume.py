"""`nncore train --resume`: whatever is killed goes on to the same weights, history and report.

Some kills at random moments, of `train` and of `train --resume`; NNCORE_KILLS=20 pytest
tests/cli/test_resume.py -k killed is the long form: so many of each kind.
"""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from onnx_architectures import squeezenet
from onnx_models import write_network
from textbook import TRAIN

KILLS = int(os.environ.get("NNCORE_KILLS", "2"))
AUGMENTED = ("--optimizer", "sgd", "--momentum", "0.9", "--augment", "strong")
KINDS = {
    "auto": ("--backbone", "none", "--epochs", "5"),
    "momentum": (*TRAIN[1:], "--optimizer", "sgd", "--momentum", "0.9", "--epochs", "150"),
    "cnn": ("--model", "cnn", *AUGMENTED, "--class-weight", "balanced", "--epochs", "15"),
    # A head, then the layers under it: two calls of `fit` that share a history.
    "onnx": ("--backbone", "NETWORK", "--epochs", "60", "--fine-tune", "20", "--no-refit"),
}

SHORT = ("--epochs", 6, "--batch-size", 8)


def start(*words, **settings):
    return subprocess.Popen(
        [sys.executable, "-m", "nncore", *map(str, words)],
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, **settings},
    )


def finish(*words):
    with start(*words) as process:
        _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    return told


def report(run):
    """The report, wherever the pictures are."""
    found = json.loads((run / "report.json").read_text())
    for kind in ("worst", "uncertain", "typical"):
        for image in found[kind]:
            image["path"] = os.path.basename(image["path"])
    return found


def result(run):
    """All that must be the same; only times differ."""
    with open(run / "history.csv", newline="") as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    last = nn.load_checkpoint(run / "last.safetensors")
    state = last.optimizer_state
    return {
        "best": (run / "best.safetensors").read_bytes(),
        "report": report(run),
        "history": rows,
        "iterations": last.history.iteration_loss,
        "last": [array.tobytes() for array in last.get_weights()],
        "optimizer": {name: array.tobytes() for name, array in state.arrays.items()},
        "steps": state.steps,
    }


def same(one, other):
    different = [name for name, value in result(one).items() if result(other)[name] != value]
    assert different == []


@pytest.fixture(scope="module")
def training(pictures, tmp_path_factory):
    """The words of a training of a kind."""

    def words(kind):
        found = KINDS[kind]
        if "NETWORK" in found:
            pytest.importorskip("onnx")
            graph, output = squeezenet()
            network = tmp_path_factory.mktemp("networks") / "squeezenet.onnx"
            graph.write(network, output)
            found = [network if word == "NETWORK" else word for word in found]
        return ("train", pictures, *found, "--name", kind)

    return words


@pytest.fixture(scope="module")
def undisturbed(training, tmp_path_factory):
    """A run of each kind that nobody stops, and how long it takes from its folder on."""
    root, found = tmp_path_factory.mktemp("undisturbed"), {}

    def get(kind):
        if kind not in found:
            with start(*training(kind), "--output", root) as process:
                begun = until(root / kind / "resume.json", process)
                _, told = process.communicate(timeout=300)
            assert process.returncode == 0, told
            found[kind] = root / kind, time.monotonic() - begun
        return found[kind]

    return get


def until(path, process):
    while not path.exists() and process.poll() is None:
        time.sleep(0.002)
    return time.monotonic()


def until_it_goes_on(process):
    """`--resume` has read all that was there, and trains."""
    for line in process.stdout:
        if " goes on after " in line:
            break


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_goes_on_to_the_same_end(training, tmp_path, undisturbed, kind):
    whole, seconds = undisturbed(kind)
    draw = random.Random(kind)
    run = tmp_path / kind
    often = ("--checkpoint-seconds", "0.05")
    for number in range(KILLS):
        resumed = run.exists()
        words = ("train", "--resume", run) if resumed else (*training(kind), "--output", tmp_path)
        with start(*words, *often, stdout=subprocess.PIPE) as process:
            if not resumed:
                until(run / "resume.json", process)
            elif number % 3:  # else while it still reads what is there, or begins to
                until_it_goes_on(process)
            time.sleep(draw.uniform(0, seconds / min(KILLS, 4)))
            process.send_signal(signal.SIGTERM if number % 4 == 3 else signal.SIGKILL)
            process.communicate(timeout=60)
        assert process.returncode in (-signal.SIGKILL, -signal.SIGTERM, 143, 0)
        if process.returncode == 0 or number % 4 == 3:
            finish("train", "--resume", run)
            same(whole, run)
            shutil.rmtree(run)
    if run.exists():
        finish("train", "--resume", run)
        same(whole, run)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("place", [os.devnull, "/dev/full"])
def test_a_signal_saves_and_has_its_exit_code(pictures, tmp_path, number, code, place):
    if not os.path.exists(place):
        pytest.skip(f"no {place}")
    words = (*TRAIN, pictures, "--epochs", 1000000, "--output", tmp_path, "--name", "x", "--json")
    with (
        open(place, "w") as told_to,
        start(*words, "--checkpoint-seconds", 1000, stdout=told_to) as process,
    ):
        for line in process.stderr:
            if line.startswith("epoch") and line.split("/")[0].split()[-1] == "3":
                break
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert told.splitlines()[-1].startswith("nncore: error: interrupted after ")
    assert len(nn.load_checkpoint(tmp_path / "x" / "last.safetensors").history) >= 3


def test_sighup_that_is_ignored_stays_so(pictures, tmp_path):
    words = (*TRAIN, pictures, "--epochs", 1000000, "--output", tmp_path, "--name", "x")
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    with start(*words, **ignoring) as process:
        for number, _ in enumerate(process.stderr):
            if number == 12:
                process.send_signal(signal.SIGHUP)
            if number == 40:
                break
        assert process.poll() is None
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143


def stop(call, *words, checks=50):
    """A run that is ended within an epoch, when it has looked so often whether it should."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nncore.training.loop._BLOCK_SECONDS", 0.0)
        count = [0]

        def check(self):
            count[0] += 1
            if count[0] == checks:
                raise KeyboardInterrupt

        patch.setattr("nncore.training.interrupt.Interrupt.check", check)
        assert call("train", *words, "--quiet").code == 130


@pytest.fixture
def stopped(call, pictures, tmp_path):
    """A run that was ended within its fourth epoch, and a copy of its pictures."""
    data = shutil.copytree(pictures, tmp_path / "pictures")
    stop(call, *TRAIN[1:], data, *SHORT, "--output", tmp_path, "--name", "x")
    return tmp_path / "x", data


def test_moved_pictures_are_named(call, stopped, tmp_path):
    run, data = stopped
    assert call(*TRAIN, data, *SHORT, "--output", tmp_path, "--name", "y").code == 0
    data.rename(tmp_path / "elsewhere")
    assert call("train", "--resume", run).code == 3
    told = call("train", "--resume", run, tmp_path / "elsewhere")
    assert told.code == 0, told.err
    assert f"{run} goes on after 3 epochs and " in told.out
    same(tmp_path / "y", run)
    # Once more: there is nothing left to do, and the end is the same.
    assert call("train", "--resume", run, tmp_path / "elsewhere", "--quiet").code == 0
    same(tmp_path / "y", run)


@pytest.mark.parametrize("becomes", ["gone", "another"])
def test_a_run_on_features_goes_on(call, pictures, tmp_path, becomes):
    pytest.importorskip("onnxruntime")
    network = write_network(
        tmp_path / "n.onnx", shape=("n", 1, 8, 8), channels=1, outputs=("pooled",)
    )
    words = (pictures, "--features", network, *SHORT, "--output", tmp_path, "--cache", "off")
    assert call("train", *words, "--name", "y").code == 0
    stop(call, *words, "--name", "x", checks=40)
    stop(call, "--resume", tmp_path / "x", checks=20)
    network.rename(tmp_path / "elsewhere.onnx")  # the run has a copy of it
    if becomes == "another":
        write_network(network, shape=("n", 1, 8, 8), channels=1, outputs=("pooled",), seed=9)
    told = call("train", "--resume", tmp_path / "x")
    assert told.code == 0, told.err
    same(tmp_path / "y", tmp_path / "x")


def change(data):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(data / "lying" / "0.png")


def add(data):
    shutil.copy(data / "lying" / "0.png", data / "lying" / "zero.png")


def remove(data):
    (data / "lying" / "0.png").unlink()


@pytest.mark.parametrize(
    ("what", "told"),
    [(change, "1 image changed, such as lying"), (add, "1 image new"), (remove, "1 image gone")],
)
def test_changed_pictures_are_refused(call, fails, stopped, what, told):
    run, data = stopped
    what(data)
    message = fails(3, "train", "--resume", run, "--quiet")
    assert told in message
    assert "--accept-changes" in message
    accepted = call("train", "--resume", run, "--accept-changes", "--quiet")
    assert accepted.code == 0, accepted.err
    assert told in accepted.err
    assert call("train", "--resume", run, "--quiet").code == 0


def test_another_version_is_refused(fails, stopped):
    run, _ = stopped
    record = json.loads((run / "resume.json").read_text())
    (run / "resume.json").write_text(json.dumps(record | {"nncore": "0.0.1"}))
    assert "nncore 0.0.1 began it, and this is " in fails(3, "train", "--resume", run, "--quiet")


def test_other_settings_are_refused(call, fails, stopped):
    run, _ = stopped
    resume = ("train", "--resume", run, "--quiet")
    told = fails(2, *resume, "--epochs", 7)
    assert told.startswith("--epochs 7 instead of 6: leave it out, or")
    assert "settled by the run" in fails(2, *resume, "--model", "cnn", "--accept-changes")
    assert "settled by the run" in fails(2, *resume, "--seed", 3)
    assert call(*resume, "--epochs", 6, "--batch-size", 8).code == 0
    assert call(*resume, "--epochs", 7, "--accept-changes").code == 0
    assert len(nn.load_checkpoint(run / "last.safetensors").history) == 7


def test_what_cannot_be_resumed(fails, stopped, tmp_path):
    run, data = stopped
    assert "is no folder" in fails(2, "train", "--resume", tmp_path / "none")
    assert "there is no resume.json" in fails(3, "train", "--resume", data)
    assert "is for --resume" in fails(2, "train", data, "--accept-changes")
    (run / "resume.json").write_text("{}")
    assert "cannot be understood: no 'format'" in fails(3, "train", "--resume", run)
    (run / "resume.json").write_text("[")
    assert "cannot be read" in fails(3, "train", "--resume", run)
    (run / "resume.json").unlink()
    os.mkfifo(run / "resume.json")  # nobody waits for it
    assert "not a regular file" in fails(3, "train", "--resume", run)


def test_one_training_at_a_time(call, pictures, tmp_path):
    words = (*TRAIN, pictures, "--epochs", 1000000, "--output", tmp_path, "--name", "x")
    with start(*words) as process:
        until(tmp_path / "x" / "last.safetensors", process)
        for second in ((*words, "--overwrite"), ("train", "--resume", tmp_path / "x")):
            called = call(*second)
            assert called.code == 1
            assert "another process trains into this run folder" in called.err
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143
