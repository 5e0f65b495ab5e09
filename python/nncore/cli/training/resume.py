"""`nncore train --resume RUN`: from a run directory back to the training that it is of."""

from __future__ import annotations

import dataclasses
import filecmp
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncore.cli.failures import UsageError
from nncore.cli.inputs import BEST, load_labelled, run_meant
from nncore.cli.output import Output, count, printable
from nncore.cli.training import record
from nncore.cli.training.plan import Plan, TrainSettings
from nncore.errors import DataError
from nncore.process.team import by_first, team_at_work

if TYPE_CHECKING:
    from nncore.interop.onnx_features import Features
    from nncore.training.run_directory import RunDirectory
    from nncore.training.settings import TrainingSettings

LAST = "last.safetensors"
# What decides the network: other ones would be another training, not a longer or a slower one.
_FIXED = ("width", "stem_pool", "loss", "optimizer", "head_penalty", "fine_tune_from")


@dataclass(frozen=True)
class ResumeSettings:
    """What a person says about a run that is to go on.

    `source` is where its images are now (None: where they were), `flags` are those that were given
    for the training itself, by the names of their settings.
    """

    run: str
    source: str | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)
    accept_changes: bool = False
    checkpoint_seconds: float | None = None
    cache: str | bool | None = None


def open_run(settings: ResumeSettings) -> RunDirectory:
    """The run directory, which no other process may train into; those of a team that do not write
    get what is in it, for they may not see it."""
    from nncore.training.run_directory import RunDirectory, RunOfAnother

    opened: list[RunDirectory] = []
    shared = team_at_work() is not None

    def open_here() -> dict[str, bytes]:
        if not os.path.isdir(settings.run):
            meant = run_meant(settings.run) or "; give that of a run"
            raise UsageError(f"--resume: {settings.run} is no folder{meant}")
        opened.append(RunDirectory.open(settings.run))
        return opened[0].needed_to_resume() if shared else {}

    files = by_first(open_here)
    return opened[0] if opened else RunOfAnother.holding(files)


def resumed(settings: ResumeSettings, run: RunDirectory, out: Output) -> Plan:
    """The plan of a run, with its model as far as it was trained.

    Raises
    ------
    DataError
        There is nothing to resume, or the images or nncore are others now.
    UsageError
        Other settings are asked for.
    ModelFileError
        last.safetensors is damaged.
    """
    from nncore import _core

    kept = run.read_resume()
    was = record.settings_of(kept, run)
    changes = []
    if kept["nncore"] != _core.__version__:
        changes.append(f"nncore {kept['nncore']} began it, and this is {_core.__version__}")
    now, changed_settings = _settings(was, settings, kept)
    data = load_labelled(now.source, now.reading, out, classes=str(run.file("classes.csv")))
    corrections = record.corrections_of(kept, data, now.source, run)
    if corrections is not None:
        data = data.with_audit(corrections)
    parts, changed_data = record.parts_of(kept, data, now.source, run)
    changes += changed_data
    if changes and not settings.accept_changes:
        raise DataError(
            f"{run.path}: not what its training began with: {'; '.join(changes)} "
            "(--accept-changes goes on all the same, to other weights)"
        )
    for change in [*changes, *changed_settings]:
        out.warn(f"{change}; the weights will be others than those of one training")
    if now.normalize and now.features is None and not now.network.on_backbone:
        from nncore.data.normalization import with_normalization

        parts = dataclasses.replace(parts, train=with_normalization(parts.train))
    model = _model(now, run, parts, out)
    plan = Plan(now, parts, now.training, _recipe(kept), model, corrections)
    _say(plan, run, out)
    return plan


