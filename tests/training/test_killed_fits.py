"""A program in Python that is killed while it trains, and goes on by `nn.load_checkpoint`.

With what the command line has no flag for: a moving average of the weights, schedules, and these,
Dropout, weights of classes and augmentation together. NNCORE_KILLS=20 is the long form.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.every_isa

KILLS = int(os.environ.get("NNCORE_KILLS", "2"))

PROGRAM = """
import hashlib, sys
from pathlib import Path
import numpy as np
import nncore as nn
from nncore.training.run_directory import RunDirectory

EPOCHS = 60
path = Path(sys.argv[1])
rng = np.random.default_rng(0)
x, y = rng.integers(0, 256, (300, 8, 8, 1), dtype=np.uint8), np.arange(300) % 3
run = RunDirectory.open(path) if path.exists() else RunDirectory.create(path.parent, path.name)
last = run.file("last.safetensors")
model, history = nn.Sequential([
    nn.Conv2D(8, 3, activation="relu"), nn.BatchNormalization(), nn.Flatten(),
    nn.Dense(32, "relu"), nn.Dropout(0.3), nn.Dense(3)]), None
if last.exists():
    model = nn.load_checkpoint(last)
    history = model.history
left = EPOCHS - (0 if history is None else len(history))
print("begins", flush=True)
if left:
    history = model.fit(
        x[60:], y[60:], validation_data=(x[:60], y[:60]), epochs=left, batch_size=16, verbose=0,
        history=history, seed=3, optimizer=nn.{optimizer}, class_weight={{0: 2.0}},
        augmentation=nn.Augmentation(shift=0.1, rotation=8, horizontal_flip=True),
        callbacks=[run.checkpoints(0.05)])
state = model.optimizer_state
kept = [*model.get_weights(), *(array for _, array in sorted(state.arrays.items()))]
digest = hashlib.sha256(b"".join(array.tobytes() for array in kept))
digest.update(repr((history.history, history.iteration_loss, history.learning_rate)).encode())
print(len(history), state.steps, digest.hexdigest())
"""
OPTIMIZERS = {
    "adamw": "AdamW(nn.OneCycle(0.01), use_ema=True, global_clipnorm=1.0)",
    "sgd": "SGD(nn.CosineDecay(0.05), momentum=0.9, nesterov=True, use_ema=True)",
}


def start(program, run):
    return subprocess.Popen(
        [sys.executable, "-c", program, str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(program, run):
    with start(program, run) as process:
        process.stdout.readline()
        begun = time.monotonic()
        # Not communicate: the line before may have brought some of this into the file's buffer.
        result, told = process.stdout.read(), process.stderr.read()
    assert process.returncode == 0, told
    return result, time.monotonic() - begun


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_killed_program_goes_on_to_the_same_end(tmp_path, name):
    program = PROGRAM.format(optimizer=OPTIMIZERS[name])
    whole, seconds = finish(program, tmp_path / "whole")
    assert whole.startswith("60 ")
    draw, run = random.Random(name), 0
    for number in range(KILLS):
        with start(program, tmp_path / str(run)) as process:
            process.stdout.readline()
            time.sleep(draw.uniform(0, seconds / 2))
            process.kill()
        if number % 3 == 1:  # so often killed: now it may end
            assert finish(program, tmp_path / str(run))[0] == whole
            run += 1
    assert finish(program, tmp_path / str(run))[0] == whole
