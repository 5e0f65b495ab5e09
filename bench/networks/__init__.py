"""Who trains a whole network for photos, or looks at photos by it: a small file per contender."""

from __future__ import annotations

from dataclasses import dataclass

from contender import Contender


@dataclass(frozen=True)
class Entry(Contender):
    """One contender; `module` is in this package. `trains` is False for those that only infer."""

    trains: bool = True


_ENTRIES = (
    Entry("nncore", "nncore_network", ("nncore",), "pip install ."),
    Entry("torch-channels-last", "torch_network", ("torch",), "pip install torch==2.13.0"),
    Entry(
        "onnxruntime",
        "onnx_network",
        ("onnxruntime", "onnx"),
        "pip install onnxruntime onnx",
        trains=False,
    ),
)
NETWORKS = {entry.name: entry for entry in _ENTRIES}
"""By name; the first is ours."""
