"""A table of the epochs on disk, while they happen."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence

from nncore.files.atomic import atomic_write_text
from nncore.files.home import place
from nncore.files.writable import check_file
from nncore.training.callbacks.base import Callback, Logs


class CSVLogger(Callback):
    """Write epoch and logs of each epoch to a table; as Keras's.

    Epochs count from 1, columns stand in the order of the logs (Keras's are sorted), and rows are
    added only under the header that they have.

    Parameters
    ----------
    filename
        The table. It is written anew after each epoch, so it is whole at any time.
    separator
        Between two cells.
    append
        Go on below the rows that are there, under the same header.
    """

    for_first_process = True

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character, not {separator!r}")
        self.path, self.separator, self.append = place(filename), separator, append

    def check_before_training(self, log_names: Sequence[str]) -> None:
        check_file(self.path)
        if self.append and self.path.exists():
            self._check_header(self.path.read_text(encoding="utf-8"), ["epoch", *log_names])

    def on_train_begin(self) -> None:
        self.text = ""
        if self.append and self.path.exists():
            self.text = self.path.read_text(encoding="utf-8-sig")
            if self.text and not self.text.endswith("\n"):  # edited by hand
                self.text += "\n"

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        rows = io.StringIO()
        writer = csv.writer(rows, delimiter=self.separator, lineterminator="\n")
        header = ["epoch", *logs]
        if not self.text:
            writer.writerow(header)
        else:
            self._check_header(self.text, header)
        writer.writerow([epoch, *(repr(float(value)) for value in logs.values())])
        self.text += rows.getvalue()
        atomic_write_text(self.path, self.text)

    def _check_header(self, text: str, header: list[str]) -> None:
        first = next(csv.reader(io.StringIO(text), delimiter=self.separator), header)
        if first != header:
            raise ValueError(
                f"CSVLogger: {self.path} has the columns {first}, but this training {header}; "
                "choose another file"
            )