def _settings(
    was: TrainSettings, asked: ResumeSettings, kept: Mapping[str, Any]
) -> tuple[TrainSettings, list[str]]:
    """What holds now, and in words what of it is accepted to be another."""
    reading, training = was.reading, was.training
    if asked.cache is not None:
        reading = dataclasses.replace(reading, cache=asked.cache)
    known = {
        **dataclasses.asdict(was.reading),
        **dataclasses.asdict(was.network),
        **dataclasses.asdict(was.split),
        **dataclasses.asdict(was.training),
        **{f"features_{k}": v for k, v in (kept["settings"]["features"] or {}).items()},
        "split": was.split.table,
        "features": None if was.features is None else was.features.file,
        "normalize": was.normalize,
        "classes": was.classes,
        "audit": was.audit,
        "seed": was.seed,
    }
    changed = []
    for name, value in asked.flags.items():
        if name in known and known[name] == value:
            continue
        flag = "--" + name.replace("_", "-")
        before = known.get(name)
        told = f"{flag} {value} " + (
            "where the run has none" if before is None else f"instead of {before}"
        )
        if not hasattr(training, name) or name in _FIXED:
            raise UsageError(f"{told}: that is settled by the run; leave it out")
        if not asked.accept_changes:
            raise UsageError(f"{told}: leave it out, or go on all the same by --accept-changes")
        training = dataclasses.replace(training, **{name: value})
        changed.append(told)
    seconds = asked.checkpoint_seconds
    return dataclasses.replace(
        was,
        source=asked.source or was.source,
        reading=reading,
        training=training,
        checkpoint_seconds=was.checkpoint_seconds if seconds is None else seconds,
    ), changed


def _model(now: TrainSettings, run: RunDirectory, parts: Any, out: Output) -> Any:
    """As far as it was trained; as it was made where that was not far enough to be saved."""
    from nncore.training.model_file import load_checkpoint

    features: Features | None = None
    last = run.file(LAST)
    if now.features is not None:
        # Where there is another network in that file now, or none, the run has a copy.
        kept, file = run.file("features.onnx"), now.features.file
        if kept.exists() and not (os.path.exists(file) and filecmp.cmp(file, kept, shallow=False)):
            file = str(kept)
        if file != str(kept) or not last.exists():
            features = dataclasses.replace(now.features, file=file).open(now.reading)
    if last.exists():
        model = load_checkpoint(last, features)
        _forget_lost_future(run, model)
    else:
        prepared, classes = parts.train.preprocessing, len(parts.whole.classes)
        shape, fit = prepared.input_shape, prepared.fit
        model = now.network.make(classes, shape, now.training, features, now.seed, fit)
    model.cache = now.reading.cache
    return model


def _forget_lost_future(run: RunDirectory, model: Any) -> None:
    """A best model of an epoch that was lost: it is made again, or else never was."""
    from nncore.errors import ModelFileError
    from nncore.training.model_file import load_to_show

    best = Path(run.file(BEST))
    try:
        facts = load_to_show(best).facts if best.exists() else None
    except ModelFileError:
        return
    if facts is not None and facts.epochs > model._position.epoch:
        best.unlink()


def _recipe(kept: Mapping[str, Any]) -> Any:
    from nncore.training.recipes.recipe import Recipe

    told = kept["recipe"]
    return None if told is None else Recipe((), told["settings"], told["reasons"], 0.0)


def remaining(plan: Plan) -> TrainingSettings:
    """The settings of the training with what is left of its time."""
    from nncore.training.resume import seconds_spent

    training = plan.training
    if training.max_minutes is None:
        return training
    left = training.max_minutes - seconds_spent(plan.model) / 60
    return dataclasses.replace(training, max_minutes=max(left, 1e-6))


def _say(plan: Plan, run: RunDirectory, out: Output) -> None:
    history, iteration = plan.model.history, plan.model._position.iteration
    where = "at its beginning: nothing of it was saved yet"
    if history is not None:
        where = f"after {count(len(history), 'epoch')}"
        if iteration:
            where += f" and {count(iteration, 'step')} of the next"
    out.say(f"{printable(str(run.path))} goes on {where}")
