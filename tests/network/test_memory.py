"""What a step holds in memory: nothing that nobody needs any more."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

# Layers of 16 channels over 128x128 images, 8 at a time: 8 MiB each for the values of one layer.
PROGRAM = """
import json, re, sys
import numpy as np
from nncore import _core

def peak():
    # Not ru_maxrss, which a process takes over from its parent.
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) / 1024

fixed, layers, inference = json.loads(sys.argv[1])
builder = _core.Builder((128, 128, 1))
for layer in range(layers):
    builder.trainable = layer >= fixed
    builder.add_conv2d(f"conv{layer}", 16, (1, 1) if layer % 2 else (3, 3), padding="same",
                       activation="relu6")
builder.trainable = True
builder.add_global_average_pool2d("average")
builder.add_dense("dense", 3)
network = builder.build(0)
images, labels = np.zeros((8, 128, 128, 1), np.uint8), np.arange(8, dtype=np.int32) % 3
_core.set_num_threads(1)
before = peak()
if inference:
    network.forward(images)
else:
    order = np.arange(8, dtype=np.int32)
    network.train_steps(images, labels, order, 8, "cross_entropy", _core.Optimizer(0.1))
print(peak() - before)
"""
LAYERS, LAYER = 20, 8.4


def used(fixed: int, inference: bool = False) -> float:
    """MiB that a step or a prediction takes, on the fastest instruction set.

    What is kept is planned above the kernels, and so the same on all of them; those without
    vectors would take minutes.
    """
    arguments = json.dumps([fixed, LAYERS, inference])
    environment = {name: text for name, text in os.environ.items() if name != "NNCORE_ISA"}
    command = [sys.executable, "-c", PROGRAM, arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux tells it")
def test_only_what_backward_reads_is_kept():
    every = used(fixed=0)
    # The values of all layers, and gradients of a few.
    assert LAYERS * LAYER < every < (LAYERS + 8) * LAYER
    # Of fixed layers, none; of the others, as before.
    assert used(fixed=LAYERS) < 8 * LAYER
    assert 10 * LAYER < used(fixed=LAYERS - 10) < 18 * LAYER
    assert used(fixed=LAYERS, inference=True) < 8 * LAYER
