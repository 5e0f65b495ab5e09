"""CSV and TSV tables, in and out."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore.data import (
    ImageDataset,
    Preprocessing,
    SkippedFile,
    write_skipped_csv,
    write_split_csv,
)
from nncore.errors import DataError


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(np.full((5, 4), number * 10, np.uint8)).save(folder / f"{number}.png")
    return folder


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


BASIC = "path,label\n2.png,dog\n0.png,cat\n1.png,dog\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", BASIC),
        ("a.txt", BASIC),
        ("a.csv", "\ufeff" + BASIC.replace("\n", "\r\n")),
        ("a.csv", "Label,Path,note\ndog,2.png,x\n\ncat, 0.png ,\ndog,1.png,y\n"),
        ("a.tsv", BASIC.replace(",", "\t")),
        ("a.TAB", BASIC.replace(",", "\t")),
    ],
)
def test_reads_tables(pictures: Path, name: str, text: str):
    data = ImageDataset.from_csv(write(pictures / name, text))
    assert data.classes.names == ("cat", "dog")
    assert data.labels.tolist() == [1, 0, 1]
    assert data.images[:, 0, 0, 0].tolist() == [20, 0, 10]
    assert data.paths == [str(pictures / f"{number}.png") for number in (2, 0, 1)]
    assert data.preprocessing == Preprocessing(5, 4, "gray")


def test_root_and_absolute_paths(pictures: Path, tmp_path: Path):
    table = write(tmp_path / "a.csv", f"path,label\n0.png,cat\n{pictures}/1.png,dog\n")
    data = ImageDataset.from_csv(table, root=pictures)
    assert data.images[:, 0, 0, 0].tolist() == [0, 10]


def test_other_arguments_are_passed_on(pictures: Path):
    table = write(pictures / "a.csv", BASIC)
    calls = []
    data = ImageDataset.from_csv(
        table, size=(3, 2), color="rgb", workers=2, progress=lambda *a: calls.append(a)
    )
    assert data.images.shape == (3, 3, 2, 3)
    assert calls == [(3, 3)]
    plan = Preprocessing(2, 2, "gray")
    assert ImageDataset.from_csv(table, preprocessing=plan).preprocessing is plan


def test_classes(pictures: Path):
    table = write(pictures / "a.csv", BASIC)
    assert ImageDataset.from_csv(table, classes=["dog", "cat"]).labels.tolist() == [0, 1, 0]
    with pytest.raises(DataError, match=r"of other names: 'dog'; classes without labels: 'cow'"):
        ImageDataset.from_csv(table, classes=["cat", "cow"])
    with pytest.raises(DataError, match="classes without labels: 'cow'"):
        ImageDataset.from_csv(table, classes=["cat", "cow", "dog"])
    data = ImageDataset.from_csv(table, classes=["cat", "cow", "dog"], allow_missing_classes=True)
    assert data.counts == {"cat": 1, "cow": 0, "dog": 2}


def test_integer_labels(pictures: Path):
    table = write(pictures / "a.csv", "path,label\n0.png,10\n1.png,9\n")
    assert ImageDataset.from_csv(table).classes.names == ("9", "10")
    table = write(pictures / "a.csv", "path,label\n0.png,1\n1.png,0\n")
    assert ImageDataset.from_csv(table, classes=["cat", "dog"]).labels.tolist() == [1, 0]
    # Names win over integers.
    assert ImageDataset.from_csv(table, classes=["1", "0"]).labels.tolist() == [0, 1]
    table = write(pictures / "a.csv", "path,label\n0.png,2\n1.png,0\n")
    with pytest.raises(DataError, match="of other names: '2'"):
        ImageDataset.from_csv(table, classes=["cat", "dog"])
    table = write(pictures / "a.csv", "path,label\n0.png,cat\n1.png,1\n")
    with pytest.raises(DataError, match="of other names: '1'"):
        ImageDataset.from_csv(table, classes=["cat", "dog"])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["line 1", "path"]),
        ("0.png,cat\n1.png,dog\n", ["line 1", "'path'"]),
        ("path;label\n0.png;cat\n", ["one class only ('cat')"]),
        ("path,path,label\n0.png,0.png,cat\n", ["line 1"]),
        ("path,label\n", ["lists no images"]),
        ("path,label\n0.png,cat\n1.png\n", ["line 3", "1 cells"]),
        ("path,label\n0.png,cat\n1.png,dog,x\n", ["line 3", "3 cells"]),
        ("path,label\n0.png,cat\n ,dog\n", ["line 3", "path is empty"]),
        ("path,label\n0.png,cat\n1.png, \n", ["line 3", "label"]),
        ("path,label\n0.png,cat\n\n0.png,dog\n", ["line 4", "'dog'", "'cat' in line 2"]),
        ("path,label\n0.png,cat\n1.png,cat\n", ["one class only ('cat')"]),
        ('path,label\n0.png,"cat\n', ["line"]),
        ("path,label\n0.png,cat\n9.png,dog\n", ["1 of 2", "9.png: no such file"]),
    ],
)
def test_bad_tables_are_named_with_the_line(pictures: Path, text: str, parts):
    table = write(pictures / "a.csv", text)
    with pytest.raises(DataError) as caught:
        ImageDataset.from_csv(table)
    for part in [str(table), *parts]:
        assert part in str(caught.value)


def test_missing_table_and_not_utf8(tmp_path: Path):
    with pytest.raises(DataError, match="no such file"):
        ImageDataset.from_csv(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_bytes(b"path,label\n0.png,c\xe4t\n")
    with pytest.raises(DataError, match="line 2: not UTF-8"):
        ImageDataset.from_csv(tmp_path / "a.csv")


def test_missing_files_are_broken_and_named(pictures: Path):
    table = write(pictures / "a.csv", BASIC + "7.png,dog\n")
    data = ImageDataset.from_csv(table, max_broken=0.25)
    assert data.skipped == [SkippedFile(str(pictures / "7.png"), "no such file", "broken")]
    assert data.counts == {"cat": 1, "dog": 2}


def test_one_image_listed_twice_counts_twice(pictures: Path):
    data = ImageDataset.from_csv(write(pictures / "a.csv", BASIC + "0.png,cat\n"))
    assert data.counts == {"cat": 2, "dog": 2}


def test_a_written_split_reads_back(make_folder, tmp_path: Path, monkeypatch):
    make_folder({"cat": 8, 'dog, "big"': 8})
    monkeypatch.chdir(tmp_path)
    data = ImageDataset.from_folder("photos")
    train, val, test = data.split(0.25, 0.25, seed=1)
    (tmp_path / "elsewhere" / "runs").mkdir(parents=True)
    (tmp_path / "runs").symlink_to("elsewhere/runs")
    target = Path("runs/split.csv")
    write_split_csv(target, {"train": train, "val": val, "test": test})
    with open(target, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", "split"]
    assert [row["split"] for row in rows] == ["train"] * 8 + ["val"] * 4 + ["test"] * 4
    monkeypatch.chdir("/")
    again = ImageDataset.from_csv(tmp_path / target)
    together = np.concatenate([train.images, val.images, test.images])
    np.testing.assert_array_equal(again.images, together)
    assert again.classes == data.classes
    assert again.labels.tolist() == [*train.labels, *val.labels, *test.labels]
    assert sorted(os.listdir(tmp_path / "runs")) == ["split.csv"]


def test_a_split_of_files_reached_through_a_link_reads_back(make_folder, tmp_path: Path):
    make_folder({"cat": 2, "dog": 2}, name="deep/photos")
    (tmp_path / "deep" / "runs").mkdir()
    (tmp_path / "link").symlink_to("deep/runs")
    data = ImageDataset.from_folder(tmp_path / "link" / ".." / "photos")
    write_split_csv(tmp_path / "split.csv", {"train": data})
    again = ImageDataset.from_csv(tmp_path / "split.csv")
    np.testing.assert_array_equal(again.images, data.images)


def test_a_split_of_arrays_has_no_paths(tmp_path: Path):
    data = ImageDataset.from_arrays(np.zeros((2, 2, 2), np.uint8), [0, 1])
    write_split_csv(tmp_path / "split.csv", {"train": data})
    assert (tmp_path / "split.csv").read_text() == "path,label,split\n,0,train\n,1,train\n"
    with pytest.raises(OSError, match="none"):
        write_split_csv(tmp_path / "none" / "split.csv", {"train": data})


def test_skipped_files_are_written_with_their_own_bytes(tmp_path: Path):
    name = os.fsdecode(b"caf\xe9, 1.png")
    write_skipped_csv(
        tmp_path / "skipped.csv",
        [SkippedFile("a.txt", "not an image", "foreign"), SkippedFile(name, "empty")],
    )
    assert (tmp_path / "skipped.csv").read_bytes() == (
        b'path,kind,reason\na.txt,foreign,not an image\n"caf\xe9, 1.png",broken,empty\n'
    )
    write_skipped_csv(tmp_path / "none.csv", [])
    assert (tmp_path / "none.csv").read_text() == "path,kind,reason\n"


@pytest.mark.parametrize(
    "rows",
    [
        '2.png, "dog"\n0.png, "cat"\n1.png, dog\n',
        "2.png,dog\n0.png,cat\n1.png,dog\n,\n,\r\n , \n",
        "2.png,dog,\n0.png,cat,,\n1.png,dog\n",
        '2.png,"dog"\r\n"0.png",cat\r\n1.png,dog\r\n""\r\n',
    ],
)
def test_what_spreadsheets_make_of_a_table(pictures: Path, rows: str):
    data = ImageDataset.from_csv(write(pictures / "a.csv", "path,label\n" + rows))
    assert data.classes.names == ("cat", "dog")
    assert data.images[:, 0, 0, 0].tolist() == [20, 0, 10]


def test_columns_without_a_name_are_ignored(pictures: Path):
    text = "path,label,,\n2.png,dog,,\n0.png,cat,x,\n"
    assert len(ImageDataset.from_csv(write(pictures / "a.csv", text))) == 2


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (b"path,label\n0.png,cat\n1.png,c\xe4t\n", 3),
        (b"path,label\n0.png,cat\nno\xe4.png,dog\n", 3),
        (b"path,label,group\n0.png,cat,a\n1.png,dog,\xe4\n", 3),
        (b"path,l\xe4bel\n0.png,cat\n", 1),
    ],
)
def test_another_encoding_is_told_by_line(pictures: Path, rows: bytes, line: int):
    (pictures / "a.csv").write_bytes(rows)
    with pytest.raises(DataError, match=f"line {line}: not UTF-8"):
        ImageDataset.from_csv(pictures / "a.csv")


def test_the_table_of_an_audit_is_told_from_one_of_images(tmp_path):
    (tmp_path / "audit.csv").write_text("path,label,suggested,score,reason,action\na.png,x,y,0,,\n")
    with pytest.raises(DataError, match=r"has made, not of images: .*--audit"):
        ImageDataset.from_csv(tmp_path / "audit.csv")
