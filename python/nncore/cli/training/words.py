"""What `nncore train` tells: what it found, and what came of it."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from nncore.cli import feature_words
from nncore.cli.class_table import count_lines
from nncore.cli.inputs import BEST
from nncore.cli.output import Output, count, listed, printable, skipped_json, skipped_lines
from nncore.cli.quoting import quoted
from nncore.cli.training import recipe
from nncore.cli.training.measured import calibration_images, refits
from nncore.losses import SOFTMAX_LOSSES
from nncore.process.team import team_at_work

if TYPE_CHECKING:
    from nncore.cli.training.plan import Outcome, Plan
    from nncore.training.model import Sequential

_MOST_WEIGHTS = 20
_FITTED = {"stretch": "stretched", "crop": "cropped", "pad": "padded"}


def say_plan(plan: Plan, out: Output) -> None:
    """What is found in the images, and what is made of it."""
    settings, model, data = plan.settings, plan.model, plan.parts.whole
    height, width, _ = data.preprocessing.input_shape
    fit = data.preprocessing.fit
    # On a backbone it is chosen by the pictures; elsewhere they are stretched unless one asks.
    chosen = settings.network.on_backbone or fit != "stretch"
    out.say(
        f"{printable(settings.source)}: {count(len(data), 'image')} in "
        f"{count(len(data.classes), 'class')}, read as {height}x{width} {data.preprocessing.color}"
        + (f", {_FITTED[fit]} (--fit {fit})" if chosen else "")
    )
    by_part = {name: part.counts for name, part in plan.parts.by_name.items() if len(part)}
    if len(by_part) == 1:  # all are for training
        by_part = {}
    for line in [*count_lines(data.counts, by_part), *skipped_lines(data.skipped)]:
        out.say(line)
    out.warn_of_skipped(data.skipped)
    found = plan.corrections
    if found is not None:
        out.say(
            f"audit ({printable(str(settings.audit))}): {count(found.moved, 'image')} moved to "
            f"another class, {found.left_out:,} left out"
        )
    sizes = [f"{len(part):,} {name}" for name, part in plan.parts.by_name.items() if len(part)]
    out.say(f"split ({printable(plan.parts.source)}): {', '.join(sizes)}")
    notes = plan.parts.train.split_notes
    out.warn_all(notes)
    layers = " -> ".join(
        "x".join(map(str, view.output_shape)) for view in model.layers if view.parameter_names
    )
    if model.features is not None:
        layers = f"{model.features.count} frozen features -> {layers}"
        for line in feature_words.lines(
            model.features.to_dict(), model.features.guessed, model.features.known
        ):
            out.say(line)
    if settings.network.on_backbone:
        taught = "" if settings.network.on_onnx_file else ", trained on ImageNet"
        layers = f"{printable(str(settings.network.backbone))}{taught} -> {len(data.classes)}"
    whole = settings.network.in_words(model.features is not None)
    out.say(
        f"model {printable(whole)}: {height}x{width}x{data.preprocessing.channels} -> "
        f"{layers} ({model.parameter_count:,} parameters); loss {plan.training.loss}"
    )
    if plan.recipe is not None:
        named = f"--model {settings.network.model}"
        if settings.network.on_backbone:
            named = f"--backbone {settings.network.backbone}"
        recipe.say(named, plan.training, plan.recipe, out)
    for line in batch_lines(plan.training.batch_size):
        out.say(line)
    out.say()


def batch_lines(batch_size: int | None) -> list[str]:
    """What the batch is where several processes share it."""
    team = team_at_work()
    if team is None or batch_size is None:
        return []
    each = count(-(-batch_size // team.size), "image")
    return [
        f"batch size {batch_size}, of all {team.size} processes together: about {each} for each. "
        "The weights become",
        "  those of one process, so the learning rate stays; who gives each process as many images "
        "as one",
        "  had, by a larger --batch-size, has fewer steps per epoch and may need a higher rate",
    ]


def class_weight_lines(model: Sequential) -> list[str]:
    weights = model.facts.class_weight if model.facts is not None else None
    if weights is None:
        return []
    words = (f"{name} {weight:.3g}" for name, weight in weights.items())
    shown = listed(words, _MOST_WEIGHTS, "config.toml has all")
    return [
        f"class weights: {shown}",
        "  the training loss is weighted by them; validation and evaluation losses are not",
    ]


def text(outcome: Outcome, hints: bool) -> str:
    """What a person is told at the end; `hints` adds the next commands to try."""
    history, path, report = outcome.history, outcome.run.path, outcome.report
    if report is None:
        return f"no epoch was finished; the weights so far are in {path / 'last.safetensors'}"
    low, high = report.accuracy_interval
    best = f"{history.best_epoch()} of {len(history)}"
    if history.monitor == "val_accuracy":
        best += ", by the most right validation images"
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
        *_refit_lines(outcome),
        *_calibration_lines(outcome),
        f"model     {printable(str(path / BEST))}",
        f"report    {printable(str(path / 'report.html'))}",
        f"curves    {printable(str(path / 'loss.png'))}, accuracy.png"
        + (" (of the training before --refit)" if refits(outcome.plan) else ""),
        f"mistakes  {printable(str(path / 'confusion.png'))}, mistakes.png, report.json",
    ]
    if hints:
        folder = quoted(str(path))
        lines += [
            "",
            "try next:",
            f"  nncore predict {folder} IMAGE...     name what is on pictures",
            f"  nncore evaluate {folder} FOLDER      measure it on other labelled images",
            f"  nncore info {folder}                 what is in the model file",
        ]
    return "\n".join(lines)


def _calibration_lines(outcome: Outcome) -> list[str]:
    found = outcome.calibration
    if found is None:
        if outcome.plan.training.loss not in SOFTMAX_LOSSES:
            return []
        on_backbone = outcome.plan.settings.network.on_backbone
        kind = "image" if on_backbone else "validation image"
        few = count(calibration_images(outcome.plan), kind)
        return [f"  probabilities are not calibrated: {few} say too little about them"]
    model = outcome.plan.model
    told = f"temperature {found.temperature:g},"
    whole = [f"  probabilities are calibrated on {count(found.images, 'validation image')}: {told}"]
    if found.folds:
        whole = [
            f"  probabilities are calibrated on all {count(found.images, 'image')}, each answered "
            "by one of",
            f"  {found.folds} heads, which had not learned from it: {told}",
        ]
    after = f"  calibration error {found.error_before:.3f} before and {found.error_after:.3f} after"
    if found.error_after > found.error_before:
        after += ", to be on the safe side: as if one image more had been wrong"
    return [
        *whole,
        after,
        f"  predict --coverage P gives sets of classes, up to {_floor(model.largest_coverage)}",
        "  and pictures that may be none of them are marked (as is 1 in 20 that is one)"
        if model.unknown is not None
        else "  but pictures that are none of them cannot be told: too few of a class, or no Dense "
        "layer at the end",
    ]


def _floor(share: float | None) -> str:
    """A share that is not rounded to one that was not reached, such as 0.99."""
    return "" if share is None else f"{math.floor(share * 1000) / 1000:g}"


def _refit_lines(outcome: Outcome) -> list[str]:
    if not refits(outcome.plan):
        return []
    validation = outcome.part == "validation"
    measured = "this accuracy and the curves are" if validation else "the curves are"
    return [
        "  the last layer of the model that is kept was trained once more in the end, on the "
        "validation",
        f"  images as well (--refit); {measured} of the training before; --no-refit leaves it out",
    ]


def interrupted(outcome: Outcome) -> str:
    epochs = count(len(outcome.history), "epoch")
    path = outcome.run.path
    return (
        f"interrupted after {epochs}; what was trained is saved in {path}, and nncore train "
        f"--resume {quoted(str(path))} goes on"
    )


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
        "images": {name: len(part) for name, part in outcome.plan.parts.by_name.items()},
        "split": outcome.plan.parts.source,
        "classes": list(outcome.plan.parts.whole.classes.names),
        "counts": outcome.plan.parts.whole.counts,
        "skipped": skipped_json(outcome.plan.parts.whole.skipped),
        "interrupted": outcome.plan.model.interrupted,
        "calibration": None
        if outcome.calibration is None
        else {
            **dataclasses.asdict(outcome.calibration),
            "largest_coverage": outcome.plan.model.largest_coverage,
            "unknown": outcome.plan.model.unknown,
        },
        "recipe": recipe.as_json(outcome.plan.recipe),
    }
    if report is not None:
        facts = report.to_dict()
        result |= {name: facts[name] for name in ("accuracy", "accuracy_interval", "loss")}
    return result
