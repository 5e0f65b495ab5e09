"""A server as a process: ``python -m servers MODEL ENGINE``; says its port in a line.

The same server for every engine: sockets, HTTP, decoding and batches are those of `nncore serve`.
Engines: ``nncore``; ``onnxruntime``, the file that `Sequential.export` writes, on as many threads;
``onnxruntime-single``, which computes one picture per call, as most servers around ONNX Runtime do.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nncore as nn
from nncore.serve.app import create_app
from nncore.serve.limits import Limits
from nncore.serve.server import Server, listen
from nncore.training.answers.predictions import Gathered, Predictions, predictions_of

ENGINES = ("nncore", "onnxruntime", "onnxruntime-single")


class OnnxModel:
    """A model of nncore whose probabilities ONNX Runtime computes."""

    def __init__(self, model: nn.Sequential, at_once: bool) -> None:
        import onnxruntime

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            model.export(path, "onnx")
            graph = path.read_bytes()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = nn.get_num_threads()
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self._model, self._at_once = model, at_once

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(
        self, images: NDArray[np.uint8], top_k: int = 1, *, coverage: float | None = None
    ) -> Predictions:
        assert coverage is None
        names, gathered = self._model.classes.names, Gathered(images, [None] * len(images), [])
        return predictions_of(
            gathered, lambda some, _: (self.predict_proba(some), None), names, top_k
        )

    def predict_proba(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        blocks = [images] if self._at_once else np.split(images, len(images))
        return np.concatenate([self._session.run(None, {"images": block})[0] for block in blocks])


def main() -> None:
    path, engine = sys.argv[1:]
    model: Any = nn.load(path)
    if engine != "nncore":
        model = OnnxModel(model, at_once=engine == "onnxruntime")
    limits = Limits()
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        server = Server(create_app(model, limits=limits), limits, lambda: print(port, flush=True))
        server.answer(listener)


if __name__ == "__main__":
    main()
