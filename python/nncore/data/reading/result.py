"""What became of a list of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nncore.data.mapped import Pixels
from nncore.data.preprocessing import Preprocessing
from nncore.data.skipped import SkippedFile, in_words
from nncore.errors import DataError


@dataclass(frozen=True)
class ReadResult:
    """Images (M, H, W, C) of the files at positions `kept`, and for each of them a digest of the
    file's bytes and one of the image's pixels. `notes`: what could not be done as asked."""

    images: Pixels
    kept: list[int]
    skipped: list[SkippedFile]
    preprocessing: Preprocessing
    digests: list[bytes]
    pixel_digests: list[bytes]
    notes: list[str] = field(default_factory=list)


def no_usable(where: str, classes: Sequence[str], skipped: Sequence[SkippedFile]) -> str:
    """The message where classes have no image: with the files that might have been some."""
    found = [file for file in skipped if file.kind != "hidden"] or list(skipped)
    reasons = f": {in_words(found)}" if found else ""
    return (
        f"{where}: no usable image in class {', '.join(classes)}{reasons}; add images or remove "
        "the class"
    )


def check_broken(where: str, kept: int, skipped: Sequence[SkippedFile], max_broken: float) -> None:
    """DataError if more than the fraction `max_broken` of the image files is broken."""
    broken = [file for file in skipped if file.kind == "broken"]
    total = kept + len(broken)
    if len(broken) > max_broken * total:
        raise DataError(
            f"{where}: {len(broken)} of {total} image files are broken, more than "
            f"max_broken={max_broken:g} allows: {in_words(broken)}. "
            "Repair or remove them, or raise max_broken (--max-broken)"
        )
