"""`mpiexec -n N nncore ...`: the same as by one process, and nothing hangs whatever fails."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nncore
import processes
from nncore.cli import main

NNCORE = [sys.executable, "-m", "nncore"]
# What mpiexec says by itself.
FOREIGN = ("mpiexec:", "prterun:", "---", "MPI_ABORT", "with errorcode")


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """Photos, one of them broken and not of the first share, and a run that one process made."""
    desk = tmp_path_factory.mktemp("desk")
    rng = np.random.default_rng(0)
    for label, name in enumerate(("ant", "bee", "cow")):
        (desk / "photos" / name).mkdir(parents=True)
        for number in range(30):
            image = rng.integers(0, 60, (12, 12, 3))
            image[4 * label : 4 * label + 4] += 150
            Image.fromarray(image.astype(np.uint8)).save(
                desk / "photos" / name / f"{number:02}.png"
            )
    broken = desk / "photos" / "bee" / "05.png"  # the 36th of all: not of the first's 32
    broken.write_bytes(broken.read_bytes()[:70])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(desk)
        assert main(train("one")) == 0
    return desk


def train(name: str, *more: str) -> list[str]:
    flags = "--model cnn --epochs 4 --batch-size 16 --test 0.2 --max-broken 0.1 --seed 3 --quiet"
    return ["train", "photos", "--name", name, *flags.split(), "--augment", "light", *more]


@pytest.fixture
def at_desk(desk, monkeypatch) -> Path:
    monkeypatch.chdir(desk)
    monkeypatch.delenv("NNCORE_DEBUG", raising=False)
    return desk


def own_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("nncore: ")]


def known(run: Path) -> tuple:
    """What a run has learned and found, times left out."""
    history = [line.split(",") for line in (run / "history.csv").read_text().splitlines()]
    seconds = history[0].index("seconds")
    model = nncore.load(run / "best.safetensors")
    return (
        [weights.tobytes() for weights in model.get_weights()],
        [row[:seconds] + row[seconds + 1 :] for row in history],
        (run / "report.json").read_bytes(),
        (run / "split.csv").read_bytes(),
        (run / "skipped.csv").read_bytes(),
    )


@pytest.mark.parametrize("number", [2, 3])
def test_training_is_that_of_one_process(at_desk, number):
    done = processes.run(number, [*NNCORE, *train(f"by-{number}")])
    assert done.returncode == 0, done.stderr
    assert known(Path("runs", f"by-{number}")) == known(Path("runs", "one"))
    assert done.stdout.count("accuracy") >= 1
    assert done.stdout.count("test images (95%") == 1  # one of them tells it
    assert [line for line in own_lines(done.stderr) if "05.png" in line] == [
        "nncore: warning: 1 file skipped, first photos/bee/05.png: cannot be decoded: image file "
        "is truncated"
    ]


def test_the_first_line_says_who_takes_part(at_desk):
    done = processes.run(2, [*NNCORE, *train("told")[:-3], "--epochs", "1"])
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.startswith("2 processes on ")
    assert first.endswith(", 1 thread each")
    assert "batch size 16, of all 2 processes together: about 8 images for each" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "runs/one", "photos", "--top-k", "2"],
        ["predict", "runs/one", "photos", "--json"],
        ["evaluate", "runs/one", "photos", "--max-broken", "0.1", "--output", "seen"],
    ],
    ids=["predict", "predict-json", "evaluate"],
)
def test_results_are_byte_for_byte_those_of_one_process(at_desk, words, capfd):
    code = main(words)
    alone = capfd.readouterr()
    done = processes.run(3, [*NNCORE, *words])
    assert done.returncode == code
    assert done.stdout == alone.out
    assert own_lines(done.stderr) == own_lines(alone.err)


def test_bad_data_and_bad_words_are_told_once(at_desk):
    for words, code, told in (
        (["predict", "runs/one", "nowhere.png"], 3, "nowhere.png: no such file"),
        (["train", "nowhere"], 3, "nowhere: no such file or folder"),
        (["train", "photos", "--epoch", "3"], 2, "unrecognized argument"),
    ):
        done = processes.run(2, [*NNCORE, *words])
        assert done.returncode == code, done.stderr
        (line,) = own_lines(done.stderr)
        assert told in line


def test_what_cannot_be_shared_is_done_by_one(at_desk, capfd):
    code = main(["check", "photos", "--json"])
    alone = capfd.readouterr().out
    done = processes.run(2, [*NNCORE, "check", "photos", "--json"])
    assert done.returncode == code
    one, several = json.loads(alone), json.loads(done.stdout)
    assert one.keys() == several.keys()
    for key in ("images", "counts", "skipped", "classes"):
        assert one.get(key) == several.get(key)
    warning = "nncore: warning: nncore check is done by one process; the others have nothing to do"
    assert own_lines(done.stderr).count(warning) == 1


FAILING = """\
import sys
from nncore.cli import main, training
from nncore.cli.training import run
from nncore.distributed import world

def failing(*arguments):
    if world().rank == 1:
        raise MemoryError
    world().wait_for_all()  # as those wait that the others wait for

run._fit = failing
sys.exit(main(sys.argv[1:]))
"""


def test_a_failure_of_one_ends_all_with_its_reason(at_desk):
    begun = time.monotonic()
    done = processes.run(3, [sys.executable, "-c", FAILING, *train("failed")])
    assert done.returncode == 1
    lines = [line for line in own_lines(done.stderr) if "process 1 on" in line]
    assert len(lines) == 1, done.stderr
    assert "not enough memory" in lines[0]
    assert time.monotonic() - begun < 120  # and not for ever


def test_killed_and_resumed_by_another_number(at_desk):
    flags = ["--checkpoint-seconds", "0.01", "--epochs", "40"]
    # By absolute paths, as a resumed run remembers them.
    undisturbed = [
        str(at_desk / "photos") if word == "photos" else word
        for word in train("undisturbed", *flags)
    ]
    assert main(undisturbed) == 0
    job = processes.start(2, [*NNCORE, *train("killed", *flags)])
    try:
        wait_for(Path("runs", "killed", "last.safetensors"))
        os.kill(processes.member(job, 1), signal.SIGKILL)
        killed = time.monotonic()
        job.communicate(timeout=60)
        assert job.returncode != 0
        assert time.monotonic() - killed < 30
    finally:
        job.kill()
    nncore.load_checkpoint("runs/killed/last.safetensors")
    done = processes.run(3, [*NNCORE, "train", "--resume", "runs/killed", "--quiet"])
    assert done.returncode == 0, done.stderr
    assert known(Path("runs", "killed")) == known(Path("runs", "undisturbed"))


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_save(at_desk, number):
    """To the processes themselves, as a scheduler sends them."""
    name = f"stopped-{number}"
    words = train(name, "--checkpoint-seconds", "100", "--epochs", "4000")
    job = processes.start(2, [*NNCORE, *words])
    try:
        wait_for(Path("runs", name, "last.safetensors"))
        os.kill(processes.member(job, 1), number)
        job.communicate(timeout=60)
    finally:
        job.kill()
    assert job.returncode == 128 + number
    assert nncore.load_checkpoint(Path("runs", name, "last.safetensors")).history is not None
