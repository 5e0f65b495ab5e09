"""ONNX Runtime: one session, a batch per call."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx_layers import onnx_bytes
from photo_task import F32, Task

from networks.base import Network as Base


def session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Network(Base):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        side = task.images.shape[1]
        self.session = session(
            onnx_bytes(task.layers, task.weights, side, softmax=True), task.threads
        )
        self.images = np.ascontiguousarray(task.images.transpose(0, 3, 1, 2))

    def probabilities(self, start: int) -> F32:
        given = {"x": self.images[start : start + self.task.batch]}
        return self.session.run(None, given)[0]  # type: ignore[no-any-return]

    def versions(self) -> dict[str, str]:
        return {"version": onnxruntime.__version__}
