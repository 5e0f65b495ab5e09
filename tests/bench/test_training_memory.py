"""The benchmark of memory: it sees what is held for a moment, and trains what it says."""

from __future__ import annotations

import os
import subprocess
import sys

import memory
import pytest

import nncore as nn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


def small() -> nn.Sequential:
    model = nn.Sequential([nn.GlobalAveragePool2D(), nn.Dense(memory.photo_task.CLASSES)])
    model.build((memory.photo_task.SIDE, memory.photo_task.SIDE, 3))
    return model


# A process of its own: what others have freed before may be taken again without growing.
PEAK = """
import memory
import numpy as np

held = np.ones(100_000_000 // 8)  # 100 MB, which no peak forgets
before = memory.resident("VmRSS")
del held
print(memory.peak_of(lambda: np.ones(40_000_000 // 8).sum()) - before)
"""


def test_the_peak_is_that_of_the_work_alone():
    done = subprocess.run(
        [sys.executable, "-c", PEAK],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert -90 < float(done.stdout) < -30


def test_a_network_is_trained_at_each_batch_size(monkeypatch, capsys):
    trained = []
    fit = nn.Sequential.fit

    def watched(self, images, labels, **settings):
        trained.append((len(images), settings["batch_size"], settings["epochs"]))
        return fit(self, images, labels, **settings)

    monkeypatch.setattr(nn.Sequential, "fit", watched)
    monkeypatch.setitem(memory.NETWORKS, "lite0", small)
    threads = nn.get_num_threads()
    try:
        memory.main(["nncore", "--batches", "4", "2"])
    finally:
        nn.set_num_threads(threads)
    assert trained == [(2, 2, memory.STEPS), (4, 4, memory.STEPS)]
    assert capsys.readouterr().out.count("\n") == 4
