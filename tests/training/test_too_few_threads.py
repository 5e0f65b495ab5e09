"""A system that gives no more threads: then fewer compute, to the same bits, and nothing ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("resource")

PROGRAM = """
import os, resource, threading
import numpy as np
import nncore as nn

rng = np.random.default_rng(0)
x, y = rng.integers(0, 256, (256, 16, 16, 3), dtype=np.uint8), np.arange(256) % 2

def trained():
    model = nn.Sequential([nn.Conv2D(32, 3, activation="relu"), nn.Flatten(), nn.Dense(2)])
    model.fit(x, y, epochs=2, verbose=0)
    return [array.tobytes() for array in (*model.get_weights(), model.predict_proba(x))]

nn.set_num_threads(1)
alone = trained()
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
if os.getuid() == 0:
    os.setuid(65534)  # root has no limit
try:
    threading.Thread(target=print).start()
except RuntimeError:
    nn.set_num_threads(8)
    print("refused", trained() == alone)
else:
    print("not refused")
"""


def test_too_few_threads_are_fewer_threads():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    if done.stdout == "not refused\n":
        pytest.skip("this system does not limit threads")
    assert done.stdout == "refused True\n"
