"""ONNX Runtime on photos that threads open by Pillow, then scikit-learn's logistic regression."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from networks.onnx_network import session
from onnx_layers import onnx_bytes
from photo_task import Task
from sklearn.linear_model import LogisticRegression

from heads.files import cropped, labelled_files

_AT_ONCE = 16


def run(folder: Path, task_folder: Path, threads: int) -> tuple[int, float]:
    task, files = Task.load(task_folder), labelled_files(folder)
    side = task.images.shape[1]
    network = session(onnx_bytes(task.layers[:-1], task.weights, side, softmax=False), threads)
    blocks = []
    with ThreadPoolExecutor(threads) as readers:
        photos = readers.map(lambda file: cropped(file[0], side), files)
        for start in range(0, len(files), _AT_ONCE):
            block = [next(photos) for _ in files[start : start + _AT_ONCE]]
            images = (np.stack(block).transpose(0, 3, 1, 2).astype(np.float32) - 127) / 128
            blocks.append(network.run(None, {"x": np.ascontiguousarray(images)})[0])
    features, labels = np.concatenate(blocks), [label for _, label in files]
    model = LogisticRegression(max_iter=2000).fit(features, labels)
    return len(files), float(model.score(features, labels))
