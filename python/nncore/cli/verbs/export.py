"""Write a model as a file for other tools, by --format or by the ending of --output:

  onnx         for ONNX Runtime, browsers, phones: from uint8 pictures of the model's size to
               probabilities, with everything between inside
  c            NAME.c and NAME.h: C99 for microcontrollers and everything else, no heap, no library
               but libm
  npz, safetensors
               the weights alone, named and shaped as --framework says

docs/export.md has examples of each."""

from __future__ import annotations

import argparse
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nncore.cli.failures import DONE
from nncore.cli.flags import common, values
from nncore.cli.inputs import open_any_model
from nncore.cli.output import Output, printable
from nncore.files.writable import check_file

if TYPE_CHECKING:
    from nncore.interop.export.exported import Exported, Target

HELP = "write a model for other tools: ONNX, C, weights"
EXAMPLES = (
    ("nncore export runs/run-1 --output net.onnx", "for ONNX Runtime and all that reads ONNX"),
    ("nncore export runs/run-1 --output net.c", "C99 for a microcontroller, net.c and net.h"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_model(parser)
    parser.add_argument(
        "--output", type=values.path, metavar="FILE", required=True, help="the file to write"
    )
    parser.add_argument(
        "--format",
        choices=("onnx", "c", "npz", "safetensors"),
        help="default: what the ending of --output says",
    )
    parser.add_argument(
        "--input",
        choices=("uint8", "float32"),
        default="uint8",
        help="what the exported network takes: pictures' bytes (default), or floats as they are",
    )
    parser.add_argument(
        "--framework",
        choices=("nncore", "keras", "torch"),
        default="nncore",
        help="names and shapes of weights (default nncore)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")


@dataclass(frozen=True)
class Settings:
    """The model to write, and where and how."""

    model: str
    target: Target
    overwrite: bool


def settings(args: argparse.Namespace) -> Settings:
    from nncore.interop.export.exported import Target

    target = Target.checked(args.output, args.format, args.input, args.framework)
    return Settings(args.model, target, args.overwrite)


def run(settings: Settings, out: Output) -> int:
    target = settings.target
    for file in target.files:
        check_file(file)
        if file.exists() and not settings.overwrite:
            reason = "is there already; choose another --output, or replace it by --overwrite"
            raise FileExistsError(errno.EEXIST, reason, str(file))
    model = open_any_model(settings.model)
    made = model.export(target.path, target.format, input=target.dtype, framework=target.framework)
    out.result(_text(made), _as_json(made))
    return DONE


def _as_json(made: Exported) -> dict[str, Any]:
    """What `nncore export --json` prints."""
    sizes = ("weight_bytes", "buffer_bytes", "multiply_adds")
    found = {name: getattr(made, name) for name in sizes}
    return {
        "files": [str(file) for file in made.files],
        "format": made.format,
        **{name: size for name, size in found.items() if size is not None},
    }


def _text(made: Exported) -> str:
    lines = [printable(str(file)) for file in made.files]
    if made.weight_bytes is not None:
        lines.append(
            f"weights {made.weight_bytes:,} bytes, buffer {made.buffer_bytes:,} bytes, "
            f"{made.multiply_adds:,} multiply-adds per image"
        )
    return "\n".join(lines)
