"""Frozen features: their computation with a progress bar, and what is told about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nncore.cli.output import Output, count, printable

if TYPE_CHECKING:
    from nncore.data import ImageDataset
    from nncore.interop.onnx_features import Features


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


def lines(
    record: dict[str, Any], guessed: tuple[str, ...] = (), known: str | None = None
) -> list[str]:
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
    if "mean" in guessed:
        found.append(
            "  the file does not say which mean and deviation it was trained with: ImageNet's are "
            "usual with PyTorch, 0.5 and 0.5 with TensorFlow; wrong ones cost much of the accuracy"
        )
    if known is not None:
        found.append(f"  mean and deviation are known: {known}")
    return found
