"""The targets for Atheris, without it: the files of their corpora, cut off anywhere and changed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from fuzz import fuzz_model_file, fuzz_table

pytestmark = pytest.mark.every_isa

CORPUS = Path(__file__).parent / "corpus"
CALLS = int(os.environ.get("NNCORE_TEST_CALLS", "300"))
SEED = int(os.environ.get("NNCORE_TEST_SEED", "0"))


@pytest.mark.parametrize(
    ("name", "make_target", "best"),
    [("model_file", fuzz_model_file.make_target, 2), ("table", fuzz_table.make_target, 1)],
)
def test_a_corpus_and_changes_of_it_do_no_harm(tmp_path, name, make_target, best):
    target = make_target(tmp_path)
    files = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    assert all(target(whole) >= best for whole in files)  # there is something to be spoiled
    rng = np.random.default_rng(SEED)
    for call in range(CALLS):
        data = bytearray(files[call % len(files)])
        for _ in range(rng.integers(1, 5)):
            at = int(rng.integers(len(data) + 1))
            if rng.random() < 0.2:
                del data[at:]
            else:
                data[at : at + int(rng.integers(2))] = bytes([rng.integers(256)])
        target(bytes(data))
