"""What holds for any names and any labels (hypothesis): tables and class maps come back, splits
lose nothing.

The examples are the same every time; HYPOTHESIS_EXAMPLES=5000 tries more of them.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nncore.data import ClassMap, ImageDataset, write_split_csv
from nncore.data.csv_text import csv_bytes
from nncore.data.sources.split_csv import read_split_csv, split_keys
from nncore.errors import DataError

settings.register_profile(
    "nncore",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "60")),
)
settings.load_profile("nncore")

CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
FILE_NAMES = st.binary(min_size=1, max_size=20).filter(
    lambda name: not {0, ord("/")} & set(name) and name not in (b".", b"..")
)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=6))
def test_cells_come_back(rows):
    text = csv_bytes(rows).decode("utf-8")
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == rows


@given(st.lists(CELLS, min_size=1, max_size=8), st.sampled_from(["csv", "txt", "json"]))
def test_class_maps_come_back(names, kind):
    try:
        classes = ClassMap.from_names(names)
    except (ValueError, DataError):
        return  # empty, twice the same, or of more than one line
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"classes.{kind}"
        classes.write(path)
        assert ClassMap.read(path).names == classes.names


@given(st.lists(FILE_NAMES, min_size=4, max_size=12, unique=True))
def test_splits_come_back_whatever_files_are_called(names):
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, os.fsdecode(name)) for name in names]
        try:
            for path in paths:
                Path(path).write_bytes(b"x")
        except OSError:
            pytest.skip("no such name on this file system")
        pixels = np.arange(len(paths), dtype=np.uint8)[:, np.newaxis, np.newaxis]
        pixels = np.broadcast_to(pixels, (len(paths), 3, 3))
        data = ImageDataset.from_arrays(pixels, [0, 1] * (len(paths) // 2) + [0] * (len(paths) % 2))
        half = len(paths) // 2
        parts = {"train": data.subset(range(half)), "val": data.subset(range(half, len(paths)))}
        for part, chosen in zip(parts.values(), (paths[:half], paths[half:]), strict=True):
            part.paths[:] = chosen
        table = os.path.join(folder, "a-table-of-its-own.csv")
        write_split_csv(table, parts)
        expected = ["train"] * half + ["val"] * (len(paths) - half)
        assert read_split_csv(table) == dict(zip(split_keys(paths), expected, strict=True))


@given(
    st.lists(st.integers(0, 3), min_size=8, max_size=60),
    st.floats(0, 0.45),
    st.floats(0, 0.45),
    st.integers(0, 2**40),
)
def test_a_split_loses_and_repeats_nothing(labels, val, test, seed):
    labels = [*labels, 0, 1, 2, 3]
    pixels = np.zeros((len(labels), 2, 2), np.uint8)
    pixels.reshape(len(labels), 4)[:, 0] = np.arange(len(labels))
    data = ImageDataset.from_arrays(pixels, np.array(labels))
    parts = data.split(val=val, test=test, seed=seed)
    seen = [int(image[0, 0, 0]) for part in parts for image in np.asarray(part.images)]
    assert sorted(seen) == list(range(len(labels)))
    assert set(parts[0].labels.tolist()) == set(labels)
    again = data.split(val=val, test=test, seed=seed)
    assert [part.labels.tolist() for part in again] == [part.labels.tolist() for part in parts]
