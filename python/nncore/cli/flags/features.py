"""The flags of frozen features."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nncore.cli.failures import UsageError
from nncore.cli.flags import values
from nncore.cli.models import HEADS, Network

if TYPE_CHECKING:
    from nncore.data import Reading
    from nncore.interop.onnx_features import Features
    from nncore.training.settings import TrainingSettings


@dataclass(frozen=True)
class FeatureSettings:
    """A network for images, and how it is given them; None for what it says itself."""

    file: str
    output: str | None = None
    mean: float | tuple[float, ...] | None = None
    std: float | tuple[float, ...] | None = None
    layout: str | None = None
    color: str | None = None

    def open(self, reading: Reading) -> Features:
        """The network, for pictures of the size that is asked for."""
        from nncore.interop.onnx_features import Features

        return Features(
            self.file,
            self.output,
            self.mean,
            self.std,
            None if self.layout is None else self.layout.upper(),
            self.color,
            reading.size,
            cache=reading.cache,
        )


def add_features(parser: argparse.ArgumentParser) -> None:
    """The flags of `nncore train`."""
    group = parser.add_argument_group(
        "frozen features: a pretrained network looks at the pictures, and a small model on what it "
        "sees is trained (extra [onnx])"
    )
    group.add_argument(
        "--features",
        type=values.path,
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
        type=values.numbers,
        metavar="NUMBERS",
        help="subtracted from its pixels, where 255 is 1.0: one number, or one per channel such as "
        "0.485,0.456,0.406; also for --backbone FILE.onnx (default: what the graph tells, else "
        "those of ImageNet for NCHW networks with three channels, else 0)",
    )
    group.add_argument(
        "--features-std",
        type=values.numbers,
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
        type=values.path,
        metavar="ONNX",
        help="where the network of a model on frozen features is (default: beside the model)",
    )


def features_of(args: argparse.Namespace, on_onnx_file: bool = False) -> FeatureSettings | None:
    """What the flags of `nncore train` say; None without --features.

    Mean and deviation may be those of a backbone in an ONNX file.
    """
    names = ("output", "mean", "std", "layout", "color")
    given = {name: getattr(args, f"features_{name}") for name in names}
    if args.features is not None:
        return FeatureSettings(args.features, **given)
    for name, value in given.items():
        if value is not None and not (on_onnx_file and name in ("mean", "std")):
            raise UsageError(f"--features-{name} needs --features")
    return None


def check(network: Network, reading: Reading, training: TrainingSettings) -> None:
    """What is known to be wrong with a training on features before any work; UsageError."""
    if network.model not in HEADS:
        raise UsageError(
            f"--model {network.model} looks at pixels; on --features it is {' or '.join(HEADS)}"
        )
    if reading.color is not None:
        raise UsageError("--color is what the network of --features takes; see --features-color")
    if training.augmentation is not None:
        raise UsageError(
            "augmentation is not for --features: they are computed once per picture and kept, and "
            "changed pictures would have to pass the network in each epoch; leave it out"
        )
