"""What became of a list of files."""

from __future__ import annotations

from dataclasses import dataclass, field

from nncore.data.mapped import Pixels
from nncore.data.preprocessing import Preprocessing
from nncore.data.skipped import SkippedFile


@dataclass(frozen=True)
class Loaded:
    """Images (M, H, W, C) of the files at positions `kept`, and for each of them a digest of the
    file's bytes and one of the image's pixels. `notes`: what could not be done as asked."""

    images: Pixels
    kept: list[int]
    skipped: list[SkippedFile]
    preprocessing: Preprocessing
    digests: list[bytes]
    pixel_digests: list[bytes]
    notes: list[str] = field(default_factory=list)
