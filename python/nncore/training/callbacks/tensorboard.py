"""Event files that TensorBoard shows."""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int
from nncore.files.home import place
from nncore.files.writable import check_folder
from nncore.process.standard_error import STANDARD_ERROR
from nncore.training.budget import Budget
from nncore.training.callbacks.base import Callback, Logs
from nncore.training.images.samples import Guess, Samples

if TYPE_CHECKING:
    from nncore.interop.event_files import EventFile
    from nncore.training.images.samples import LabelledImages

_MOST_SAMPLES = 10
# The part of the time that pictures, and distributions, may take where nobody says how often.
_SHARE = 0.01
_DRAWING = 0.5  # seconds, about: short trainings have pictures in the end alone
# Scalars of one chart stand side by side.
_TAGS = {
    "loss": "loss/training",
    "val_loss": "loss/validation",
    "accuracy": "accuracy/training",
    "val_accuracy": "accuracy/validation",
}


class TensorBoard(Callback):
    """Write event files for TensorBoard (``tensorboard --logdir LOG_DIR``); as Keras's.

    After each epoch its numbers and the time that it took, all counted by epochs from 1. Needs the
    extra ``[tensorboard]``, which writes these files; TensorBoard itself is for who looks. A disk
    that is full ends the files, in one line, and not the training.

    Parameters
    ----------
    log_dir
        Folder of the files; each `fit` adds one.
    histogram_freq
        Distributions of all weights after each so many epochs; 0: none. By default in the end, and
        before that as often as a hundredth of the time allows.
    images
        Labelled pictures, an `ImageDataset` or a pair (x, y): ten of them are drawn with what the
        model says of them, as often as the distributions are by default.

    Raises
    ------
    MissingExtraError
        tensorboardX is not installed.
    """

    for_first_process = True

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int | None = None,
        images: LabelledImages | None = None,
    ) -> None:
        from nncore.interop.event_files import check_installed

        check_installed()
        self.log_dir = place(log_dir)
        if histogram_freq is not None:
            histogram_freq = check_int("TensorBoard: histogram_freq", histogram_freq, 0)
        self.histogram_freq = histogram_freq
        self.images = images
        self._file: EventFile | None = None

    def __getstate__(self) -> dict[str, Any]:
        """A copy writes files of its own."""
        return vars(self) | {"_file": None}

    def check_before_training(self, log_names: object) -> None:
        check_folder(self.log_dir)

    def on_train_begin(self) -> None:
        from nncore.interop.event_files import EventFile

        self._file = EventFile(self.log_dir)
        self._for_pictures, self._for_weights = Budget(_SHARE, _DRAWING), Budget(_SHARE)
        self._counted = 0
        self._samples: Samples | None = None
        if self.images is not None and self.model.classes is not None:
            self._samples = Samples.of(self.images, self.model.classes, _MOST_SAMPLES)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self._file is None:
            return
        try:
            self._write_epoch(self._file, epoch, logs)
        except OSError as error:
            self._give_up(error)

    def on_train_end(self) -> None:
        if self._file is None:
            return
        try:
            history = self.model.history
            if history is not None and len(history):
                self._draw(self._file, history.epoch[-1])
                if self.histogram_freq is None and self._counted != history.epoch[-1]:
                    self._count(self._file, history.epoch[-1])
            self._file.close()
        except OSError as error:
            self._give_up(error)
        self._file = None

    def on_train_error(self, error: BaseException) -> None:
        self.on_train_end()

    def _write_epoch(self, file: EventFile, epoch: int, logs: Logs) -> None:
        history = self.model.history
        assert history is not None
        for name, value in logs.items():
            if not math.isnan(value):  # what was not measured in this epoch
                file.scalar(_TAGS.get(name, name), value, epoch)
        file.scalar("seconds", history.seconds[-1], epoch)
        every = self.histogram_freq
        if self._for_weights.allows if every is None else every and epoch % every == 0:
            self._count(file, epoch)
        if self._for_pictures.allows:
            self._draw(file, epoch)
        file.flush()

    def _count(self, file: EventFile, epoch: int) -> None:
        self._counted = epoch
        with self._for_weights.spend():
            for name, values in self.model.get_parameters().items():
                file.histogram(name, values, epoch)

    def _draw(self, file: EventFile, epoch: int) -> None:
        if self._samples is not None and len(self._samples):
            with self._for_pictures.spend():
                file.picture("samples", _drawn(self._samples, self.model), epoch)

    def _give_up(self, error: OSError) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # what is left may not be written either
                file.close()
        print(
            f"nncore: warning: {self.log_dir}: no more event files: {error.strerror or error}",
            file=STANDARD_ERROR,
            flush=True,
        )


@dataclass(frozen=True)
class _Answer:
    """As `nncore.plots` draws it."""

    index: int
    true: str
    predicted: str
    probability: float
    true_probability: float
    path: str | None = None

    @classmethod
    def of(cls, index: int, true: str, guess: Guess) -> _Answer:
        predicted, probability = guess.top[0]
        return cls(index, true, predicted, probability, guess.true_probability)


def _drawn(samples: Samples, model: Any) -> NDArray[np.uint8]:
    """Pixels (H, W, 3) of the samples and what the model says of them."""
    from nncore import plots

    found = zip(samples.labels.tolist(), samples.guesses(model, top=1), strict=True)
    answers = [
        _Answer.of(at, samples.names[label], guess) for at, (label, guess) in enumerate(found)
    ]
    pictures = [one if one.ndim == 3 else one[..., np.newaxis] for one in samples.as_bytes()]
    canvas: Any = plots.answers(pictures, answers).canvas
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
