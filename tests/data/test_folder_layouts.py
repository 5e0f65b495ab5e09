"""What sub-folders are: classes, or parts that hold a folder per class; seen, said or refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore.data import ImageDataset
from nncore.data.labels.parts import FolderName
from nncore.errors import DataError

# One line per folder with pictures: its path, and how many.
Folders = dict[str, int]


def make(root: Path, folders: Folders) -> Path:
    rng = np.random.default_rng(len(folders))
    for folder, count in folders.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (4, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{number}.png")
    return root


def each(parts: str, classes: str = "cats dogs", count: int = 2) -> Folders:
    return {f"{part}/{name}": count for part in parts.split() for name in classes.split()}


def parts_of(data: ImageDataset) -> dict[str, int] | None:
    return None if data.given_split is None else dict(Counter(data.given_split))


@pytest.mark.parametrize(
    ("folders", "parts"),
    [
        (each("Training Testing"), {"train": 4, "test": 4}),
        (each("training_set test_set"), {"train": 4, "test": 4}),
        (each("train2017 val2017"), {"train": 4, "val": 4}),
        (each("TrainData ValidationData test-images"), {"train": 4, "val": 4, "test": 4}),
        (each("seg_train seg_test"), {"train": 4, "test": 4}),
        (each("01_train 02_dev 03_holdout"), {"train": 4, "val": 4, "test": 4}),
        (each("trainset testset"), {"train": 4, "test": 4}),
        (each("train1 train2 test"), {"train": 8, "test": 4}),
        (each("trainval test"), {"train": 4, "test": 4}),
        # Nested doubles, and an outer folder that holds nothing else.
        (each("archive/seg_train/seg_train archive/seg_test/seg_test"), {"train": 4, "test": 4}),
        (each("train/images test/images"), {"train": 4, "test": 4}),
        # The split lies within the classes.
        (each("cats dogs", "train val"), {"train": 4, "val": 4}),
        (each("cats dogs", "training_set test_set"), {"train": 4, "test": 4}),
    ],
)
def test_parts_are_understood_by_their_names(tmp_path: Path, folders: Folders, parts: Folders):
    data = ImageDataset.from_folder(make(tmp_path / "all", folders))
    assert data.classes.names == ("cats", "dogs")
    assert parts_of(data) == parts
    assert sum(data.counts.values()) == sum(folders.values())


@pytest.mark.parametrize(
    "folders",
    [
        each("archive/PetImages"),
        each("outer/PetImages/images"),
        each("fold1 fold2 fold3"),
        each("part_a part_b"),
        each("batch-01 batch-02"),
    ],
)
def test_what_is_one_set_is_taken_together_and_that_is_said(tmp_path: Path, folders: Folders):
    data = ImageDataset.from_folder(make(tmp_path / "all", folders))
    assert data.classes.names == ("cats", "dogs")
    assert data.given_split is None
    assert sum(data.counts.values()) == sum(folders.values())
    assert len(data.notes) == 1


@pytest.mark.parametrize(
    ("beside", "left_out"),
    [
        ({"unlabelled": 3}, True),
        ({"pred": 3}, True),
        ({"test_unlabeled": 3}, True),
        ({"annotations": 0}, True),
        ({"samples": 2}, True),
        ({"Predictions/all": 3}, True),
    ],
)
def test_pictures_without_a_label_are_left_out(tmp_path: Path, beside: Folders, left_out: bool):
    data = ImageDataset.from_folder(make(tmp_path / "all", each("train val") | beside))
    assert data.classes.names == ("cats", "dogs")
    assert parts_of(data) == {"train": 4, "val": 4}
    assert len(data.skipped) == sum(beside.values())
    assert "left out" in data.notes[0]
    assert "--layout classes" in data.notes[0]


def test_unlabelled_pictures_beside_classes_are_left_out(tmp_path: Path):
    data = ImageDataset.from_folder(
        make(tmp_path / "all", {"cats": 2, "dogs": 2, "unlabelled_images": 3})
    )
    assert data.counts == {"cats": 2, "dogs": 2}
    assert len(data.skipped) == 3
    assert "unlabelled_images" in data.notes[0]


@pytest.mark.parametrize(
    "folders",
    [
        each("train test") | each("extra"),  # which part would it be?
        each("site_a site_b"),
        each("2019 2020"),
        each("cats dogs", "small large"),
        each("train") | {"bus": 2},
        {"cats": 2, "dogs": 2} | each("test"),
        {"cats": 2, "dogs": 2} | each("backup"),
        {"cats": 2, "dogs": 2, "test": 2},
        {"cats": 2, "dogs": 2, "validation_set": 2},
        {"cats": 2, "dogs": 2, "pred": 2},
        {"train": 2, "test": 2},
        {"train": 2, "test": 2, "bus": 2},
        {"cat_train": 2, "cat_test": 2, "dog_train": 2, "dog_test": 2},
        each("train valid validation"),
        each("Training PublicTest PrivateTest"),
        each("val test"),
        each("fold1 fold2") | {"cats": 2},
    ],
)
def test_what_is_not_clear_is_refused_with_the_flag(tmp_path: Path, folders: Folders):
    root = make(tmp_path / "all", folders)
    with pytest.raises(DataError, match="--layout classes"):
        ImageDataset.from_folder(root)
    top = sorted({name.split("/")[0] for name in folders})
    said = ImageDataset.from_folder(root, layout="classes")
    assert list(said.classes.names) == top
    assert said.notes == []


@pytest.mark.parametrize(
    "folders",
    [
        {"train": 2, "bus": 2, "car": 2},
        {"valid": 2, "invalid": 2},
        {"training": 2, "rest": 2},
        {"bullet_train": 2, "steam_train": 2, "bus": 2},
        {"test_tube": 2, "flask": 2},
        {"train_station": 2, "harbour": 2},
        {"cats/black": 1, "cats/white": 1, "dogs/terrier": 2},
        {"cats": 1, "cats/small": 1, "dogs": 1, "dogs/small": 1},
        {"fold": 2, "crease": 2},
        {"0": 2, "1": 2},
    ],
)
def test_classes_are_classes_in_silence(tmp_path: Path, folders: Folders):
    data = ImageDataset.from_folder(make(tmp_path / "all", folders))
    assert set(data.classes.names) == {name.split("/")[0] for name in folders}
    assert data.notes == []
    assert data.skipped == []


def test_documented_parts_are_met_with_silence(tmp_path: Path):
    data = ImageDataset.from_folder(make(tmp_path / "all", each("train valid Test")))
    assert data.notes == []


def test_few_equal_names_deeper_down_are_said(tmp_path: Path):
    folders = {f"cats/{n}": 1 for n in "abcd"} | {f"dogs/{n}": 1 for n in "defg"}
    data = ImageDataset.from_folder(make(tmp_path / "all", folders))
    assert data.classes.names == ("cats", "dogs")
    assert "--layout parts" in data.notes[0]


def test_a_person_says_parts(tmp_path: Path):
    sites = ImageDataset.from_folder(make(tmp_path / "a", each("rome paris")), layout="parts")
    assert sites.counts == {"cats": 4, "dogs": 4}
    more = make(tmp_path / "b", each("train test extra"))
    with_more = ImageDataset.from_folder(more, layout="parts")
    assert parts_of(with_more) == {"train": 4, "test": 4}
    assert len(with_more.skipped) == 4
    with pytest.raises(DataError, match="there is none in 'cats', 'dogs'"):
        ImageDataset.from_folder(make(tmp_path / "c", {"cats": 1, "dogs": 1}), layout="parts")
    with pytest.raises(ValueError, match="layout is 'folds'"):
        ImageDataset.from_folder(more, layout="folds")


def test_known_classes_tell(tmp_path: Path):
    vehicles = make(tmp_path / "a", {"train": 2, "test": 2, "bus": 2})
    data = ImageDataset.from_folder(vehicles, classes=["bus", "test", "train"])
    assert data.counts == {"bus": 2, "test": 2, "train": 2}
    pets = make(tmp_path / "b", each("rome paris"))
    assert ImageDataset.from_folder(pets, classes=["dogs", "cats"]).counts == {"dogs": 4, "cats": 4}
    one = make(tmp_path / "c", {"cats/black": 1, "cats/white": 1})
    assert ImageDataset.from_folder(
        one, classes=["cats", "dogs"], allow_missing_classes=True
    ).counts == {"cats": 2, "dogs": 0}


def test_the_class_map_of_the_folder_tells_too(tmp_path: Path):
    root = make(tmp_path / "a", each("cats dogs", "small large"))
    (root / "classes.csv").write_text("Label,Description\n0,dogs\n1,cats\n")
    assert ImageDataset.from_folder(root).counts == {"dogs": 4, "cats": 4}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Train (1)", "train"),
        ("TRAIN_SET", "train"),
        ("valData", "val"),
        ("testing_data_v2", "test"),
        ("invalid", None),
        ("train_test", None),
        ("contest", None),
        ("strain", None),
    ],
)
def test_parts_in_names(name: str, part: str | None):
    assert FolderName.of(name).part == part
