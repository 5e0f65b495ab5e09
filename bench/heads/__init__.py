"""From photo files to a trained head: each contender is a program of its own, timed from its start.

    python -m heads NAME FOLDER TASK THREADS

reads the photos of FOLDER (a sub-folder per class), computes what EfficientNet-Lite0 makes of each
once, trains a linear head on that, and prints {"images": n, "accuracy": a} of these photos. TASK is
a folder of `photo_task.write_task` with the weights, which nncore has in a package.
"""

from __future__ import annotations

from contender import Contender

_ENTRIES = (
    Contender("nncore", "nncore_head", ("nncore",), "pip install ."),
    Contender("torch", "torch_head", ("torch", "PIL"), "pip install torch==2.13.0 pillow"),
    Contender(
        "onnxruntime + sklearn",
        "onnx_head",
        ("onnxruntime", "onnx", "sklearn", "PIL"),
        "pip install onnxruntime onnx scikit-learn pillow",
    ),
)
HEADS = {entry.name: entry for entry in _ENTRIES}
"""By name; the first is ours."""

EPOCHS, BATCH, RATE = 40, 32, 0.003
"""Of the head, by Adam, where the contender has such."""
