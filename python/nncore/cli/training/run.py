"""A training from pictures to a run directory."""

from __future__ import annotations

import dataclasses
import errno
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from nncore.cli import feature_words, models
from nncore.cli.failures import UsageError
from nncore.cli.flags.training import check_warmup
from nncore.cli.inputs import BEST, load_labelled
from nncore.cli.output import Output, count, printable
from nncore.cli.parts import NEW, Parts, split
from nncore.cli.processes import say_processes
from nncore.cli.training import words
from nncore.cli.training.backbone import settled
from nncore.cli.training.config import config
from nncore.cli.training.ended_early import ended_early
from nncore.cli.training.measured import calibrated, measured
from nncore.cli.training.onlookers import Onlookers
from nncore.cli.training.plan import Outcome, Plan, RunPlace, TrainSettings
from nncore.cli.training.record import record_of
from nncore.cli.training.resume import ResumeSettings, open_run, remaining, resumed
from nncore.files.own_folders import is_empty
from nncore.files.writable import check_folder
from nncore.process.team import by_first

if TYPE_CHECKING:
    from nncore.interop.onnx_features import Features
    from nncore.training.callbacks import Callback
    from nncore.training.history import History
    from nncore.training.model import Sequential
    from nncore.training.recipes.recipe import Recipe
    from nncore.training.run_directory import RunDirectory
    from nncore.training.settings import TrainingSettings


def train(settings: TrainSettings, out: Output, onlookers: Onlookers | None = None) -> Outcome:
    """Load, split, train, evaluate and write the run directory."""
    onlookers = onlookers or Onlookers()
    say_processes(out)
    by_first(lambda: _check_place(settings.place))
    _check_tables(settings)
    onlookers.say("Reading the pictures")
    begun = time.perf_counter()
    plan = _timed(_plan(settled(settings, out), out), begun)
    words.say_plan(plan, out)
    _compute_features(plan, out)
    if settings.split.test and "test" in (plan.parts.whole.given_split or ()):
        out.warn("--test is not used: the split that is given has test images")
    return _carried_out(plan, _make_run(plan, out), out, onlookers)


def go_on(settings: ResumeSettings, out: Output, onlookers: Onlookers | None = None) -> Outcome:
    """Take up a training where it was stopped, to the same end."""
    onlookers = onlookers or Onlookers()
    say_processes(out)
    run, begun = open_run(settings), time.perf_counter()
    onlookers.say("Reading the pictures")
    plan = _timed(resumed(settings, run, out), begun)
    _compute_features(plan, out)
    _write_facts(plan, run, out)
    plan = dataclasses.replace(plan, training=remaining(plan))
    return _carried_out(plan, run, out, onlookers)


def _carried_out(plan: Plan, run: RunDirectory, out: Output, onlookers: Onlookers) -> Outcome:
    from nncore.data.spread import first_alone
    from nncore.report.run_page import write_page
    from nncore.training.ended_worse import ended_worse

    history = _fit(plan, run, out, onlookers.callbacks(plan, run))
    for line in ended_early(plan, history):
        out.say(line)
    onlookers.say("Measuring, and writing the report")
    out.warn_all(plan.model.cache_notes)
    worse = ended_worse(history)
    if worse is not None and not out.verbose:  # else the progress has told it
        out.warn(worse)
    run.write_history(history)
    if run.writes and len(history) and not run.file(BEST).exists():
        # Of an epoch that was trained before a change of settings.
        plan.model.save(run.file(BEST), include_optimizer=False)
    calibration = calibrated(plan, run) if len(history) else None
    report = measured(plan, run, calibration) if len(history) else None
    if report is not None:
        images = plan.parts.measured[1].images
        first_alone(images, lambda: write_page(run.path, model=plan.model, images=images))
    return Outcome(plan, run, history, plan.parts.measured[0], report, calibration)


def _timed(plan: Plan, begun: float) -> Plan:
    return dataclasses.replace(plan, seconds={"reading": time.perf_counter() - begun})


def _plan(settings: TrainSettings, out: Output) -> Plan:
    """Read and split the images, and see what they decide."""
    from nncore.data.normalization import with_normalization
    from nncore.data.sources.audit_csv import read_audit_csv

    reading, network = settings.reading, settings.network
    reading = dataclasses.replace(reading, fit=reading.fit or network.fit)
    backbone = None if settings.features is None else settings.features.open(reading)
    if backbone is not None:
        reading = dataclasses.replace(reading, size=backbone.size, color=backbone.data_color)
    reading = network.reading(reading)
    data = load_labelled(settings.source, reading, out, classes=settings.classes)
    corrections = None
    if settings.audit is not None:
        corrections = read_audit_csv(settings.audit, data.paths, data.classes)
        data = data.with_audit(corrections)
    parts = split(data, settings.split, settings.seed)
    if settings.normalize and backbone is None and not network.on_backbone:
        parts = dataclasses.replace(parts, train=with_normalization(parts.train))
    training, recipe, model = _chosen(settings, parts, backbone)
    check_warmup(training)
    settings = dataclasses.replace(settings, reading=reading)
    return Plan(settings, parts, training, recipe, model, corrections)


