"""Images to measure on that a run has learned from: what it says of them is no news."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nncore.cli.output import count

if TYPE_CHECKING:
    from nncore.data import ImageDataset

# Parts of a run's images by what they did for the model.
_TRAINED, _CHOSE = "train", "val"


@dataclass(frozen=True)
class Seen:
    """How many of the images had a part in making the model, by their part of its run's images;
    whether the run has images of its own that had none."""

    parts: dict[str, int]
    has_test: bool

    def warning(self, images: int, run: str) -> str | None:
        """For people; None where the model has seen none of so many `images`."""
        if not self.parts:
            return None
        kinds = {_TRAINED: "were trained on", _CHOSE: "chose the epoch that was kept"}
        told = " and ".join(f"{number:,} {kinds[part]}" for part, number in self.parts.items())
        better = (
            f"--split {run}/split.csv measures on those that were set apart"
            if self.has_test
            else "measure on others, or train with --test 0.15, which sets some apart"
        )
        return f"of {count(images, 'image')} {told}: expect less on new ones; {better}"


def seen_before(data: ImageDataset, model_file: str) -> Seen:
    """Which of the images the model's run had for training and validation.

    Told by the contents of the files, wherever they are now; by the record that stands beside the
    model's file. Without one nothing is known: no image is counted.

    Parameters
    ----------
    data
        What is measured on.
    model_file
        The model's file, in the folder of its run.
    """
    from nncore.errors import DataError
    from nncore.training.run_directory import RunDirectory

    run = RunDirectory(Path(model_file).parent)
    if data.digests is None or not run.file("resume.json").is_file():
        return Seen({}, False)
    try:
        parts = {digest: part for part, _, digest, _ in run.read_resume()["images"]}
    except (DataError, KeyError, TypeError, ValueError):
        return Seen({}, False)  # whoever goes on with the training is told that it is damaged
    found = Counter(parts.get(digest.hex()) for digest in data.digests)
    seen = {part: found[part] for part in (_TRAINED, _CHOSE) if found[part]}
    return Seen(seen, "test" in parts.values())
