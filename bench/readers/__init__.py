"""Who reads folders of pictures: one small file per contender, and what each needs."""

from __future__ import annotations

from contender import Contender

_ENTRIES = (
    Contender("nncore", "nncore_cache", ("nncore",), "pip install ."),
    Contender("keras", "keras_directory", ("keras", "tensorflow"), "pip install tensorflow-cpu"),
    Contender("torch", "torch_loader", ("torch", "PIL"), "pip install torch==2.13.0 pillow"),
)
READERS = {entry.name: entry for entry in _ENTRIES}
"""By name; the first is ours."""
