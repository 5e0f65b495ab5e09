"""Who reads folders of pictures: one small file per contender, and what each needs."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One contender: its module in this package, what must be importable, how to install that."""

    name: str
    module: str
    needs: tuple[str, ...]
    install: str

    def missing(self) -> list[str]:
        """Modules that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


_ENTRIES = (
    Entry("nncore", "nncore_cache", ("nncore",), "pip install ."),
    Entry("keras", "keras_directory", ("keras", "tensorflow"), "pip install tensorflow-cpu"),
    Entry("torch", "torch_loader", ("torch", "PIL"), "pip install torch==2.13.0 pillow"),
)
READERS = {entry.name: entry for entry in _ENTRIES}
"""By name; the first is ours."""
