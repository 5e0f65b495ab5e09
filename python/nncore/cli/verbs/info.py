"""Without an argument: what is installed (version, instruction set, threads, packages) and on which
machine; --json is what a report of a bug should have. With a
model: its layers, classes, preprocessing and training facts."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nncore.cli import feature_words
from nncore.cli.failures import DONE, UsageError
from nncore.cli.flags import values
from nncore.cli.inputs import open_outline
from nncore.cli.models import BACKBONES, DEFAULT_HEAD, DEFAULT_MODEL, in_words
from nncore.cli.output import Output, listed, printable

if TYPE_CHECKING:
    from nncore.training.model_outline import ModelOutline

_MOST_CLASSES = 50
HELP = "what is installed, or what is in a model file"
EXAMPLES = (
    ("nncore info", "what is installed; --json for reports of bugs"),
    ("nncore info runs/run-1", "layers, classes, preprocessing, training"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        type=values.path,
        metavar="MODEL",
        nargs="?",
        help="a .safetensors file, or a run directory",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="read and check the whole file, not its header alone",
    )


@dataclass(frozen=True)
class Settings:
    """The model to show; None for what is installed. Whether all of its file is to be checked."""

    model: str | None
    verify: bool = False


def settings(args: argparse.Namespace) -> Settings:
    if args.verify and args.model is None:
        raise UsageError("--verify needs the model file that is to be checked")
    return Settings(args.model, args.verify)


def run(settings: Settings, out: Output) -> int:
    if settings.model is None:
        from nncore.process.runtime import environment, info

        data = {**info(), **environment()}
        text = _pairs({name: _shown(value) for name, value in data.items()})
    else:
        model, file = open_outline(settings.model, settings.verify)
        data = as_json(model, file)
        text = _text(model, data, settings.verify)
    out.result(text, data)
    return DONE


def as_json(model: ModelOutline, file: str) -> dict[str, Any]:
    """What `nncore info MODEL --json` prints."""
    return {
        "path": file,
        "name": model.name,
        "input_shape": list(model.input_shape),
        "parameters": model.parameter_count,
        "layers": [
            {
                **layer.description.to_dict(),
                "name": layer.name,
                "output_shape": list(layer.output_shape),
            }
            for layer in model.layers
        ],
        "classes": model.classes,
        "preprocessing": model.preprocessing,
        "features": model.features_record,
        "loss": model.loss,
        "temperature": model.temperature,
        "largest_coverage": model.largest_coverage,
        "unknown": model.unknown,
        "optimizer": model.optimizer,
        "training": model.training,
        "keeps": model.keeps,
        "digests": model.sealed,
    }


def _text(model: ModelOutline, data: dict[str, Any], verified: bool) -> str:
    lines = [printable(data["path"]), "", model.table, ""]
    classes = data["classes"] or []
    numbered = (f"{label} {name}" for label, name in enumerate(classes))
    named = listed(numbered, _MOST_CLASSES, "--json lists all")
    facts = {"model": _kind(model), "classes": named or "not named"}
    if data["preprocessing"] is not None:
        prepared = data["preprocessing"]
        facts["images"] = (
            f"{prepared['height']}x{prepared['width']} {prepared['color']}, "
            f"{prepared['resize']}, {prepared['fit']}"
        )
    if data["features"] is not None:
        first, *others = (line.strip() for line in feature_words.lines(data["features"]))
        facts["features"] = "; ".join([first.partition(": ")[2], *others])
    if data["loss"] is not None:
        facts["loss"] = data["loss"]
    if data["largest_coverage"] is not None or data["temperature"] != 1.0:
        facts["calibrated"] = f"temperature {data['temperature']:g}"
    if data["largest_coverage"] is not None:
        facts["calibrated"] += f", prediction sets up to coverage {data['largest_coverage']:.4g}"
    if data["unknown"] is not None:
        known = data["unknown"]
        facts["unknown"] = (
            f"pictures unlike {known['images']:,} known ones are told, with "
            f"{known['false_alarms']:.0%} false alarms"
        )
    if data["optimizer"] is not None:
        facts["optimizer"] = _call(data["optimizer"])
    if data["training"] is not None:
        training = data["training"]
        facts["trained"] = (
            f"{training['epochs']} epochs on {training['images']:,} images, "
            f"batch size {training['batch_size']}, seed {training['seed']}"
        )
        if training["augmentation"] is not None:
            changes = {name: value for name, value in training["augmentation"].items() if value}
            facts["augmented"] = ", ".join(f"{name} {value}" for name, value in changes.items())
        if training["class_weight"] is not None:
            weights = (f"{name} {w:.3g}" for name, w in training["class_weight"].items())
            facts["weighted"] = listed(weights, _MOST_CLASSES, "--json lists all")
        facts["then"] = ", ".join(f"{k} {v:.4f}" for k, v in training["metrics"].items())
    facts["keeps"] = " and ".join(["the weights", *(_KEPT[name] for name in model.keeps)])
    whole = "header and weights" if verified else "header (--verify checks the weights, too)"
    facts["checked"] = whole if model.sealed else "no: the file is older than digests"
    return "\n".join([*lines, _pairs({name: value for name, value in facts.items() if value})])


def _kind(model: ModelOutline) -> str:
    """The name of the network, and what is on top of one that was trained by others; empty where
    the name says nothing."""
    if model.features_record is not None:
        return printable(in_words(model.name, "frozen features"))
    if model.name in BACKBONES:
        return in_words(DEFAULT_HEAD, model.name)
    return "" if model.name == DEFAULT_MODEL else printable(model.name)


_KEPT = {
    "optimizer": "the optimizer's state (fit goes on as if it had never stopped)",
    "history": "the history",
}


def _call(record: dict[str, Any]) -> str:
    """`SGD(learning_rate=0.1)`, from what `to_dict` gave; a schedule in it likewise."""
    values = {name: value for name, value in record.items() if name != "type" and value is not None}
    shown = ", ".join(f"{name}={_value(value)}" for name, value in values.items())
    return f"{record['type']}({shown})"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return _call(value)
    return str(value) if isinstance(value, bool) else f"{value:g}"


def _pairs(values: dict[str, str]) -> str:
    width = max(map(len, values))
    return "\n".join(f"{name:{width}}  {value}" for name, value in values.items())


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        there = (f"{name} {version}" for name, version in value.items() if version is not None)
        return ", ".join(there) or "not known"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "no" if value is None else str(value)
