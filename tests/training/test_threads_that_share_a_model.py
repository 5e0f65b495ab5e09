"""Threads and forked processes that use one model: nobody waits for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import nncore as nn

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 8, 8), dtype=np.uint8)
LABELS = np.arange(64) % 3


def test_readers_do_not_starve_training():
    model = nn.Sequential([nn.Flatten(), nn.Dense(256, "relu"), nn.Dense(3)])
    model.build((8, 8), seed=0)
    many = np.repeat(IMAGES, 40, axis=0)
    done = threading.Event()

    def predict() -> None:
        while not done.is_set():
            model.predict_proba(many)

    readers = [threading.Thread(target=predict) for _ in range(8)]
    for reader in readers:
        reader.start()
    started = time.perf_counter()
    try:
        for _ in range(20):
            model.layers[-1].bias = np.zeros(3, np.float32)  # takes the lock alone, as a step does
        seconds = time.perf_counter() - started
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert seconds < 10


CHILD = """
import os, threading, time
import numpy as np
import nncore as nn

nn.set_num_threads(1)
images = np.zeros((2048, 16, 16), np.uint8)
labels = np.arange(2048) % 3
model = nn.Sequential([nn.Flatten(), nn.Dense(512, "relu"), nn.Dense(3)])
model.build((16, 16), seed=0)
stop = threading.Event()

def train():
    while not stop.is_set():
        model.fit(images, labels, epochs=1, verbose=0)

trainer = threading.Thread(target=train)
trainer.start()
time.sleep(0.3)
seen = set()
for _ in range(20):
    time.sleep(0.003)
    child = os.fork()
    if child == 0:
        try:
            model.predict_proba(images[:2])
            os._exit(0)
        except RuntimeError as error:
            os._exit(7 if "forked" in str(error) else 9)
    limit = time.monotonic() + 20
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > limit:
            os.kill(child, 9)
            os.waitpid(child, 0)
            status = -1
            break
        time.sleep(0.001)
    seen.add(os.waitstatus_to_exitcode(status) if status >= 0 else "hangs")
stop.set()
trainer.join()
print(sorted(map(str, seen)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_of_a_training_parent_answers_or_refuses():
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    seen = result.stdout.strip()
    assert "7" in seen, seen
    assert set(eval(seen)) <= {"0", "7"}, seen


def test_a_second_training_at_the_same_time_is_refused():
    model = nn.Sequential([nn.Flatten(), nn.Dense(16), nn.Dense(3)])
    alone = nn.Sequential([nn.Flatten(), nn.Dense(16), nn.Dense(3)])
    inside, leave = threading.Event(), threading.Event()

    def wait(*_: object) -> None:
        inside.set()
        leave.wait(30)

    first = threading.Thread(
        target=lambda: model.fit(
            IMAGES,
            LABELS,
            epochs=2,
            verbose=0,
            callbacks=[nn.LambdaCallback(on_epoch_end=wait)],
        )
    )
    first.start()
    assert inside.wait(30)
    try:
        with pytest.raises(nn.TrainingError, match="another thread trains this model"):
            model.fit(IMAGES, LABELS, epochs=1, verbose=0)
    finally:
        leave.set()
        first.join()
    alone.fit(IMAGES, LABELS, epochs=2, verbose=0)
    for ours, theirs in zip(model.get_weights(), alone.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    model.fit(IMAGES, LABELS, epochs=1, verbose=0)  # and then the other may
