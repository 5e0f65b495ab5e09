"""One image on several threads: all contenders answer the same."""

from __future__ import annotations

import pytest
from latency import OURS, measure, question


@pytest.mark.parametrize("name", ["digits", "resnet18"])
def test_threads_and_contenders_agree(name: str):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    asked = question(name)
    timings = measure(asked, [OURS, "onnxruntime"], [1, 2], rounds=1, seconds=0.01)
    assert list(timings) == ["nncore, 1", "nncore, 2", "onnxruntime, 1", "onnxruntime, 2"]
