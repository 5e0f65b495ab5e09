"""Saving the model while it trains."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from pathlib import Path

from nncore.files.home import at_home
from nncore.files.writable import check_file
from nncore.training.callbacks.base import Callback, Logs, ModelInTraining
from nncore.training.callbacks.monitor import Monitor
from nncore.training.history import epoch_logs
from nncore.training.model_names import check_model_name


class ModelCheckpoint(Callback):
    """Save the model after each epoch, or after each that is the best so far; as Keras's.

    The best so far is that of all calls of `fit` of one model with this callback; where a `fit`
    continues a history and the file is there already, its epochs count, too. NaN is never the best,
    and a `monitor` that is not there is an error. (Keras saves a first epoch of NaN, after which
    nothing is better, and saves each epoch where it cannot find `monitor`.)

    Parameters
    ----------
    filepath
        A .safetensors file. `{epoch}` and the names of the logs are filled in, for example
        "model-{epoch:02d}-{val_loss:.3f}.safetensors"; without them each save replaces the last.
    monitor
        What tells the best; looked at only with `save_best_only`.
    save_best_only
        Whether to save only when `monitor` became better.
    mode
        "auto", "min" or "max".
    """

    for_first_process = True

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        mode: str = "auto",
    ) -> None:
        self.filepath = at_home(filepath)
        self.monitor = Monitor("ModelCheckpoint", monitor, mode)
        self.save_best_only = save_best_only
        self._watched: weakref.ref[ModelInTraining] | None = None

    def check_before_training(self, log_names: Sequence[str]) -> None:
        if self.save_best_only:
            self.monitor.check(log_names)
        path = self._path(1, dict.fromkeys(log_names, 0.5))
        check_model_name(Path(path))
        check_file(path)

    def on_train_begin(self) -> None:
        if self._watched is not None and self._watched() is self.model:
            return
        self._watched = weakref.ref(self.model)
        self.monitor.reset()
        if self.save_best_only and os.path.exists(self.filepath):
            for _, logs in epoch_logs(self.model.history):
                self.monitor.improved(logs)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.save_best_only and not self.monitor.improved(logs):
            return
        self.model.save(self._path(epoch, logs))

    def _path(self, epoch: int, logs: Logs) -> str:
        try:
            return self.filepath.format(epoch=epoch, **logs)
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"ModelCheckpoint: filepath {self.filepath!r} cannot be filled in ({error}); it "
                f"may name: epoch, {', '.join(logs)}"
            ) from None
