"""The flags of frozen features, and what is told about them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nncore.cli import augment, options
from nncore.cli.failures import UsageError
from nncore.cli.output import Output, count, printable

if TYPE_CHECKING:
    from nncore.data import ImageDataset
    from nncore.interop.onnx_features import Features

# Models whose first layer takes rows of numbers.
HEADS = ("linear", "mlp")
DEFAULT_HEAD = "linear"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `nncore train`."""
    group = parser.add_argument_group(
        "frozen features: a pretrained network looks at the pictures, and a small model on what it "
        'sees is trained (needs pip install "nncore[onnx]")'
    )
    group.add_argument(
        "--features",
        metavar="ONNX",
        help="a network for images, as .onnx file; --model is then linear (default) or mlp",
    )
    group.add_argument(
        "--features-output",
        metavar="NAME",
        help="tensor to take, an output of the network or any inner one (default: its last output)",
    )
    group.add_argument(
        "--features-mean",
        type=options.numbers,
        metavar="NUMBERS",
        help="subtracted from its pixels, where 255 is 1.0: one number, or one per channel such as "
        "0.485,0.456,0.406 (default: those of ImageNet for NCHW networks with three channels, "
        "else 0)",
    )
    group.add_argument(
        "--features-std",
        type=options.numbers,
        metavar="NUMBERS",
        help="what its pixels are then divided by (default as for the mean, or 1)",
    )
    group.add_argument(
        "--features-layout",
        choices=("nchw", "nhwc"),
        help="order of its input's axes (default: what their lengths say)",
    )
    group.add_argument(
        "--features-color",
        choices=("rgb", "bgr", "gray"),
        help="order of its channels (default rgb, or gray for one channel)",
    )


def add_place(parser: argparse.ArgumentParser) -> None:
    """The flag of the verbs that use a model."""
    parser.add_argument(
        "--features",
        metavar="ONNX",
        help="where the network of a model on frozen features is (default: beside the model)",
    )


def check(args: argparse.Namespace) -> None:
    """What is known to be wrong before any work; UsageError."""
    if args.features is None:
        for name in ("output", "mean", "std", "layout", "color"):
            if getattr(args, f"features_{name}") is not None:
                raise UsageError(f"--features-{name} needs --features")
        return
    if args.model not in HEADS:
        raise UsageError(
            f"--model {args.model} looks at pixels; on --features it is {' or '.join(HEADS)}"
        )
    if args.color != "auto":
        raise UsageError("--color is what the network of --features takes; see --features-color")
    if augment.augmentation(args) is not None:
        raise UsageError(
            "augmentation is not for --features: they are computed once per picture and kept, and "
            "changed pictures would have to pass the network in each epoch; leave it out"
        )


def open_features(args: argparse.Namespace) -> Features | None:
    """The network that --features names, with its settings; None without."""
    if args.features is None:
        return None
    from nncore.interop.onnx_features import Features

    layout = args.features_layout
    return Features(
        args.features,
        args.features_output,
        args.features_mean,
        args.features_std,
        None if layout is None else layout.upper(),
        args.features_color,
        args.size,
        cache=args.cache,
    )


def compute(features: Features, data: ImageDataset, out: Output) -> None:
    """Run the network on the images that it has not seen yet, with a progress bar."""
    with out.progress("frozen features") as progress:
        features.extract(data.images, data.pixel_digests, progress=progress)
    for note in features.notes:
        out.warn(note)


def _short(values: Sequence[float]) -> str:
    """Numbers per channel, or the one that they all are."""
    shown = [f"{value:.4g}" for value in values]
    return shown[0] if len(set(shown)) == 1 else f"({', '.join(shown)})"


def lines(record: dict[str, Any], guessed: tuple[str, ...] = ()) -> list[str]:
    """What a person is told about features: their network, and how it is given pictures."""
    height, width = record["size"]
    told = (
        f"pictures for it: {height}x{width} {record['color']}, {record['layout']} {record['dtype']}"
    )
    if record["mean"] is not None:
        mean, std = (_short(record[name]) for name in ("mean", "std"))
        told += f"; (x / 255 - {mean}) / {std}"
    found = [
        f"frozen features: {printable(record['file'])}, {printable(record['output'])!r}, "
        f"{count(record['count'], 'number')} per image",
        f"  {told}",
    ]
    if guessed:
        flags = [f"--features-{name}" if name != "size" else "--size" for name in guessed]
        found.append(f"  guessed: {', '.join(guessed)}; if that is wrong: {', '.join(flags)}")
    return found
