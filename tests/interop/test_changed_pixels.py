"""Features of images that were changed in memory after their files were read."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from onnx_models import write_network

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_changed_pixels_get_features_of_their_own(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    data = nn.ImageDataset.from_folder(tmp_path / "photos", color="rgb")
    features = nn.Features(write_network(tmp_path / "a.onnx"))
    model = nn.Sequential([nn.Dense(2)], features=features)
    model.fit(data, epochs=1, verbose=0)
    data.images[...] = 255 - data.images
    expected = model.evaluate(data.images.copy(), data.labels).loss
    assert model.evaluate(data).loss == expected
