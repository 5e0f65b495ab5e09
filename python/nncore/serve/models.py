"""The model that answers, and how another one takes its place when its file changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nncore.data.preprocessing import Preprocessing
from nncore.errors import ModelFileError, NncoreError
from nncore.training.model import Sequential

# Tells a file from what it was: inode, time of change, bytes.
Stamp = tuple[int, int, int] | None


@dataclass(frozen=True)
class ModelSource:
    """How the model is opened, anew each time, and the file it is in (None: in none)."""

    open: Callable[[], Sequential]
    file: str | None = None


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model that answers requests; never changed, and equal to itself alone."""

    model: Sequential
    file: str | None
    stamp: Stamp
    opened: float

    @classmethod
    def of(cls, source: ModelSource) -> ServedModel:
        """The model, after it has answered once.

        Raises
        ------
        ModelFileError
            It does not know its classes or how to prepare pictures; and what opening raises.
        """
        # Before it is read, so that what is written from now on is seen as a change.
        stamp = stamp_of(source.file)
        model = source.open()
        if model.preprocessing is None or model.classes is None:
            raise ModelFileError(
                "this model was not trained on images, and does not know what to do with pictures"
            )
        model.predict(np.zeros((1, *model.preprocessing.input_shape), np.uint8))
        return cls(model, source.file, stamp, time.time())

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are prepared."""
        found = self.model.preprocessing
        assert found is not None
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the classes."""
        found = self.model.classes
        assert found is not None
        return found.names

    @cached_property
    def description(self) -> dict[str, Any]:
        """What `GET /model` says of it."""
        model = self.model
        return {
            "name": model.name,
            "file": None if self.file is None else os.path.basename(self.file),
            "opened": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.opened)),
            "classes": list(self.names),
            "input_shape": list(self.preprocessing.input_shape),
            "parameters": model.parameter_count,
            "preprocessing": self.preprocessing.to_dict(),
            "temperature": model.temperature,
            "largest_coverage": model.largest_coverage,
        }


def stamp_of(file: str | None) -> Stamp:
    """None where there is no such file just now."""
    if file is None:
        return None
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


class Models:
    """The model in use. `look` is called now and then, by one thread at a time."""

    def __init__(self, source: ModelSource) -> None:
        self._source = source
        self.current = ServedModel.of(source)
        self._seen = self._refused = self.current.stamp
        self.reloads = {"done": 0, "failed": 0}

    def look(self) -> str | None:
        """Open the model anew if its file has changed and rests; what to tell of it.

        A file that is no good leaves the model in use, and is not tried again until it changes.
        """
        stamp = stamp_of(self._source.file)
        rests, self._seen = stamp == self._seen, stamp
        if stamp is None or not rests or stamp in (self.current.stamp, self._refused):
            return None
        try:
            found = ServedModel.of(self._source)
        except (NncoreError, OSError, ValueError, MemoryError) as error:
            self._refused = stamp
            self.reloads["failed"] += 1
            return f"the model stays as it was: {error}"
        # One assignment: who has the old one already answers by it.
        self.current = found
        self.reloads["done"] += 1
        return f"the model was opened anew: {found.file}"
