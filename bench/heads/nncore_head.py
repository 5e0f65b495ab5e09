"""nncore: a folder, a backbone, `fit`; without a cache."""

from __future__ import annotations

from pathlib import Path

import nncore as nn
from heads import BATCH, EPOCHS, RATE


def run(folder: Path, task: Path, threads: int) -> tuple[int, float]:
    data = nn.ImageDataset.from_folder(folder, size=224, color="rgb", fit="crop")
    model = nn.backbone("efficientnet-lite0", len(data.classes))
    history = model.fit(data, epochs=EPOCHS, batch_size=BATCH, optimizer=nn.Adam(RATE), verbose=0)
    return len(data), float(history.history["accuracy"][-1])
