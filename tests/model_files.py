"""A small model that was trained, and its file taken apart and put together."""

from __future__ import annotations

import json

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save as save_tensors

from nncore.data import ImageDataset
from nncore.layers import Dense, Flatten
from nncore.optimizers import SGD
from nncore.training.model import Sequential

NAMES = ["Katze", "Hund", "Übrige"]


def data_set():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.integers(0, 150, (60, 4, 5))
    images[np.arange(60), labels] += 100
    return ImageDataset.from_arrays(images.astype(np.uint8), labels, classes=NAMES)


def make_model(**settings):
    model = Sequential([Flatten(), Dense(7, "relu", name="hidden"), Dense(3)], "pets")
    model.fit(data_set(), **({"epochs": 3, "verbose": 0, "optimizer": SGD(0.2)} | settings))
    return model


def weights(model):
    return [array.tobytes() for array in model.get_weights()]


def content(path):
    """Tensors and description of a file, as the official library reads them; without its digests,
    so that `write` makes of them a file as of before there were any."""
    with safe_open(path, framework="np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        described = json.loads(file.metadata()["nncore"])
    return tensors, {k: v for k, v in described.items() if k not in ("digests", "sealed")}


def write(path, tensors, described):
    path.write_bytes(save_tensors(tensors, metadata={"nncore": json.dumps(described)}))
