"""Where a report comes from, of what every verb knows."""

from __future__ import annotations

import datetime
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nncore.data import ImageDataset
    from nncore.data.skipped import SkippedFile
    from nncore.report.provenance import Provenance

_MOST_SKIPPED = 200


def provenance(
    command: str,
    source: str,
    part: str,
    measured: ImageDataset,
    seconds: Mapping[str, float],
    skipped: Sequence[SkippedFile],
) -> Provenance:
    """Of what is done now: `command` on `source`, measured on the images of `part`."""
    from nncore import _core
    from nncore.report.provenance import Provenance

    return Provenance(
        command=command,
        folder=os.getcwd(),
        source=os.path.abspath(source),
        part=part,
        preprocessing=measured.preprocessing.to_dict(),
        nncore=_core.__version__,
        finished=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        seconds=dict(seconds),
        skipped_kinds=dict(Counter(file.kind for file in skipped)),
        skipped_first=tuple(
            (file.path, file.kind, file.reason) for file in skipped[:_MOST_SKIPPED]
        ),
    )
