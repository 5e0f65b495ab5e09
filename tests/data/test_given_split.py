"""Splits that come with the data, groups, and splits that are read back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore.data import ClassMap, ImageDataset, write_split_csv
from nncore.data.labels.split import keep_together
from nncore.errors import DataError


def write(folder: Path, count: int, seed: int, side: int = 6) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        pixels = rng.integers(0, 256, (side, side), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}-{number:02}.png")


def names(data: ImageDataset) -> list[str]:
    return [os.path.basename(path) for path in data.paths]


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """train and validation with classes 10 and 9, test lacks class 10."""
    for seed, (place, count) in enumerate(
        [("train/9", 8), ("train/10", 12), ("validation/9", 2), ("validation/10", 3), ("Test/9", 4)]
    ):
        write(tmp_path / "all" / place, count, seed)
    return tmp_path / "all"


def test_a_parent_of_train_val_and_test_is_a_split(parent: Path):
    (parent / "readme.txt").write_text("x")
    (parent / "train" / "notes.txt").write_text("x")
    data = ImageDataset.from_folder(parent)
    assert data.classes.names == ("9", "10")
    assert data.counts == {"9": 14, "10": 15}
    reasons = {os.path.basename(file.path): file.reason for file in data.skipped}
    assert reasons == {
        "readme.txt": "is not inside a part of the split",
        "notes.txt": "is not inside a class folder",
    }
    for fractions in ({}, {"val": 0.5, "test": 0.3, "seed": 9}):
        train, val, test = data.split(**fractions)
        assert [part.counts for part in (train, val, test)] == [
            {"9": 8, "10": 12},
            {"9": 2, "10": 3},
            {"9": 4, "10": 0},
        ]
        assert {Path(path).parts[-3] for path in val.paths} == {"validation"}
        assert train.split_notes == []
        assert train.given_split is None


@pytest.mark.parametrize("name", ["val", "valid", "Validation", "VAL"])
def test_names_of_the_validation_part(parent: Path, name: str):
    shutil.move(parent / "validation", parent / name)
    assert len(ImageDataset.from_folder(parent).split()[1]) == 5


def test_a_part_that_is_missing_is_made_from_the_training_images(parent: Path):
    shutil.rmtree(parent / "validation")
    data = ImageDataset.from_folder(parent)
    train, val, test = data.split(val=0.25)
    assert (train.counts, val.counts) == ({"9": 6, "10": 9}, {"9": 2, "10": 3})
    assert len(test) == 4
    assert len(data.split(val=0)[1]) == 0
    # It is the split that the training images alone would get.
    alone = ImageDataset.from_folder(parent / "train").split(val=0.25)[1]
    assert sorted(names(alone)) == sorted(names(val))


def test_without_a_given_split_a_new_one_is_made(parent: Path):
    data = ImageDataset.from_folder(parent)
    data.given_split = None
    assert data.split(val=0.5)[1].counts == {"9": 7, "10": 8}


def test_unlabelled_test_images_are_named(parent: Path):
    shutil.rmtree(parent / "Test")
    write(parent / "test", 2, 7)
    data = ImageDataset.from_folder(parent)
    assert {file.reason for file in data.skipped} == {"is not inside a class folder"}
    assert len(data.skipped) == 2
    assert len(data.split()[2]) == 0


def test_the_class_map_of_the_whole_or_of_train_is_used(parent: Path):
    ClassMap.from_names(["10", "9"]).write(parent / "train" / "classes.csv")
    ClassMap.from_names(["9", "10"]).write(parent / "validation" / "classes.csv")
    data = ImageDataset.from_folder(parent)
    assert data.classes.names == ("10", "9")
    assert [os.path.relpath(file.path, parent) for file in data.skipped] == [
        "validation/classes.csv"
    ]


def test_wrong_parents_are_refused(parent: Path):
    (parent / "val").mkdir()
    with pytest.raises(DataError, match="'val' and 'validation' are both the part 'val'"):
        ImageDataset.from_folder(parent)
    (parent / "val").rmdir()
    write(parent / "validation" / "11", 1, 8)
    with pytest.raises(DataError, match="no training image of class '11'"):
        ImageDataset.from_folder(parent).split()
    shutil.rmtree(parent / "train")
    with pytest.raises(DataError, match="without training images; give one of them"):
        ImageDataset.from_folder(parent)


def test_copies_across_given_parts_are_noted_and_left(parent: Path):
    shutil.copy(parent / "train" / "9" / "0-00.png", parent / "Test" / "9" / "copy.png")
    train, _, test = ImageDataset.from_folder(parent).split()
    assert (len(train), len(test)) == (20, 5)
    assert train.split_notes[0].startswith(
        "1 set(s) of images with the same pixels or group are in"
    )


# Tables


def table(folder: Path, text: str, name: str = "a.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_table_with_splits(tmp_path: Path):
    write(tmp_path, 6, 0)
    rows = zip(
        range(6), "ababab", ("train", "Train", "valid", "VAL", "test", "testing"), strict=True
    )
    text = "path\tlabel\tsplit\n" + "".join(f"0-{n:02}.png\t{c}\t{s}\n" for n, c, s in rows)
    data = ImageDataset.from_csv(table(tmp_path, text, "a.tsv"))
    assert data.given_split == ["train", "train", "val", "val", "test", "test"]
    assert [names(part) for part in data.split()] == [
        ["0-00.png", "0-01.png"],
        ["0-02.png", "0-03.png"],
        ["0-04.png", "0-05.png"],
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0-00.png,a,\n", "line 2: the split is ''"),
        ("0-00.png,a,train\n0-01.png,b,holdout\n", "line 3: the split is 'holdout'"),
        (
            "0-00.png,a,train\n0-00.png,a,test\n",
            "line 3: .*in the part 'test', but 'train' in line 2",
        ),
    ],
)
def test_wrong_splits_are_named_with_the_line(tmp_path: Path, rows: str, message: str):
    write(tmp_path, 2, 0)
    with pytest.raises(DataError, match=message):
        ImageDataset.from_csv(table(tmp_path, "path,label,split\n" + rows))


def test_groups_stay_on_one_side(tmp_path: Path):
    write(tmp_path, 60, 0)
    groups = [f"g{n // 3}" for n in range(60)]
    text = "path,label,group\n" + "".join(
        f"0-{n:02}.png,{'ab'[n % 6 > 2]},{groups[n]}\n" for n in range(60)
    )
    data = ImageDataset.from_csv(table(tmp_path, text))
    assert data.groups == groups
    for seed in range(5):
        parts = data.split(0.2, 0.2, seed=seed)
        assert [part.counts for part in parts] == [{"a": 18, "b": 18}, *[{"a": 6, "b": 6}] * 2]
        sides = [set(part.groups or []) for part in parts]
        assert sum(map(len, sides)) == 20


def arrays(count: int, **more: object) -> ImageDataset:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 4, 4), dtype=np.uint8)
    labels = [n % 2 for n in range(count)]
    ids = [str(n) for n in range(count)]
    return ImageDataset.from_arrays(pixels, labels, ["a", "b"], names=ids, **more)


def test_groups_of_several_classes_stay_on_one_side_too():
    data = arrays(80, groups=[f"p{n // 4}" for n in range(80)])
    for seed in range(5):
        parts = data.split(0.3, 0.3, seed=seed)
        assert sum(len(set(part.groups or [])) for part in parts) == 20
    assert "20 set(s)" in parts[0].split_notes[0]


def test_an_empty_group_is_none():
    data = arrays(40, groups=[""] * 40)
    assert names(data.split(seed=3)[1]) == names(arrays(40).split(seed=3)[1])


def test_groups_and_copies_are_joined():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    pixels[3] = pixels[30]  # joins group x (2, 3) and group y (30, 31)
    groups = ["x" if n in (2, 3) else "y" if n in (30, 31) else "" for n in range(40)]
    ids = [str(n) for n in range(40)]
    for seed in range(8):
        data = ImageDataset.from_arrays(pixels, [0] * 40, ["a", "b"], names=ids, groups=groups)
        parts = data.split(0.4, 0.3, seed=seed)
        assert sum({"2", "3", "30", "31"} <= set(part.paths) for part in parts) == 1


def test_a_group_keeps_its_key_when_it_grows():
    pixels = np.random.default_rng(1).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    pixels[30:] = pixels[:10]  # copies that have no group themselves
    groups = [f"g{n % 10}" for n in range(30)] + [""] * 10
    before = keep_together(pixels[:20], groups=groups[:20])
    after = keep_together(pixels, groups=groups)
    assert after[:20] == before
    assert after[30:] == before[:10]
    assert len(set(after)) == 10


def test_the_smallest_of_too_large_groups_is_taken():
    data = arrays(40, groups=[f"{n % 2}{n // 14}" for n in range(40)])  # 7, 7 and 6 in each class
    _, val, test = data.split(val=0.15)
    assert val.counts == {"a": 6, "b": 6}
    assert len(test) == 0
    # Never more than half of a class.
    halves = arrays(40, groups=[f"{n % 2}{n // 36}" for n in range(40)])  # 18 and 2
    assert halves.split(val=0.5)[1].counts == {"a": 2, "b": 2}


def test_arrays_with_a_split():
    data = arrays(6, split=["train", "training", "val", "VALID", "test", "test"])
    assert [len(part) for part in data.split()] == [2, 2, 2]
    with pytest.raises(ValueError, match=r"split\[1\] is 'b'"):
        arrays(2, split=["train", "b"])
    with pytest.raises(ValueError, match="groups has 1 entries for 2"):
        arrays(2, groups=["a"])


# The same split everywhere


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, name in enumerate(("cat", "dog", "owl")):
        write(tmp_path / "photos" / name, 20, seed, side=40)
    return tmp_path / "photos"


def sides_of(folder: Path, **arguments: object) -> dict[str, str]:
    data = ImageDataset.from_folder(folder, **arguments)
    parts = zip(("train", "val", "test"), data.split(0.2, 0.2, seed=5), strict=True)
    return {name: part for part, subset in parts for name in names(subset)}


def test_a_split_depends_on_the_files_and_the_seed_alone(photos: Path, tmp_path: Path):
    before = sides_of(photos)
    assert [list(before.values()).count(part) for part in ("train", "val", "test")] == [36, 12, 12]
    # Not on what is made of the files.
    assert sides_of(photos, size=7, color="rgb") == before
    # Another place, other names and so another order of files and classes.
    for folder in sorted(photos.iterdir()):
        copy = tmp_path / "copy" / folder.name[::-1]
        copy.mkdir(parents=True)
        for path in folder.iterdir():
            shutil.copy(path, copy / path.name[::-1])
    assert {name[::-1]: part for name, part in sides_of(tmp_path / "copy").items()} == before
    # Another class may change.
    write(photos / "owl", 7, 9, side=40)
    shutil.copy(photos / "owl" / "2-00.png", photos / "owl" / "again.png")
    after = sides_of(photos)
    assert {n: s for n, s in after.items() if n[0] in "01"} == {
        n: s for n, s in before.items() if n[0] in "01"
    }


def test_equal_pixels_in_different_files_stay_on_one_side(photos: Path):
    for path in list((photos / "cat").iterdir()):
        Image.open(path).save(path.with_suffix(".bmp"))
    sides = sides_of(photos)
    for name, side in sides.items():
        if name.endswith(".bmp"):
            assert sides[name.replace(".bmp", ".png")] == side


# Written and read back


def save(path: Path, parts: tuple[ImageDataset, ...]) -> Path:
    path.parent.mkdir(exist_ok=True)
    write_split_csv(path, dict(zip(("train", "val", "test"), parts, strict=True)))
    return path


def test_a_written_split_is_used_again(photos: Path, tmp_path: Path):
    data = ImageDataset.from_folder(photos)
    parts = data.split(0.2, 0.1, seed=3)
    file = save(tmp_path / "run" / "split.csv", parts)
    (tmp_path / "link").symlink_to(photos)
    for again in (
        data.with_split(file).split(),
        ImageDataset.from_folder(tmp_path / "link").with_split(file).split(seed=8),
        ImageDataset.from_csv(file).split(0.5),
    ):
        for one, two in zip(parts, again, strict=True):
            assert sorted(names(one)) == sorted(names(two))
            assert two.split_notes == []


def test_groups_are_written(photos: Path, tmp_path: Path):
    data = ImageDataset.from_folder(photos)
    data.groups = [name[:3] for name in names(data)]
    file = save(tmp_path / "split.csv", data.split())
    assert file.read_text().splitlines()[0] == "path,label,split,group"
    assert sorted(ImageDataset.from_csv(file).groups or []) == sorted(data.groups)


def test_what_a_written_split_lacks_or_has_too_much_is_noted(photos: Path, tmp_path: Path):
    parts = ImageDataset.from_folder(photos).split(0.2, 0.2)
    file = save(tmp_path / "split.csv", parts)
    tested = Path(parts[2].paths[0])
    shutil.copy(tested, tested.with_name("copy.png"))
    write(photos / "cat", 2, 9, side=40)
    gone = Path(parts[0].paths[0])
    gone.unlink()
    train, val, test = ImageDataset.from_folder(photos).with_split(file).split()
    assert [len(part) for part in (train, val, test)] == [36 + 2 - 1, 12, 12 + 1]
    assert "copy.png" in names(test)
    assert "3 image(s) are not in" in train.split_notes[0]
    assert "(2 to train, 1 to test)" in train.split_notes[0]
    assert f"1 image(s) of {file} are not in the data, the first is {gone}" in train.split_notes[1]


def test_wrong_split_files(photos: Path, tmp_path: Path):
    data = ImageDataset.from_folder(photos)
    with pytest.raises(DataError, match="lists none of these 60 images"):
        data.with_split(table(tmp_path, "path,split\nx.png,train\n"))
    with pytest.raises(DataError, match="column 'path' and one column 'split'"):
        data.with_split(table(tmp_path, "path,label\nx.png,cat\n"))
    with pytest.raises(DataError, match=r"line 3: x\.png is in the part 'val', but in 'train'"):
        data.with_split(table(tmp_path, "path,split\nx.png,train\nx.png,val\n"))
    with pytest.raises(DataError, match="no such file"):
        data.with_split(tmp_path / "none.csv")


@pytest.mark.parametrize(("train", "test"), [("cat", "Cat"), ("CAT", "cat"), ("Straße", "STRASSE")])
def test_classes_that_differ_in_case_between_parts_are_told(tmp_path, train, test):
    for part, name in (("train", train), ("train", "dog"), ("test", test), ("test", "dog")):
        folder = tmp_path / part / name
        folder.mkdir(parents=True)
        for number in range(3):
            pixels = np.full((4, 4), 40 * number + len(name) + (part == "test"), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    data = ImageDataset.from_folder(tmp_path)
    with pytest.raises(DataError, match=f"{test!r}; is {train!r} meant, which differs in upper"):
        data.split()
