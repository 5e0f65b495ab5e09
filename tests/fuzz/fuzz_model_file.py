"""Any bytes as a model file, and as the description in one that is whole: refused by its name, or
read.

    PYTHONPATH=tests python tests/fuzz/fuzz_model_file.py -max_total_time=600 -timeout=2 \
        -rss_limit_mb=600 build/found tests/fuzz/corpus/model_file
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

from fuzz.under_atheris import fuzz

# Two layers of the corpus' descriptions have such tensors.
SHAPES = {"hidden/bias": [2], "hidden/kernel": [4, 2], "dense/bias": [2], "dense/kernel": [2, 2]}


def around(description: bytes) -> bytes:
    """A file with this description, and right digests where it is one that has a place for them."""
    from nncore.training.model_digests import sealed

    entries, end = {}, 0
    for name, shape in SHAPES.items():
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = description.decode("utf-8", "replace")
    header = json.dumps({"__metadata__": {"nncore": text}} | entries, separators=(",", ":"))
    whole = len(header).to_bytes(8, "little") + header.encode() + bytes(end)
    try:
        return sealed(whole)
    except (AssertionError, ValueError):
        return whole


def make_target(folder: Path) -> Callable[[bytes], int]:
    from nncore.errors import ModelFileError
    from nncore.training.model_file import load_to_show
    from nncore.training.model_outline import read_outline

    path = folder / "model.safetensors"

    def target(data: bytes) -> int:
        """How many of its readings gave a model."""
        warnings.simplefilter("ignore")
        models = 0
        for whole in (data, around(data)):
            path.write_bytes(whole)
            for read in (read_outline, load_to_show):
                try:
                    read(path)
                    models += 1
                except ModelFileError as error:
                    if str(path) not in str(error):
                        raise
        return models

    return target


if __name__ == "__main__":
    fuzz(make_target)
