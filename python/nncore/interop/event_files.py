"""Event files, as TensorBoard reads them, written by tensorboardX.

Its `SummaryWriter` hands events to a thread, for which a training would wait for ever if the disk
were full, and lets two trainings of one second write over each other. Here they are written at
once, into files with names of their own.
"""

from __future__ import annotations

import itertools
import os
import time
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import MissingExtraError
from nncore.extras import how_to_install

_BINS = 30
# Of a parameter with more numbers some are counted, evenly.
_MOST_COUNTED = 1_000_000
_numbers = itertools.count()


def check_installed() -> None:
    """MissingExtraError, which names the extra, where tensorboardX is missing."""
    _library()


class EventFile:
    """A new file in `folder`, which is made if missing. What is written can be read at once.

    Raises
    ------
    MissingExtraError
        tensorboardX is not installed.
    OSError
        The file cannot be written; so do all methods.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._summary = _library()
        from tensorboardX.event_file_writer import EventsWriter

        os.makedirs(folder, exist_ok=True)
        suffix = f".{os.getpid()}.{next(_numbers)}"
        self._writer = EventsWriter(os.path.join(os.fspath(folder), "events"), suffix)

    def scalar(self, tag: str, value: float, step: int) -> None:
        """One number."""
        self._write(self._summary.scalar(tag, value), step)

    def histogram(self, tag: str, values: NDArray[Any], step: int) -> None:
        """How numbers are distributed; of more than a million every n-th is counted."""
        flat = values.ravel()
        some = flat[:: 1 + flat.size // _MOST_COUNTED]
        self._write(self._summary.histogram(tag, some, _BINS), step)

    def picture(self, tag: str, pixels: NDArray[np.uint8], step: int) -> None:
        """A picture, uint8 (H, W, 3)."""
        self._write(self._summary.image(tag, pixels, dataformats="HWC"), step)

    def flush(self) -> None:
        """Let readers see it."""
        self._writer.flush()

    def close(self) -> None:
        """All is written."""
        self._writer.close()

    def _write(self, summary: Any, step: int) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, summary=summary))


def _library() -> ModuleType:
    try:
        from tensorboardX import summary
    except ImportError as error:
        raise MissingExtraError(
            f"event files for TensorBoard need tensorboardX, which cannot be imported ({error}): "
            f"{how_to_install('tensorboard')}"
        ) from error
    found: ModuleType = summary
    return found
