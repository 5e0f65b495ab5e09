"""What happened during training: one row per epoch, one loss per iteration."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nncore.errors import DataError
from nncore.files.atomic import atomic_write_text
from nncore.files.regular_files import read_regular

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
# Of the files that were written before there was a column for the learning rate.
_OLD_COLUMNS = tuple(name for name in _COLUMNS if name != "learning_rate")
_LARGEST = 1 << 30  # bytes of a file
_REQUIRED = ("loss", "accuracy")
_VALIDATION = ("val_loss", "val_accuracy")


@dataclass(repr=False)
class History:
    """The record of one training run, with the names that Keras uses.

    Attributes
    ----------
    loss_name : str
        Name of the loss, such as ``"cross_entropy"``; ``"loss"`` where it is not known.
    iterations_per_epoch : int
        Mini-batches per epoch, ``ceil(images / batch_size)``; 0 where it is not known.
    history : dict of str to list of float
        ``"loss"`` and ``"accuracy"`` and, if there were validation data, ``"val_loss"`` and
        ``"val_accuracy"``: one number per epoch. Losses are means over the images, accuracies are
        fractions in [0, 1]. An epoch without validation in a run that has it elsewhere holds NaN.
    epoch : list of int
        1, 2, 3, ... (Keras counts from 0; here, as in the files and plots, from 1).
    seconds : list of float
        Wall-clock time of each epoch.
    learning_rate : list of float
        Of each epoch's last iteration; NaN where it is not known.
    iteration_loss : list of float
        Loss of each mini-batch, in order, over the whole run.
    weighted : bool
        Whether the training loss has class or sample weights in it; the validation loss never has.
    by_accuracy : bool
        Whether the best epoch is the one with the highest validation accuracy, and of equal ones
        the one with the lowest validation loss; else the loss alone decides. So where networks are
        compared that were trained towards other targets, as `fit_transfer` does.
    """

    loss_name: str = "loss"
    iterations_per_epoch: int = 0
    history: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in _REQUIRED}
    )
    epoch: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    iteration_loss: list[float] = field(default_factory=list)
    weighted: bool = False
    by_accuracy: bool = False

    def __len__(self) -> int:
        """Number of finished epochs."""
        return len(self.epoch)

    def __bool__(self) -> bool:
        """True even before the first epoch, so that ``history or default`` keeps the history."""
        return True

    def __repr__(self) -> str:
        if not self.epoch:
            return f"History({self.loss_name}, no epoch yet)"
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.history.items())
        return f"History({self.loss_name}, {len(self)} epochs, last: {last})"

    def append_epoch(
        self,
        loss: float,
        accuracy: float,
        val_loss: float | None = None,
        val_accuracy: float | None = None,
        *,
        seconds: float = 0.0,
        learning_rate: float = math.nan,
        iteration_loss: Iterable[float] = (),
    ) -> None:
        """Add one finished epoch.

        Parameters
        ----------
        loss, val_loss : float
            Mean over the images; a loss that is not finite is recorded as it is.
        accuracy, val_accuracy : float
            Fraction in [0, 1], or NaN where it could not be measured.
        val_loss, val_accuracy : float or None
            Both, or neither when there was no validation.
        seconds : float
            Wall-clock time of the epoch.
        learning_rate : float
            Of its last iteration.
        iteration_loss : iterable of float
            Losses of the mini-batches of this epoch, appended to `iteration_loss`.

        Raises
        ------
        ValueError
            An accuracy lies outside [0, 1], the time is negative or not finite, or only one of
            `val_loss` and `val_accuracy` is given; nothing is recorded then.
        """
        if (val_loss is None) != (val_accuracy is None):
            raise ValueError(
                f"append_epoch needs val_loss and val_accuracy together, or neither; "
                f"got val_loss={val_loss!r}, val_accuracy={val_accuracy!r}"
            )
        row = {"loss": float(loss), "accuracy": float(accuracy)}
        if val_loss is not None and val_accuracy is not None:
            row |= {"val_loss": float(val_loss), "val_accuracy": float(val_accuracy)}
        row_seconds = float(seconds)
        _check_row(row, row_seconds)
        iterations = list(map(float, iteration_loss))

        done = len(self.epoch)
        for name in row:
            # Validation that begins in a resumed run: the earlier epochs have no value.
            self.history.setdefault(name, [math.nan] * done)
        for name, values in self.history.items():
            values.append(row.get(name, math.nan))
        self.epoch.append(done + 1)
        self.seconds.append(row_seconds)
        self.learning_rate.append(float(learning_rate))
        self.iteration_loss.extend(iterations)

    def best_epoch(self, monitor: str | None = None) -> int:
        """Number (from 1) of the best epoch; of equal ones the first.

        Parameters
        ----------
        monitor : str or None
            A key of `history`: losses are best when lowest, accuracies when highest. By default
            ``"val_loss"``, or ``"loss"`` without validation.

        Raises
        ------
        ValueError
            There is no epoch yet, `monitor` was not recorded, or none of its values is finite.
        """
        name = self.monitor if monitor is None else monitor
        if name not in self.history:
            known = ", ".join(self.history)
            raise ValueError(f"monitor {name!r} is not in this history; it has: {known}")
        if not self.epoch:
            raise ValueError("this history has no epoch yet, so no best one; train first")
        sign = -1.0 if name.endswith("accuracy") else 1.0
        losses = self.history.get("val_loss", self.history["loss"])
        if monitor is not None:
            losses = [0.0] * len(self)  # decides nothing
        ranked = [
            (sign * value, loss, epoch)
            for value, loss, epoch in zip(self.history[name], losses, self.epoch, strict=True)
            if math.isfinite(value) and math.isfinite(loss)
        ]
        if not ranked:
            raise ValueError(f"no epoch has a finite {name}, so none is best")
        return min(ranked)[2]

    @property
    def monitor(self) -> str:
        """What `best_epoch` looks at first by default: ``"val_loss"``, or ``"val_accuracy"`` where
        that decides; without validation ``"loss"``."""
        if "val_loss" not in self.history:
            return "loss"
        return "val_accuracy" if self.by_accuracy else "val_loss"

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Loss and accuracy per epoch in one figure; see `nncore.plots.curves`."""
        from nncore import plots

        return plots.curves(self, path, which="both")

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one line per epoch: its number, loss, accuracy, val_loss, val_accuracy,
        learning_rate, seconds.

        Numbers are written so that they read back exactly; the validation cells are empty in a
        run without validation.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for row, epoch in enumerate(self.epoch):
            cells = [str(epoch)]
            cells += [repr(self.history[name][row]) for name in _REQUIRED]
            for name in _VALIDATION:
                cells.append(repr(self.history[name][row]) if name in self.history else "")
            rate = self.learning_rate[row]
            cells.append("" if math.isnan(rate) else repr(rate))
            cells.append(repr(self.seconds[row]))
            writer.writerow(cells)
        atomic_write_text(path, text.getvalue())

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str], loss_name: str = "loss") -> History:
        """Read what `to_csv` wrote. The file does not hold the loss's name nor `iteration_loss`.

        Raises
        ------
        DataError
            The file cannot be read or is malformed; the message names the file and the line.
        """
        try:
            text = read_regular(path, _LARGEST).decode("utf-8-sig")
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"history file {os.fspath(path)!r} cannot be read: {reason}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"history file {os.fspath(path)!r} is not UTF-8 text") from error

        reader = csv.reader(io.StringIO(text, newline=""))
        result = cls(loss_name=loss_name)
        try:
            header = next(reader, None)
            columns = tuple(cell.strip() for cell in header or ())
            if columns not in (_COLUMNS, _OLD_COLUMNS):
                raise ValueError(f"expected the header {','.join(_COLUMNS)!r}")
            for cells in reader:
                if any(map(str.strip, cells)):  # not one of a spreadsheet's rows of commas
                    result._append_csv_row(columns, cells)
        except (ValueError, csv.Error) as error:
            # An empty file has no line yet; its fault is on the first.
            line = max(reader.line_num, 1)
            raise DataError(f"history file {os.fspath(path)!r}, line {line}: {error}") from error
        return result

    def _append_csv_row(self, columns: tuple[str, ...], cells: list[str]) -> None:
        if len(cells) != len(columns):
            raise ValueError(f"expected {len(columns)} columns, found {len(cells)}")
        row = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
        if row["epoch"] != str(len(self) + 1):
            raise ValueError(f"expected epoch {len(self) + 1}, found {row['epoch']!r}")
        validation = [_number(row, name) if row[name] else None for name in _VALIDATION]
        self.append_epoch(
            _number(row, "loss"),
            _number(row, "accuracy"),
            *validation,
            seconds=_number(row, "seconds"),
            learning_rate=_number(row, "learning_rate") if row.get("learning_rate") else math.nan,
        )

    def facts(self) -> dict[str, Any]:
        """What `columns` lacks of it."""
        return {
            "loss_name": self.loss_name,
            "iterations_per_epoch": self.iterations_per_epoch,
            "epochs": len(self),
            "weighted": self.weighted,
            **({"by_accuracy": True} if self.by_accuracy else {}),
        }

    def columns(self) -> dict[str, list[float]]:
        """All numbers by name: those of `history`, seconds, learning_rate and iteration_loss."""
        others = {
            "seconds": self.seconds,
            "learning_rate": self.learning_rate,
            "iteration_loss": self.iteration_loss,
        }
        return {**self.history, **others}

    @classmethod
    def from_columns(cls, facts: Mapping[str, Any], columns: Mapping[str, list[float]]) -> History:
        """Inverse of `facts` and `columns`; errors as of `from_dict`."""
        others = {"seconds", "learning_rate", "iteration_loss"}
        table = {name: values for name, values in columns.items() if name not in others}
        rest = {name: values for name, values in columns.items() if name in others}
        epochs = facts["epochs"]
        if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 0:
            raise DataError(f"history: epochs must be a whole number, got {epochs!r:.60}")
        if len(columns.get("loss", ())) != epochs:
            raise DataError(f"history: {len(columns.get('loss', ()))} losses for {epochs} epochs")
        numbers = list(range(1, epochs + 1))
        return cls.from_dict({**facts, "epoch": numbers, "history": table, **rest})

    def to_dict(self) -> dict[str, Any]:
        """Everything, as strict JSON can hold it (NaN and infinities become strings)."""
        return {
            "loss_name": self.loss_name,
            "iterations_per_epoch": self.iterations_per_epoch,
            "epoch": list(self.epoch),
            "history": {name: _encode(values) for name, values in self.history.items()},
            "seconds": _encode(self.seconds),
            "learning_rate": _encode(self.learning_rate),
            "iteration_loss": _encode(self.iteration_loss),
            "weighted": self.weighted,
            **({"by_accuracy": True} if self.by_accuracy else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> History:
        """Inverse of `to_dict`: every number comes back bit for bit.

        Raises
        ------
        DataError
            A key is missing or unknown, a value has the wrong type, or lengths disagree; the
            message names the key.
        """
        if not isinstance(data, Mapping):
            raise DataError(f"history must be a mapping of names to values, got {data!r:.60}")
        expected = ("loss_name", "iterations_per_epoch", "epoch", "history", "seconds")
        for key in (*expected, "iteration_loss"):
            if key not in data:
                raise DataError(f"history lacks {key!r}; it has: {', '.join(map(str, data))}")
        name, iterations, table = data["loss_name"], data["iterations_per_epoch"], data["history"]
        if not isinstance(name, str):
            raise DataError(f"history: loss_name must be a string, got {name!r}")
        if not isinstance(iterations, int) or isinstance(iterations, bool) or iterations < 0:
            raise DataError(f"history: iterations_per_epoch must be an integer, got {iterations!r}")
        if not isinstance(table, Mapping) or not set(_REQUIRED) <= set(table):
            raise DataError(f"history: 'history' must hold loss and accuracy, got {table!r:.80}")
        unknown = set(table) - set(_REQUIRED) - set(_VALIDATION)
        if unknown or len(set(table) & set(_VALIDATION)) == 1:
            raise DataError(
                f"history: 'history' must hold loss and accuracy, with or without both of "
                f"val_loss and val_accuracy; it holds: {', '.join(map(str, table))}"
            )
        epochs = data["epoch"]
        if not isinstance(epochs, list) or epochs != list(range(1, len(epochs) + 1)):
            raise DataError(f"history: epoch must be 1, 2, 3, ..., got {epochs!r:.60}")
        # Histories of before it was recorded lack the learning rate.
        rates = data.get("learning_rate", ["nan"] * len(epochs))
        weighted = data.get("weighted", False)  # Histories of before there were weights.
        if not isinstance(weighted, bool):
            raise DataError(f"history: weighted must be true or false, got {weighted!r:.60}")
        by_accuracy = data.get("by_accuracy", False)
        if not isinstance(by_accuracy, bool):
            raise DataError(f"history: by_accuracy must be true or false, got {by_accuracy!r:.60}")
        result = cls(
            loss_name=name,
            weighted=weighted,
            by_accuracy=by_accuracy,
            iterations_per_epoch=iterations,
            history={key: _decode(key, table[key]) for key in table},
            epoch=list(epochs),
            seconds=_decode("seconds", data["seconds"]),
            learning_rate=_decode("learning_rate", rates),
            iteration_loss=_decode("iteration_loss", data["iteration_loss"]),
        )
        others = {"seconds": result.seconds, "learning_rate": result.learning_rate}
        for key, values in (*result.history.items(), *others.items()):
            if len(values) != len(epochs):
                raise DataError(f"history: {key} has {len(values)} values, epoch {len(epochs)}")
        return result


def last_epoch(history: History) -> dict[str, float]:
    """Loss, accuracy and validation numbers of the last finished epoch."""
    return {name: values[-1] for name, values in history.history.items()}


def log_names(validated: bool, history: History | None) -> list[str]:
    """Of the logs that a `fit` with or without validation data gives, going on from a history."""
    validation = validated or (history is not None and _VALIDATION[0] in history.history)
    return [*_REQUIRED, *(_VALIDATION if validation else ()), "learning_rate"]


def epoch_logs(history: History | None) -> Iterator[tuple[int, dict[str, float]]]:
    """Number and logs, as `Callback.on_epoch_end` gets them, of each epoch in a history."""
    if history is None:
        return
    for row, epoch in enumerate(history.epoch):
        logs = {name: values[row] for name, values in history.history.items()}
        yield epoch, logs | {"learning_rate": history.learning_rate[row]}


def _check_row(row: Mapping[str, float], seconds: float) -> None:
    for name, value in row.items():
        if name.endswith("accuracy") and not (math.isnan(value) or 0.0 <= value <= 1.0):
            raise ValueError(f"{name} must be a fraction between 0 and 1, got {value!r}")
    if not (math.isfinite(seconds) and seconds >= 0.0):
        raise ValueError(f"seconds must be finite and not negative, got {seconds!r}")


def _number(row: Mapping[str, str], name: str) -> float:
    try:
        return float(row[name])
    except ValueError:
        raise ValueError(f"{name} is not a number: {row[name]!r}") from None


def _encode(values: Iterable[float]) -> list[float | str]:
    return [value if math.isfinite(value) else repr(value) for value in values]


def _decode(key: str, values: object) -> list[float]:
    if not isinstance(values, list):
        raise DataError(f"history: {key} must be a list of numbers, got {values!r:.60}")
    result = []
    for position, value in enumerate(values):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number and value not in ("nan", "inf", "-inf"):
            raise DataError(f"history: {key}[{position}] is not a number: {value!r:.60}")
        result.append(float(value))
    return result
