"""nncore: `ImageDataset.from_folder` with a cache; writing and syncing it is in the first time.

Every pixel is copied out of the map batch by batch, as the others hand out batches.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import nncore as nn
from readers.base import BATCH
from readers.base import Reader as Base


class Reader(Base):
    def forget(self) -> None:
        shutil.rmtree(self.task.cache, ignore_errors=True)

    def batches(self) -> Iterator[NDArray[np.generic]]:
        task = self.task
        data = nn.ImageDataset.from_folder(
            task.folder, size=task.side, color=task.color, cache=task.cache
        )
        for start in range(0, len(data), BATCH):
            yield np.array(data.images[start : start + BATCH])

    def versions(self) -> dict[str, str]:
        import PIL

        return {"version": str(nn.info()["version"]), "pillow": PIL.__version__}
