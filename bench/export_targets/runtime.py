"""ONNX Runtime on the exported file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from folders import NotInstalled
from numpy.typing import NDArray

from export_targets.networks import Case, parts

F32 = NDArray[np.float32]


def run(case: Case, images: NDArray[np.uint8], folder: Path) -> F32:
    try:
        import onnxruntime
    except ImportError as error:
        raise NotInstalled("onnxruntime: pip install onnxruntime onnx") from error
    (path,) = case.model.export(folder / "net.onnx").files
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"images": some})[0] for some in parts(images)])
