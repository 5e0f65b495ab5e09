"""`runs/NAME/`: everything that one training leaves behind, each file whole or absent.

- `.nncore`: by which the folder is told from pictures
- `config.toml`: the settings
- `resume.json`: the same and the images, as a program reads them that goes on with the training
- `classes.csv`: Label,Description
- `split.csv`: path,label,split; which image was trained on
- `skipped.csv`: path,kind,reason; which files were left out
- `best.safetensors`: the model of the best epoch (`History.best_epoch`)
- `last.safetensors`: the model of the last epoch, with what resuming needs
- `features.onnx`: the network of frozen features, if there is one: a copy, so that the run stays
  what it is, whatever becomes of the file that was given
- `augmented.png`: images and the changed copies that training saw, if it did
- `history.csv`, `loss.png`, `accuracy.png`: one row or point per epoch
- `report.json`, `confusion.png`, `mistakes.png`: the evaluation
- `provenance.json`: what `report.html`, the page of all this, says besides: command, times, notes
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import hashlib
import itertools
import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncore.data.labels.class_map import ClassMap
from nncore.data.skipped import SkippedFile, write_skipped_csv
from nncore.data.sources.split_csv import write_split_csv
from nncore.errors import DataError, ModelFileError
from nncore.files.atomic import atomic_write_bytes, atomic_write_text
from nncore.files.file_names import refused_name
from nncore.files.home import place
from nncore.files.own_folders import RUN_FILES, is_empty, make_home, mark_own_folder
from nncore.files.regular_files import read_regular
from nncore.training.answers.report import Report
from nncore.training.callbacks import Callback, Logs
from nncore.training.history import History
from nncore.training.images.features import RUN_FILE
from nncore.training.model_format import write_model_file
from nncore.training.run_lock import RunLock

if TYPE_CHECKING:
    from nncore.data.augmentation import Augmentation
    from nncore.data.dataset import ImageDataset
    from nncore.data.mapped import Pixels

FILES = RUN_FILES
_LARGEST_RECORD = 1 << 30  # bytes of resume.json, which has a line for each image
_TO_RESUME = (
    "resume.json",
    "classes.csv",
    "split.csv",
    "best.safetensors",
    "last.safetensors",
    RUN_FILE,
)

Scalar = str | bool | int | float | datetime.date | datetime.datetime
Sections = Mapping[str, Mapping[str, "Scalar | Iterable[Scalar] | None"]]


class RunDirectory:
    """The folder of one training run. Make one with `create`; `path` is the folder.

    Attributes
    ----------
    writes
        Whether this process writes into it; see `RunOfAnother`.
    """

    writes = True

    def __init__(self, path: Path, lock: RunLock | None = None) -> None:
        self.path, self._lock = path, lock

    @classmethod
    def create(
        cls,
        root: str | os.PathLike[str] = "runs",
        name: str | None = None,
        *,
        overwrite: bool = False,
    ) -> RunDirectory:
        """Make the folder `root`/`name`, and be sure that files can be written there.

        Parameters
        ----------
        root
            Parent of all runs; made if missing.
        name
            By default the first free of "run-1", "run-2", ...
        overwrite
            Use a folder that is not empty. Files of an older run in it are removed, those that a
            run does not write stay.

        Raises
        ------
        ValueError
            `name` is not the name of one folder.
        FileExistsError
            `root`/`name` is not empty and `overwrite` is False.
        BlockingIOError
            Another process trains into this folder.
        OSError
            The folder cannot be made or written to; the message names it.
        """
        parent = place(root)
        if name is not None and (name in ("", ".", "..") or Path(name).name != name):
            raise ValueError(f"name must be the name of one folder, not {name!r}")
        if name is not None and (why := refused_name(name)) is not None:
            raise ValueError(f"no folder can be named {name!r}: {why}")
        try:
            if name is None:
                path = _make_numbered(parent)
            else:
                path = parent / name
                make_home(parent)
                path.mkdir(exist_ok=True)
            # Before it is looked at whether the folder is empty: of two processes one gets it.
            lock = RunLock.take(path)
            _refuse_unwritable(path)
        except BlockingIOError:
            raise
        except OSError as error:
            where = error.filename or parent
            raise type(error)(
                error.errno, f"cannot write a run here: {error.strerror}", str(where)
            ) from None
        if not is_empty(path):
            if not overwrite:
                raise FileExistsError(
                    errno.EEXIST,
                    "the run folder is not empty; choose another name or allow overwriting",
                    str(path),
                )
            for file in FILES:
                (path / file).unlink(missing_ok=True)
        if is_empty(path):
            mark_own_folder(path)
        return cls(path, lock)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunDirectory:
        """The folder of a training that is to go on.

        Raises
        ------
        OSError
            There is no such folder, or another process trains into it (a BlockingIOError).
        """
        folder = place(path)
        return cls(folder, RunLock.take(folder))

    def __repr__(self) -> str:
        return f"RunDirectory({str(self.path)!r})"

    def file(self, name: str) -> Path:
        """Path of one of `FILES`."""
        if name not in FILES:
            raise ValueError(f"a run has no file {name!r}; it has: {', '.join(FILES)}")
        return self.path / name

    def write_config(self, sections: Sections) -> None:
        """Write config.toml from `{section: {key: value}}`; see `toml_text`."""
        atomic_write_text(self.file("config.toml"), toml_text(sections))

    def write_resume(self, record: Mapping[str, object]) -> None:
        """Write resume.json: what a program needs, beside last.safetensors, to go on."""
        text = json.dumps(record, ensure_ascii=True, allow_nan=False)
        atomic_write_text(self.file("resume.json"), text + "\n")

    def read_resume(self) -> dict[str, Any]:
        """What `write_resume` wrote.

        Raises
        ------
        DataError
            There is no such file, or it is damaged.
        """
        path = self.file("resume.json")
        try:
            record = json.loads(read_regular(path, _LARGEST_RECORD))
        except FileNotFoundError:
            raise DataError(
                f"{self.path}: no training that can be resumed: there is no resume.json in it; "
                "give the folder of a run"
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{path}: cannot be read: {error}") from None
        if not isinstance(record, dict):
            raise DataError(f"{path}: is no record of a training")
        return record

    def needed_to_resume(self) -> dict[str, bytes]:
        """By their names the files that `read_resume` and going on take."""
        names = [name for name in _TO_RESUME if self.file(name).exists()]
        return {name: self.file(name).read_bytes() for name in names}

    def write_data(
        self,
        classes: ClassMap,
        parts: Mapping[str, ImageDataset],
        skipped: Iterable[SkippedFile] = (),
    ) -> None:
        """Write classes.csv, split.csv (parts such as "train", "val", "test") and skipped.csv."""
        classes.write(self.file("classes.csv"))
        write_split_csv(self.file("split.csv"), parts)
        write_skipped_csv(self.file("skipped.csv"), skipped)

    def keep_features(self, path: str | os.PathLike[str], sha256: str) -> None:
        """Keep a copy of the network of frozen features in the run, where its models look for it.

        No second name of the file: another network may be written into it, and a link within the
        cache of a hub points nowhere from here.

        Raises
        ------
        ModelFileError
            The file is not any more the one with that digest.
        """
        try:
            network = Path(path).read_bytes()
        except OSError as error:
            raise ModelFileError(f"{path}: cannot be read any more: {error.strerror}") from error
        if hashlib.sha256(network).hexdigest() != sha256:
            raise ModelFileError(f"{path}: was changed since the features were taken; start again")
        atomic_write_bytes(self.file(RUN_FILE), network)

    def write_augmented(self, images: Pixels, augmentation: Augmentation, seed: int) -> None:
        """Write augmented.png: what training on `images` with `seed` sees of some of them."""
        from nncore import plots

        plots.augmented(images, augmentation, self.file("augmented.png"), seed=seed)

    def checkpoints(self, interval: float = 5.0) -> Callback:
        """A callback that keeps best.safetensors, last.safetensors and history.csv up to date.

        Written every `interval` seconds, within epochs, too, after the first epoch, and when
        training ends, be it by Ctrl-C or by an error: what is lost at a power cut is that much of
        the training. Let it be the last callback, so that it sees what others decide.
        """
        return _Checkpoints(self, interval)

    def write_history(self, history: History) -> None:
        """Write history.csv and, once there is an epoch, loss.png and accuracy.png."""
        history.to_csv(self.file("history.csv"))
        if len(history):
            from nncore import plots

            plots.curves(history, self.file("loss.png"), which="loss")
            plots.curves(history, self.file("accuracy.png"), which="accuracy")

    def write_report(
        self,
        report: Report,
        images: Pixels | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        """Write report.json, confusion.png, given the evaluated uint8 images mistakes.png, and
        given where all this comes from provenance.json."""
        from nncore import plots

        report.write_json(self.file("report.json"))
        if provenance is not None:
            text = json.dumps(provenance, ensure_ascii=True, allow_nan=False)
            atomic_write_text(self.file("provenance.json"), text + "\n")
        plots.confusion_matrix(report, path=self.file("confusion.png"))
        if images is not None:
            plots.mistakes(images, report, self.file("mistakes.png"))


class RunOfAnother(RunDirectory):
    """The run directory of a team as those see it that do not write: its path, and no more."""

    writes = False
    _temporary: tempfile.TemporaryDirectory[str] | None = None  # as long as this is there

    def write_config(self, sections: Sections) -> None: ...

    def write_resume(self, record: Mapping[str, object]) -> None: ...

    def write_data(
        self,
        classes: ClassMap,
        parts: Mapping[str, ImageDataset],
        skipped: Iterable[SkippedFile] = (),
    ) -> None: ...

    def keep_features(self, path: str | os.PathLike[str], sha256: str) -> None: ...

    def checkpoints(self, interval: float = 5.0) -> Callback:
        return Callback()

    def write_history(self, history: History) -> None: ...

    @classmethod
    def holding(cls, files: Mapping[str, bytes]) -> RunOfAnother:
        """One whose folder has these files, as `needed_to_resume` gave them; a temporary one."""
        folder = tempfile.TemporaryDirectory(prefix="nncore-run-")
        for name, content in files.items():
            Path(folder.name, name).write_bytes(content)
        found = cls(Path(folder.name))
        found._temporary = folder
        return found


class _Checkpoints(Callback):
    for_first_process = True

    def __init__(self, run: RunDirectory, interval: float) -> None:
        self.run, self.interval = run, interval
        self.best: bytes | None = None  # Not written yet.
        self.written: float | None = None

    def on_train_begin(self) -> None:
        self.begun = time.monotonic()

    def on_block_end(self) -> None:
        since = self.begun if self.written is None else self.written
        if time.monotonic() - since >= self.interval:
            self._write()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        history = self.model.history
        assert history is not None
        if history.best_epoch() == epoch:
            self.best = self.model.to_bytes()
        if self.written is None or time.monotonic() - self.written >= self.interval:
            self._write()

    def on_train_end(self) -> None:
        self._write()

    def on_train_error(self, error: BaseException) -> None:
        # The weights may be ruined, so that `last` stays that of an earlier epoch. What ended the
        # training is the error to report, not that the disk is full as well.
        with contextlib.suppress(OSError):
            self._write_best()

    def _write(self) -> None:
        self._write_best()
        history = self.model.history
        assert history is not None
        history.to_csv(self.run.file("history.csv"))
        last = self.model.to_bytes(with_state=True)
        write_model_file(self.run.file("last.safetensors"), last)
        self.written = time.monotonic()

    def _write_best(self) -> None:
        if self.best is not None:
            write_model_file(self.run.file("best.safetensors"), self.best)
            self.best = None


def toml_text(sections: Sections) -> str:
    """TOML of flat sections: texts, booleans, numbers, dates and lists of them; None is left out.

    Raises
    ------
    TypeError
        A value of another type; the message names its key.
    """
    import tomli_w

    return tomli_w.dumps(
        {
            section: {
                key: _for_toml(f"{section}.{key}", value)
                for key, value in values.items()
                if value is not None
            }
            for section, values in sections.items()
        }
    )


def _for_toml(where: str, value: object) -> object:
    """`value` as TOML can hold it."""
    if isinstance(value, str):
        # TOML has no lone surrogates, which stand for the odd bytes of file names.
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, (list, tuple)):
        return [_for_toml(where, one) for one in value]
    if isinstance(value, (bool, int, float, datetime.date)):  # a datetime is a date, too
        return value
    raise TypeError(f"{where}: cannot write a {type(value).__name__} to config.toml: {value!r}")


def _make_numbered(parent: Path) -> Path:
    make_home(parent)
    for number in itertools.count(1):
        path = parent / f"run-{number}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise AssertionError("unreachable")


def _refuse_unwritable(path: Path) -> None:
    # Found out now rather than after the training.
    with tempfile.TemporaryFile(dir=path):
        pass