def _chosen(
    settings: TrainSettings, parts: Parts, features: Features | None
) -> tuple[TrainingSettings, Recipe | None, Sequential]:
    """The model, and how it is trained: what was asked for, with what the images decide."""
    network, validated = settings.network, len(parts.val) > 0
    asked = settings.training.filled(network.defaults())
    if not network.on_backbone:
        training, recipe = models.choose(network, asked, parts.train, validated)
        model = _made(settings, parts, training, features)
        return training, recipe, model
    model = _made(settings, parts, asked, features)
    try:
        training, recipe = models.choose_transfer(model, asked, parts.train, validated)
    except ValueError as error:
        if asked.fine_tune_from is None:
            raise
        raise UsageError(f"--fine-tune-from: {error}") from None
    return training, recipe, model


def _made(
    settings: TrainSettings, parts: Parts, training: TrainingSettings, features: Features | None
) -> Sequential:
    prepared, classes = parts.train.preprocessing, len(parts.whole.classes)
    network, shape, fit = settings.network, prepared.input_shape, prepared.fit
    model = network.make(classes, shape, training, features, settings.seed, fit)
    model.cache = settings.reading.cache
    return model


def _compute_features(plan: Plan, out: Output) -> None:
    backbone, data = plan.model.features, plan.parts.whole
    if backbone is None:
        return
    feature_words.compute(backbone, data, out)
    run = backbone.images_run
    out.say(
        f"features of {count(run, 'image')} computed; of {len(data) - run:,} they were known, "
        "from an earlier run or a copy"
    )


def _make_run(plan: Plan, out: Output) -> RunDirectory:
    """The folder, with all that is known before the training."""
    from nncore.training.run_directory import RunDirectory, RunOfAnother

    place = plan.settings.place
    made: list[RunDirectory] = []

    def make() -> Path:
        try:
            made.append(RunDirectory.create(place.output, place.name, overwrite=place.overwrite))
        except OSError as error:
            _explain(error)
        return made[0].path

    path = by_first(make)
    run = made[0] if made else RunOfAnother(path)
    _write_facts(plan, run, out)
    return run


def _write_facts(plan: Plan, run: RunDirectory, out: Output) -> None:
    """All that is known before the training; first of all what resuming needs."""
    from nncore.data.spread import first_alone

    parts = plan.parts
    changes, backbone = plan.training.augmentation, plan.model.features
    run.write_resume(record_of(plan))
    run.write_data(parts.whole.classes, parts.by_name, parts.whole.skipped)
    if backbone is not None:
        run.keep_features(backbone.path, backbone.sha256)
    if changes is not None:
        images, seed = parts.train.images, plan.settings.seed
        first_alone(images, lambda: run.write_augmented(images, changes, seed))
        out.say(f"augmentation: {printable(str(run.file('augmented.png')))} shows it")


def _fit(plan: Plan, run: RunDirectory, out: Output, onlookers: list[Callback]) -> History:
    from nncore.training.resume import fit_rest

    training, model, parts = plan.training, plan.model, plan.parts
    first, last = _config_writer(plan, run, out), run.checkpoints(plan.settings.checkpoint_seconds)
    validation = parts.val if len(parts.val) else None
    if plan.settings.network.on_backbone:
        from nncore.training.transfer import fit_transfer

        return fit_transfer(
            model,
            parts.train,
            training,
            validation_data=validation,
            seed=plan.settings.seed,
            verbose=out.verbose,
            callbacks=[first, *onlookers, last],
            tell=out.say,
            history=model.history,
        )
    arguments = training.fit_arguments(model.default_optimizer, len(parts.train))
    return fit_rest(
        model,
        parts.train,
        model.history,
        validation_data=validation,
        loss=training.loss,
        seed=plan.settings.seed,
        verbose=out.verbose,
        **arguments | {"callbacks": [first, *onlookers, *arguments["callbacks"], last]},
    )


def _config_writer(plan: Plan, run: RunDirectory, out: Output) -> Callback:
    """Writes config.toml once `fit` has settled the optimizer, and before any training."""
    from nncore.training.callbacks import LambdaCallback

    def write() -> None:
        # There is one already in the second step of a training on a backbone.
        if not run.writes or run.file("config.toml").exists():
            return
        run.write_config(config(plan))
        for line in words.class_weight_lines(plan.model):
            out.say(line)

    return LambdaCallback(on_train_begin=write)


def _check_place(place: RunPlace) -> None:
    """Whether the folder is free and can be written, before minutes are spent on reading images."""
    try:
        check_folder(Path(place.output) / (place.name or ""))
    except OSError as error:
        error.strerror = f"cannot write a run here: {error.strerror}"
        _explain(error)
    if place.name is not None and not place.overwrite:
        folder = Path(place.output) / place.name
        if folder.is_dir() and not is_empty(folder):
            _explain(FileExistsError(errno.EEXIST, "", str(folder)))


def _check_tables(settings: TrainSettings) -> None:
    """DataError if the table of a split or of an audit is missing or wrong, before the first
    picture is read."""
    from nncore.data.sources.audit_csv import audit_lines
    from nncore.data.sources.split_csv import read_split_csv

    table = settings.split.table
    if table is not None and table != NEW:
        read_split_csv(table)
    if settings.audit is not None:
        audit_lines(settings.audit)


def _explain(error: OSError) -> NoReturn:
    """Raise `error` again with the flags that help."""
    if isinstance(error, FileExistsError) and os.path.isdir(error.filename):
        reason = "this run folder is not empty; choose another --name, or replace it by --overwrite"
    else:
        reason = f"{error.strerror}; choose another place by --output"
    raise type(error)(error.errno, reason, error.filename) from None
