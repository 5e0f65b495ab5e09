"""Columns that are a split in all but name are told; others are left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore.data import ImageDataset


def notes(folder: Path, column: str, words: list[str]) -> list[str]:
    lines = [f"path,label,{column}"]
    for number, word in enumerate(words):
        Image.fromarray(np.full((5, 4), number * 10, np.uint8)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{'ab'[number % 2]},{word}")
    table = folder / "t.csv"
    table.write_text("\n".join(lines) + "\n")
    return ImageDataset.from_csv(table).notes


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("Usage", ["Training", "Training", "PublicTest", "PrivateTest"]),
        ("subset", ["train", "val", "test", "test"]),
        ("Data Set", ["train_set", "train_set", "test_set", "test_set"]),
    ],
)
def test_told_with_the_name_of_the_column(tmp_path, column, words):
    (note,) = notes(tmp_path, column, words)
    assert f"{tmp_path / 't.csv'!s}: the column {column.lower()!r} looks like a split" in note
    assert words[0] in note
    assert "call it split" in note


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("split", ["train", "train", "test", "test"]),
        ("note", ["train", "train", "boat", "boat"]),
        ("note", ["train", "train", "train", "train"]),
        ("note", ["train", "test", "", ""]),
        ("note", ["1", "2", "3", "4"]),
    ],
)
def test_others_are_left_alone(tmp_path, column, words):
    assert notes(tmp_path, column, words) == []
