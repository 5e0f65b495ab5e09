"""Train a classifier on a folder with one sub-folder of images per class (or on a .csv table with
the columns path and label), and write everything about it to a run directory."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from nncore.cli.failures import UsageError, interrupted_by
from nncore.cli.flags import common, features, onlookers, reading, training, values
from nncore.cli.flags.augmentation import add_augmentation
from nncore.cli.flags.network import (
    add_backbone,
    add_network,
    add_transfer,
    check_reading,
    check_transfer,
    network_of,
)
from nncore.cli.gate import gate
from nncore.cli.inputs import RUNS
from nncore.cli.models import AUTO_BACKBONE, DEFAULT_HEAD, DEFAULT_MODEL
from nncore.cli.output import Output, StandardOutputError, abandon_stdout, write_error
from nncore.cli.parts import VAL, SplitSettings
from nncore.cli.training import words
from nncore.cli.training.onlookers import Onlookers
from nncore.cli.training.plan import Outcome, RunPlace, TrainSettings
from nncore.cli.training.resume import ResumeSettings
from nncore.cli.training.run import go_on, train

HELP = "train a classifier on a folder of images"
FIRST = ("--test", "--epochs", "--model", "--max-minutes", "--name")
EXAMPLES = (
    ("nncore train photos/ --test 0.15", "the recipe chooses all the rest, and says why"),
    ("nncore train photos/ --max-minutes 5", "the best that can be had in five minutes"),
    ("nncore train photos/ --model cnn --epochs 20 --augment light", "a textbook network"),
    ("nncore train --resume runs/run-1", "go on where a training was stopped"),
)
CHECKPOINT_SECONDS = 5.0
# Flags that say how, not what is trained.
_OF_THE_COMMAND = (
    *("data", "resume", "accept_changes", "checkpoint_seconds", "min_accuracy", "cache"),
    *("json", "quiet", "threads", *onlookers.NAMES),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_labelled(parser, needed=False)
    model = parser.add_argument_group("model and training")
    add_network(model)
    training.add_length(model)
    training.add_steps(model)
    transfer = parser.add_argument_group(
        "a network that knows photos already: its last layer is made anew and trained first, then "
        "its upper layers (extra [pretrained]; where it is missing, train says how to install it)"
    )
    add_backbone(transfer)
    add_transfer(transfer)
    features.add_features(parser)
    add_augmentation(parser)
    data = parser.add_argument_group("images")
    reading.add_layout(data)
    reading.add_size_and_color(data)
    reading.add_fit(data)
    _add_parts(data)
    data.add_argument(
        "--normalize",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="scale inputs by the mean and deviation of the training pixels, which the model keeps "
        "(on by default)",
    )
    reading.add_max_broken(data)
    reading.add_max_pixels(data)
    reading.add_cache(data)
    results = parser.add_argument_group("results")
    results.add_argument(
        "--output",
        type=values.path,
        default=RUNS,
        metavar="DIR",
        help="where runs are kept (default runs)",
    )
    results.add_argument(
        "--name",
        type=values.run_name,
        metavar="NAME",
        help="name of this run's folder (default: the first free of run-1, run-2, ...)",
    )
    results.add_argument(
        "--overwrite", action="store_true", help="replace an older run of the same name"
    )
    common.add_min_accuracy(results)
    onlookers.add_onlookers(parser)
    _add_resume(parser)


def _add_parts(data: argparse._ArgumentGroup) -> None:
    """Which images are for what, and of which class."""
    data.add_argument(
        "--val",
        type=values.fraction,
        metavar="FRACTION",
        help="part for validation, which chooses the best epoch (default 0.15; less where that is "
        "more than 3,000 images)",
    )
    data.add_argument(
        "--test",
        type=values.fraction,
        default=0.0,
        metavar="FRACTION",
        help="part that training never sees, for an honest accuracy (default 0)",
    )
    data.add_argument(
        "--split",
        type=values.path_or("new"),
        metavar="FILE|new",
        help="table with the columns path and split, such as the split.csv of a run; new: do not "
        "use the split that comes with the data (default: that one if there is one, from folders "
        "train, val and test or a column split; what it lacks is made)",
    )
    data.add_argument(
        "--classes",
        type=values.path,
        metavar="FILE",
        help="file of the class names: .csv (Label,Description), .txt or .json (default: the "
        "folder's own classes.csv, or its sub-folders in sorted order)",
    )
    data.add_argument(
        "--audit",
        type=values.path,
        metavar="FILE",
        help="table of nncore audit: move images to the class, or leave them out, as its column "
        "action says",
    )


def _add_resume(parser: argparse.ArgumentParser) -> None:
    going_on = parser.add_argument_group("a training that was stopped")
    going_on.add_argument(
        "--resume",
        type=values.path,
        metavar="RUN",
        help="go on with the training of this run folder, to the weights that it would have had "
        "without a stop; name the images only if they have moved",
    )
    going_on.add_argument(
        "--accept-changes",
        action="store_true",
        help="resume although the images, nncore or settings that are given changed",
    )
    going_on.add_argument(
        "--checkpoint-seconds",
        type=values.positive,
        metavar="S",
        help="how often what is trained is saved, within epochs, too (default 5)",
    )


@dataclass(frozen=True)
class Settings:
    """A training, new or to go on, the accuracy that it must reach, and who looks on."""

    train: TrainSettings | ResumeSettings
    min_accuracy: float | None
    onlookers: onlookers.OnlookerSettings


def settings(args: argparse.Namespace) -> Settings:
    if args.resume is not None:
        return Settings(_resumed(args), args.min_accuracy, onlookers.onlookers_of(args))
    if args.accept_changes:
        raise UsageError("--accept-changes is for --resume")
    if args.data is None:
        raise UsageError(
            "the following arguments are required: FOLDER|CSV (see: nncore train --help)"
        )
    read, asked = reading.reading_of(args), training.training_of(args)
    network = network_of(args, asked, DEFAULT_MODEL if args.features is None else DEFAULT_HEAD)
    check_reading(network, read)
    training.check(asked.filled(network.defaults()), args.val)
    if network.backbone != AUTO_BACKBONE:
        check_transfer(network, asked)
    frozen = features.features_of(args, network.on_onnx_file)
    if frozen is not None:
        features.check(network, read, asked)
    val = VAL if args.val is None else args.val
    if val + args.test >= 1:
        raise UsageError(f"--val {val:g} and --test {args.test:g} leave nothing for training")
    chosen = TrainSettings(
        command=args.command_line,
        source=args.data,
        reading=read,
        training=asked,
        network=network,
        features=frozen,
        split=SplitSettings(args.val, args.test, args.split),
        classes=args.classes,
        audit=args.audit,
        normalize=args.normalize,
        place=RunPlace(args.output, args.name, args.overwrite),
        seed=args.seed,
        checkpoint_seconds=args.checkpoint_seconds or CHECKPOINT_SECONDS,
    )
    return Settings(chosen, args.min_accuracy, onlookers.onlookers_of(args))


def _resumed(args: argparse.Namespace) -> ResumeSettings:
    """What is said beside --resume."""
    parser = argparse.ArgumentParser(parents=[common.common_options()], allow_abbrev=False)
    add_arguments(parser)
    usual = vars(parser.parse_args([]))
    given = {k: v for k, v in vars(args).items() if k in usual and usual[k] != v}
    for name in _OF_THE_COMMAND:
        given.pop(name, None)
    return ResumeSettings(
        args.resume,
        args.data,
        given,
        args.accept_changes,
        args.checkpoint_seconds,
        None if args.cache is True else args.cache,
    )


def run(settings: Settings, out: Output) -> int:
    asked = settings.train
    with Onlookers(settings.onlookers) as looking_on:
        if isinstance(asked, ResumeSettings):
            outcome = go_on(asked, out, looking_on)
        else:
            outcome = train(asked, out, looking_on)
        code = _tell(settings, outcome, out)
        looking_on.finish(outcome)
    return code


def _tell(settings: Settings, outcome: Outcome, out: Output) -> int:
    """Print what came of it; the exit code."""
    told = words.text(outcome, hints=not out.quiet)
    try:
        out.result(told, words.as_json(outcome))
    except StandardOutputError:
        # The terminal that was closed, and by that ended the training, takes no result, either.
        if not outcome.plan.model.interrupted:
            raise
        abandon_stdout()
    if outcome.plan.model.interrupted:
        write_error(words.interrupted(outcome))
        return interrupted_by(outcome.plan.model.interrupt_signal)
    return gate(settings.min_accuracy, outcome.report, outcome.part)
