"""Any process of `mpiexec -n N nncore train` is killed at any moment: the job ends at once, and
what it leaves goes on to the end of a training that nobody disturbed.

NNCORE_KILLS=20 pytest tests/cli/test_killed_jobs.py is the long form: so many kills.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nncore as nn
import processes

KILLS = int(os.environ.get("NNCORE_KILLS", "2"))
NNCORE = [sys.executable, "-m", "nncore"]
SIZES = (2, 3, 4)  # of the jobs, in turn
SECONDS = 10  # in which a job ends of which a process was killed


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("killed") / "pictures"
    rng = np.random.default_rng(0)
    for label, name in enumerate(("ant", "bee", "cow")):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            image = rng.integers(0, 60, (12, 12, 3))
            image[4 * label : 4 * label + 4] += 150
            Image.fromarray(image.astype(np.uint8)).save(folder / name / f"{number:02}.png")
    return folder


def train(pictures: Path, runs: Path) -> list[str]:
    flags = "--model cnn --epochs 60 --batch-size 16 --test 0.2 --seed 3 --augment light --quiet"
    often = ["--checkpoint-seconds", "0.05"]
    return ["train", str(pictures), *flags.split(), "--output", str(runs), "--name", "run", *often]


def known(run: Path) -> tuple[object, ...]:
    """What a run has learned and found, times left out."""
    history = [line.split(",") for line in (run / "history.csv").read_text().splitlines()]
    seconds = history[0].index("seconds")
    last = nn.load_checkpoint(run / "last.safetensors")
    return (
        [weights.tobytes() for weights in last.get_weights()],
        last.history.iteration_loss,
        [row[:seconds] + row[seconds + 1 :] for row in history],
        (run / "best.safetensors").read_bytes(),
        (run / "report.json").read_bytes(),
    )


def finish(*words: str) -> None:
    done = subprocess.run([*NNCORE, *words], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


def killed(job: subprocess.Popen[str], size: int, draw: random.Random, moment: float) -> int:
    """The exit code of a job of which one process is killed after so many seconds; 0 if it had come
    to its end before."""
    try:
        victims = [processes.member(job, rank) for rank in range(size)]
        time.sleep(moment)
        if job.poll() is not None:
            assert job.returncode == 0, job.communicate()
            return 0
        os.kill(draw.choice(victims), signal.SIGKILL)
        begun = time.monotonic()
        _, told = job.communicate(timeout=60)
        assert time.monotonic() - begun < SECONDS
    finally:
        job.kill()
    if job.returncode != 0:
        # mpiexec says what became of which process.
        assert "signal" in told.lower(), (job.returncode, told)
    return job.returncode


def test_killed_at_any_moment(pictures: Path, tmp_path: Path) -> None:
    words = train(pictures, tmp_path / "undisturbed")
    finish(*words)  # what is not read from the disk for the first time
    begun = time.monotonic()
    finish(*[str(tmp_path / "second") if "undisturbed" in word else word for word in words])
    seconds = time.monotonic() - begun
    whole = known(tmp_path / "undisturbed" / "run")
    draw = random.Random(7)
    kills, runs = 0, tmp_path / "runs"
    run = runs / "run"
    while kills < KILLS:
        size = SIZES[kills % len(SIZES)]
        resumed = (run / "resume.json").exists()
        words = ["train", "--resume", str(run)] if resumed else train(pictures, runs)
        if run.exists() and not resumed:
            run.rename(runs / f"begun-{kills}")  # there was nothing yet to go on from
        job = processes.start(size, [*NNCORE, *words])
        code = killed(job, size, draw, draw.uniform(0, 1.5 * seconds))
        kills += code != 0
        for name in ("last", "best"):
            if (run / f"{name}.safetensors").exists():
                nn.load(run / f"{name}.safetensors")
        if code == 0:
            assert known(run) == whole
            run.rename(runs / f"done-{kills}-{time.monotonic_ns()}")
    if (run / "resume.json").exists():
        finish("train", "--resume", str(run))
        assert known(run) == whole
    for begun in runs.glob("done-*"):
        assert known(begun) == whole
