"""Train a classifier on a folder with one sub-folder of images per class (or on a .csv table with
the columns path and label), and write everything about it to a run directory."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import errno
import math
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from nncore.cli import augment, features, options, recipe, training_options
from nncore.cli.check import VAL, count_lines, val_fraction
from nncore.cli.failures import DONE, GATE_MISSED, INTERRUPTED, UsageError
from nncore.cli.inputs import BEST, load_labelled
from nncore.cli.output import (
    Output,
    count,
    printable,
    skipped_json,
    skipped_lines,
    write_error,
)
from nncore.layers.presets import HIDDEN

if TYPE_CHECKING:
    from nncore.data import ImageDataset
    from nncore.interop.onnx_features import Features
    from nncore.training.history import History
    from nncore.training.model import Sequential
    from nncore.training.report import Report
    from nncore.training.run_directory import RunDirectory

HELP = "train a classifier on a folder of images"
_MOST_NOTES = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_labelled(parser)
    model = parser.add_argument_group("model and training")
    recipe.add_arguments(model)
    model.add_argument(
        "--epochs",
        type=options.whole(1),
        metavar="N",
        help="how often to go through the training images (default: auto and resnet choose by "
        "their number, the others 30)",
    )
    model.add_argument(
        "--class-weight",
        choices=("balanced", "none"),
        help="balanced: each class counts the same in the training loss, however many images it "
        "has (default: auto and resnet choose by the balance, the others none)",
    )
    training_options.add_arguments(model)
    features.add_arguments(parser)
    augment.add_arguments(parser)
    data = parser.add_argument_group("images")
    options.add_size_and_color(data)
    data.add_argument(
        "--val",
        type=options.fraction,
        metavar="FRACTION",
        help="part for validation, which chooses the best epoch (default 0.15; less where that is "
        "more than 3,000 images)",
    )
    data.add_argument(
        "--test",
        type=options.fraction,
        default=0.0,
        metavar="FRACTION",
        help="part that training never sees, for an honest accuracy (default 0)",
    )
    data.add_argument(
        "--split",
        metavar="FILE|new",
        help="table with the columns path and split, such as the split.csv of a run; new: do not "
        "use the split that comes with the data (default: that one if there is one, from folders "
        "train, val and test or a column split; what it lacks is made)",
    )
    data.add_argument(
        "--classes",
        metavar="FILE",
        help="class map, .csv (Label,Description), .txt or .json (default: the folder's own "
        "classes.csv, or its sub-folders in sorted order)",
    )
    data.add_argument(
        "--normalize",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="scale inputs by the mean and deviation of the training pixels, which the model keeps "
        "(on by default)",
    )
    options.add_max_broken(data)
    options.add_max_pixels(data)
    options.add_cache(data)
    results = parser.add_argument_group("results")
    results.add_argument(
        "--output", default="runs", metavar="DIR", help="where runs are kept (default runs)"
    )
    results.add_argument(
        "--name",
        type=options.run_name,
        metavar="NAME",
        help="name of this run's folder (default: the first free of run-1, run-2, ...)",
    )
    results.add_argument(
        "--overwrite", action="store_true", help="replace an older run of the same name"
    )
    options.add_min_accuracy(results)


@dataclass(frozen=True)
class Outcome:
    """What one training led to. `report` is on the images of `part`; None where Ctrl-C came before
    the first epoch was finished, `chosen` for models without a recipe."""

    run: RunDirectory
    model: Sequential
    data: ImageDataset
    parts: dict[str, ImageDataset]
    split: str
    history: History
    part: str
    report: Report | None
    chosen: recipe.Chosen | None


def run(args: argparse.Namespace, out: Output) -> int:
    outcome = train(args, out)
    out.result(text(outcome, hints=not out.quiet), as_json(outcome))
    if outcome.model.interrupted:
        write_error(_interrupted(outcome))
        return INTERRUPTED
    return gate(args.min_accuracy, outcome.report, outcome.part)


def gate(min_accuracy: float | None, report: Report | None, part: str) -> int:
    """Exit code of --min-accuracy, after printing the line if it is missed."""
    if min_accuracy is None or report is None or report.accuracy >= min_accuracy:
        return DONE
    write_error(
        f"accuracy {report.accuracy:.4f} on the {part} images is below --min-accuracy "
        f"{min_accuracy:g}"
    )
    return GATE_MISSED


def train(args: argparse.Namespace, out: Output) -> Outcome:
    """Load, split, train, evaluate and write the run directory."""
    from nncore.data.normalization import with_normalization
    from nncore.training.callbacks import Callback
    from nncore.training.model import Sequential
    from nncore.training.run_directory import RunDirectory

    if args.model is None:
        args.model = recipe.DEFAULT_MODEL if args.features is None else features.DEFAULT_HEAD
    recipe.settle(args)
    _check(args)
    backbone = features.open_features(args)
    data = load_labelled(
        args.data,
        out,
        size=args.size if backbone is None else backbone.size,
        color=_color(args, backbone),
        classes=args.classes,
        max_broken=args.max_broken,
        max_pixels=args.max_pixels,
        cache=args.cache,
    )
    data = _with_split(args, data)
    if args.val is None:
        args.val = val_fraction(len(data))
    train_part, val, test = data.split(args.val, args.test, args.seed)
    if args.normalize and backbone is None:
        train_part = with_normalization(train_part)
    parts = {"train": train_part, "val": val, "test": test}
    part = "test" if len(test) else "validation" if len(val) else "training"
    chosen = recipe.choose(args, train_part, validated=len(val) > 0)
    training_options.check_warmup(args)
    shape = train_part.preprocessing.input_shape
    layers = recipe.layers_of(args, len(data.classes), shape)
    model = Sequential(layers, name=args.model, features=backbone)
    model.build(shape, args.seed)
    _say_found(args, out, data, parts, model, chosen)
    if backbone is not None:
        features.compute(backbone, data, out)
        run = backbone.images_run
        out.say(
            f"features of {count(run, 'image')} computed; of {len(data) - run:,} they were known, "
            "from an earlier run or a copy"
        )
    changes = augment.augmentation(args)
    if args.test and "test" in (data.given_split or ()):
        out.warn("--test is not used: the split that is given has test images")

    try:
        directory = RunDirectory.create(args.output, args.name, overwrite=args.overwrite)
    except OSError as error:
        _explain(error)
    directory.write_data(data.classes, parts, data.skipped)
    if backbone is not None:
        directory.keep_features(backbone.path)
    if changes is not None:
        directory.write_augmented(train_part.images, changes, args.seed)
        out.say(f"augmentation: {printable(str(directory.file('augmented.png')))} shows it")

    class WriteConfig(Callback):
        """Once `fit` has settled the optimizer, and before any training."""

        def on_train_begin(self) -> None:
            directory.write_config(_config(args, data, parts, part, model, chosen))
            for line in _class_weight_lines(model):
                out.say(line)

    iterations = math.ceil(len(train_part) / args.batch_size)
    history = model.fit(
        train_part,
        validation_data=val if len(val) else None,
        epochs=args.epochs,
        batch_size=args.batch_size,
        loss=args.loss,
        optimizer=training_options.optimizer_of(args, model, iterations),
        seed=args.seed,
        label_smoothing=args.label_smoothing or 0.0,
        verbose=out.verbose,
        callbacks=[
            WriteConfig(),
            directory.checkpoints(),
            *training_options.callbacks_of(args),
        ],
        restore_best_weights=True,
        augmentation=changes,
        class_weight=None if args.class_weight == "none" else args.class_weight,
    )
    directory.write_history(history)
    report = None
    if len(history):
        measured = {"test": test, "validation": val, "training": train_part}[part]
        report = model.evaluate(measured)
        directory.write_report(report, measured.images)
    source = split_source(args, data)
    return Outcome(directory, model, data, parts, source, history, part, report, chosen)


def _check(args: argparse.Namespace) -> None:
    """What is known to be wrong before minutes are spent on reading images."""
    training_options.check(args)
    features.check(args)
    val = VAL if args.val is None else args.val
    if val + args.test >= 1:
        raise UsageError(f"--val {val:g} and --test {args.test:g} leave nothing for training")
    if args.name is not None and not args.overwrite:
        folder = Path(args.output) / args.name
        if folder.is_dir() and any(folder.iterdir()):
            _explain(FileExistsError(errno.EEXIST, "", str(folder)))


def _color(args: argparse.Namespace, backbone: Features | None) -> str | None:
    if backbone is not None:
        return backbone.data_color
    return None if args.color == "auto" else str(args.color)


def _with_split(args: argparse.Namespace, data: ImageDataset) -> ImageDataset:
    """The data with the split that --split asks for."""
    if args.split == "new":
        return dataclasses.replace(data, given_split=None)
    return data if args.split is None else data.with_split(args.split)


def split_source(args: argparse.Namespace, data: ImageDataset) -> str:
    """Where the parts come from, in words."""
    made = f"made with seed {args.seed}"
    if data.given_split is None:
        return made
    given = "came with the data" if args.split is None else f"from {args.split}"
    missing = [
        name
        for name, wanted in (("val", args.val), ("test", args.test))
        if wanted and name not in data.given_split
    ]
    return f"{given}; {' and '.join(missing)} {made} from train" if missing else given


def _explain(error: OSError) -> NoReturn:
    """Raise `error` again with the flags that help."""
    if isinstance(error, FileExistsError) and os.path.isdir(error.filename):
        reason = "this run folder is not empty; choose another --name, or replace it by --overwrite"
    else:
        reason = f"{error.strerror}; choose another place by --output"
    raise type(error)(error.errno, reason, error.filename) from None


def _say_found(
    args: argparse.Namespace,
    out: Output,
    data: ImageDataset,
    parts: dict[str, ImageDataset],
    model: Sequential,
    chosen: recipe.Chosen | None,
) -> None:
    height, width, _ = data.preprocessing.input_shape
    out.say(
        f"{printable(args.data)}: {count(len(data), 'image')} in "
        f"{count(len(data.classes), 'class')}, read as {height}x{width} {data.preprocessing.color}"
    )
    by_part = {name: part.counts for name, part in parts.items() if len(part)}
    if len(by_part) == 1:  # all are for training
        by_part = {}
    for line in [*count_lines(data.counts, by_part), *skipped_lines(data.skipped)]:
        out.say(line)
    out.warn_of_skipped([file for file in data.skipped if file.kind != "hidden"])
    sizes = [f"{len(part):,} {name}" for name, part in parts.items() if len(part)]
    out.say(f"split ({printable(split_source(args, data))}): {', '.join(sizes)}")
    notes = parts["train"].split_notes
    for note in notes[:_MOST_NOTES]:
        out.warn(note)
    if len(notes) > _MOST_NOTES:
        out.warn(f"{len(notes) - _MOST_NOTES} more notes like these on the split")
    layers = " -> ".join(
        "x".join(map(str, view.output_shape)) for view in model.layers if view.parameter_names
    )
    if model.features is not None:
        layers = f"{model.features.count} frozen features -> {layers}"
        for line in features.lines(model.features.to_dict(), model.features.guessed):
            out.say(line)
    out.say(
        f"model {args.model}: {height}x{width}x{data.preprocessing.channels} -> {layers} "
        f"({model.parameter_count:,} parameters); loss {args.loss}"
    )
    if chosen is not None:
        recipe.say(args, chosen, out)
    out.say()


def _class_weight_lines(model: Sequential) -> list[str]:
    weights = model.facts.class_weight if model.facts is not None else None
    if weights is None:
        return []
    shown = ", ".join(f"{printable(name)} {weight:.3g}" for name, weight in weights.items())
    return [
        f"class weights: {shown}",
        "  the training loss is weighted by them; validation and evaluation losses are not",
    ]


def _config(
    args: argparse.Namespace,
    data: ImageDataset,
    parts: dict[str, ImageDataset],
    part: str,
    model: Sequential,
    chosen: recipe.Chosen | None,
) -> dict[str, dict[str, Any]]:
    from nncore import info

    machine = info()
    assert model.optimizer is not None
    assert model.facts is not None
    facts = model.facts
    return {
        "run": {
            "command": args.command_line,
            "started": datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0),
            "nncore": machine["version"],
        },
        "data": {
            "source": os.path.abspath(args.data),
            "size": [data.preprocessing.height, data.preprocessing.width],
            "color": data.preprocessing.color,
            "normalize": args.normalize,
            "val": args.val,
            "test": args.test,
            "split": split_source(args, data),
            "images": len(data),
            "train_images": len(parts["train"]),
            "val_images": len(parts["val"]),
            "test_images": len(parts["test"]),
            "skipped_files": len(data.skipped),
        },
        "model": {
            "preset": args.model,
            "hidden": list(args.hidden or HIDDEN) if args.model == "mlp" else None,
            "width": args.width,
            "stem_pool": args.stem_pool,
            "parameters": model.parameter_count,
        },
        **({} if model.features is None else {"features": model.features.to_dict()}),
        **({} if chosen is None else {"recipe": dict(chosen.reasons)}),
        "training": {
            "epochs": args.epochs,
            "batch_size": args.batch_size,
            "loss": args.loss,
            **training_options.described(args, model.optimizer),
            "seed": args.seed,
            "class_weight": args.class_weight,
            "augment": args.augment,
        },
        **({} if facts.augmentation is None else {"augmentation": facts.augmentation}),
        **({} if facts.class_weight is None else {"class_weights": facts.class_weight}),
        "report": {"measured_on": part},
        # For the record: the results do not depend on these.
        "machine": {name: machine[name] for name in ("isa", "threads", "compiler")},
    }


def text(outcome: Outcome, hints: bool) -> str:
    """What a person is told at the end; `hints` adds the next commands to try."""
    history, path, report = outcome.history, outcome.run.path, outcome.report
    if report is None:
        return f"no epoch was finished; the weights so far are in {path / 'last.safetensors'}"
    low, high = report.accuracy_interval
    best = f"{history.best_epoch()} of {len(history)}"
    lines = [
        f"accuracy {report.accuracy:.2%} on {count(report.images, outcome.part + ' image')} "
        f"(95% interval {low:.2%} to {high:.2%})",
        f"  always answering the most frequent class would give {report.baseline_accuracy:.2%}",
        *{
            "test": [
                "  these images were kept out of training, and of the choice of the best epoch "
                f"({best})"
            ],
            "validation": [
                f"  these images also chose the best epoch ({best}), so this is slightly",
                "  optimistic; for an honest number keep some images apart by --test 0.15",
            ],
            "training": [
                f"  these images were trained on (best epoch: {best}), so this says nothing",
                "  about new ones; keep some apart by --val 0.15 or --test 0.15",
            ],
        }[outcome.part],
        f"model     {printable(str(path / BEST))}",
        f"curves    {printable(str(path / 'loss.png'))}, accuracy.png",
        f"mistakes  {printable(str(path / 'confusion.png'))}, mistakes.png, report.json",
    ]
    if hints:
        quoted = shlex.quote(str(path))
        lines += [
            "",
            "try next:",
            f"  nncore predict {quoted} IMAGE...     name what is on pictures",
            f"  nncore evaluate {quoted} FOLDER      measure it on other labelled images",
            f"  nncore info {quoted}                 what is in the model file",
        ]
    return "\n".join(lines)


def _interrupted(outcome: Outcome) -> str:
    epochs = count(len(outcome.history), "epoch")
    return f"interrupted after {epochs}; what was trained is saved in {outcome.run.path}"


def as_json(outcome: Outcome) -> dict[str, Any]:
    """What `nncore train --json` prints."""
    report, history = outcome.report, outcome.history
    result: dict[str, Any] = {
        "run": str(outcome.run.path),
        "model": str(outcome.run.path / BEST) if len(history) else None,
        "measured_on": outcome.part,
        "accuracy": None,
        "accuracy_interval": None,
        "loss": None,
        "loss_name": history.loss_name,
        "epochs": len(history),
        "best_epoch": history.best_epoch() if len(history) else None,
        "images": {name: len(part) for name, part in outcome.parts.items()},
        "split": outcome.split,
        "classes": list(outcome.data.classes.names),
        "counts": outcome.data.counts,
        "skipped": skipped_json(outcome.data.skipped),
        "interrupted": outcome.model.interrupted,
        "recipe": recipe.as_json(outcome.chosen),
    }
    if report is not None:
        facts = report.to_dict()
        result |= {name: facts[name] for name in ("accuracy", "accuracy_interval", "loss")}
    return result
