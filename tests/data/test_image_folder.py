"""Folders of images: what is read, what is left out, what is refused."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore import _core
from nncore.data import ClassMap, ImageDataset, Preprocessing, SkippedFile, list_images
from nncore.data.sources.folder import find_images
from nncore.errors import DataError


def pixels_of(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def kinds(dataset: ImageDataset) -> dict[str, str]:
    return {os.path.basename(file.path): file.kind for file in dataset.skipped}


def test_reads_every_class_in_sorted_order(make_folder):
    root = make_folder({"dog": 3, "cat": 2, "ant": 1})
    data = ImageDataset.from_folder(root)
    assert data.classes == ClassMap.from_names(["ant", "cat", "dog"])
    assert data.counts == {"ant": 1, "cat": 2, "dog": 3}
    assert len(data) == 6
    assert data.images.shape == (6, 8, 6, 1)
    assert data.images.dtype == np.uint8
    assert data.images.flags.c_contiguous
    assert data.labels.dtype == np.int32
    assert data.labels.tolist() == [0, 1, 1, 2, 2, 2]
    assert data.paths == [
        str(root / f"{name}.png")
        for name in ("ant/000", "cat/000", "cat/001", "dog/000", "dog/001", "dog/002")
    ]
    for image, path in zip(data.images, data.paths, strict=True):
        np.testing.assert_array_equal(image[..., 0], pixels_of(path))
    assert data.skipped == []
    assert data.preprocessing == Preprocessing(8, 6, "gray")
    np.testing.assert_array_equal(data.one_hot(), np.eye(3)[data.labels])
    assert repr(data) == (
        "ImageDataset(6 images 8x6 gray; ant: 1, cat: 2, dog: 3; 0 files skipped)"
    )


def test_integer_folders_sort_as_numbers(make_folder):
    data = ImageDataset.from_folder(make_folder({"10": 1, "9": 1, "2": 1}))
    assert data.classes.names == ("2", "9", "10")


def test_nested_folders_and_odd_names_are_read(make_folder):
    root = make_folder({"cat": 1, "dog": 1})
    (root / "cat" / "b" / "c").mkdir(parents=True)
    os.rename(root / "cat" / "000.png", root / "cat" / "b" / "c" / "no extension")
    data = ImageDataset.from_folder(root)
    assert data.paths[0] == str(root / "cat" / "b" / "c" / "no extension")


def test_links_to_files_and_class_folders_are_followed(make_folder, tmp_path: Path):
    elsewhere = make_folder({"cat": 2, "dog": 1}, name="elsewhere")
    root = tmp_path / "linked"
    (root / "dog").mkdir(parents=True)
    (root / "cat").symlink_to(elsewhere / "cat")
    (root / "dog" / "one.png").symlink_to(elsewhere / "dog" / "000.png")
    (root / "dog" / "circle").symlink_to(root)
    data = ImageDataset.from_folder(root)
    assert data.counts == {"cat": 2, "dog": 1}
    assert data.skipped == [
        SkippedFile(
            str(root / "dog" / "circle"), "is a link to a folder, which is not followed", "foreign"
        )
    ]


def test_a_link_in_a_circle_is_a_broken_image(make_folder):
    root = make_folder({"cat": 2, "dog": 1})
    (root / "cat" / "loop.png").symlink_to("loop.png")
    (root / "loop").symlink_to("loop")
    data = ImageDataset.from_folder(root, max_broken=0.5)
    assert kinds(data) == {"loop": "foreign", "loop.png": "broken"}


def test_a_link_around_itself_is_no_class(make_folder):
    root = make_folder({"cat": 2, "dog": 1})
    (root / "again").symlink_to(root)
    (root / "above").symlink_to(root.parent)
    data = ImageDataset.from_folder(root)
    assert data.counts == {"cat": 2, "dog": 1}
    assert kinds(data) == {"again": "foreign", "above": "foreign"}


def test_folders_nested_deeper_than_calls(make_folder):
    root = make_folder({"cat": 1, "dog": 1})
    deep = root / "cat" / "/".join("d" * 300)
    os.makedirs(deep)
    os.rename(root / "cat" / "000.png", deep / "a.png")
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(len(inspect.stack()) + 250)
        data = ImageDataset.from_folder(root)
    finally:
        sys.setrecursionlimit(limit)
    assert data.paths[0] == str(deep / "a.png")


def test_every_file_that_is_left_out_is_named(make_folder):
    root = make_folder({"cat": 2, "dog": 2})
    (root / "readme.txt").write_text("hello")
    (root / ".DS_Store").write_bytes(b"x")
    (root / "__MACOSX" / "cat").mkdir(parents=True)
    (root / "__MACOSX" / "cat" / "._000.png").write_bytes(b"x")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("x")
    (root / "cat" / "._001.png").write_bytes(b"x")
    (root / "cat" / "notes.txt").write_text("not an image")
    (root / "cat" / "film.mp4").write_bytes(b"\0\0\0\x20ftypisom" + b"\0" * 50)
    (root / "cat" / "empty").write_bytes(b"")
    os.mkfifo(root / "dog" / "pipe.png")
    data = ImageDataset.from_folder(root)
    assert len(data) == 4
    assert kinds(data) == {
        "readme.txt": "foreign",
        ".DS_Store": "hidden",
        "._000.png": "hidden",
        "config": "hidden",
        "._001.png": "hidden",
        "notes.txt": "foreign",
        "film.mp4": "foreign",
        "empty": "foreign",
        "pipe.png": "foreign",
    }
    assert len(data.skipped) == 9
    assert all(file.reason for file in data.skipped)


def test_files_that_were_meant_to_be_images_are_broken(make_folder):
    root = make_folder({"cat": 4, "dog": 4})
    whole = (root / "cat" / "000.png").read_bytes()
    (root / "cat" / "cut_off").write_bytes(whole[: len(whole) // 2])
    (root / "cat" / "header_only").write_bytes(whole[:12])
    (root / "cat" / "zero.JPG").write_bytes(b"")
    (root / "cat" / "page.jpg").write_text("<html>404</html>")
    (root / "dog" / "gone.png").symlink_to("nowhere.png")
    (root / "dog" / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 20)
    with pytest.raises(DataError) as caught:
        ImageDataset.from_folder(root)
    message = str(caught.value)
    assert "6 of 14 image files are broken" in message
    assert "max_broken=0.01" in message
    assert "page.jpg: not an image" in message
    assert "and 1 more" in message
    data = ImageDataset.from_folder(root, max_broken=0.5)
    assert data.counts == {"cat": 4, "dog": 4}
    assert set(kinds(data).values()) == {"broken"}
    assert len(data.skipped) == 6


def test_max_broken_is_a_limit_that_may_be_reached(make_folder):
    root = make_folder({"cat": 5, "dog": 4})
    (root / "cat" / "bad.png").write_bytes(b"")
    (root / "cat" / "notes.txt").write_text("foreign files do not count")
    assert len(ImageDataset.from_folder(root, max_broken=0.1)) == 9
    with pytest.raises(DataError, match="1 of 10"):
        ImageDataset.from_folder(root, max_broken=0.09)
    with pytest.raises(DataError, match="1 of 10"):
        ImageDataset.from_folder(root, max_broken=0)


def test_one_percent_broken_is_put_up_with(make_folder):
    root = make_folder({"cat": 99, "dog": 99}, 2, 2)
    (root / "cat" / "bad1.png").write_bytes(b"")
    (root / "cat" / "bad2.png").write_bytes(b"")
    assert len(ImageDataset.from_folder(root).skipped) == 2
    (root / "cat" / "bad3.png").write_bytes(b"")
    with pytest.raises(DataError, match="3 of 201"):
        ImageDataset.from_folder(root)


# Folders that are refused


def test_missing_folder_and_file(tmp_path: Path):
    with pytest.raises(DataError, match=r"none: no such folder"):
        ImageDataset.from_folder(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file"):
        ImageDataset.from_folder(tmp_path / "file")


def test_no_or_one_class_folder(make_folder, tmp_path: Path):
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no sub-folders \(1 files"):
        ImageDataset.from_folder(tmp_path / "loose")
    with pytest.raises(DataError, match=r"one class only \('cat'\)"):
        ImageDataset.from_folder(make_folder({"cat": 2}))


def test_parts_of_a_split_are_not_classes(make_folder):
    root = make_folder({"train": 1, "Test": 1})
    with pytest.raises(DataError, match=r"are parts of a split, but .*train has no sub-folder per"):
        ImageDataset.from_folder(root)
    (root / "car").mkdir()
    Image.new("L", (8, 6)).save(root / "car" / "a.png")
    with pytest.raises(DataError, match=r"not clear .* --layout classes"):
        ImageDataset.from_folder(root)
    assert len(ImageDataset.from_folder(root, layout="classes")) == 3


def test_a_class_without_usable_images(make_folder):
    root = make_folder({"cat": 2, "dog": 0, "fox": 1})
    (root / "fox" / "000.png").unlink()
    (root / "fox" / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"class 'dog' \(0 files\), 'fox' \(1 files\)"):
        ImageDataset.from_folder(root)


def test_all_broken_or_nothing_usable(make_folder):
    root = make_folder({"cat": 0, "dog": 0})
    for name in ("cat", "dog"):
        (root / name / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match="2 of 2 image files"):
        ImageDataset.from_folder(root)
    with pytest.raises(DataError, match="no usable image in class 'cat'"):
        ImageDataset.from_folder(root, max_broken=1.0)


def test_two_folders_of_one_name(make_folder):
    root = make_folder({"cafe\u0301": 1, "caf\u00e9": 1})
    with pytest.raises(DataError, match="name the same class"):
        ImageDataset.from_folder(root)


def test_a_folder_name_that_is_not_utf8(make_folder):
    root = make_folder({"cat": 1})
    os.mkdir(os.fsencode(root) + b"/caf\xe9")
    with pytest.raises(DataError, match="UTF-8"):
        ImageDataset.from_folder(root)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"size": 0}, ValueError, "size"),
        ({"size": 100_000}, ValueError, "size"),
        ({"size": 2.5}, TypeError, "size"),
        ({"size": (3, 4, 5)}, ValueError, r"\(height, width\)"),
        ({"size": True}, TypeError, "size"),
        ({"color": "blue"}, ValueError, "'blue'; known: rgb, gray"),
        ({"max_broken": 1.5}, ValueError, "max_broken"),
        ({"max_broken": "1"}, TypeError, "max_broken"),
        ({"max_broken": float("nan")}, ValueError, "max_broken"),
        ({"workers": 0}, ValueError, "workers"),
        ({"workers": 1.0}, TypeError, "workers"),
        ({"classes": 3}, TypeError, "int"),
        ({"classes": ["cat", "cat"]}, ValueError, "twice"),
        ({"classes": "none.csv"}, DataError, "no such file"),
    ],
)
def test_wrong_arguments(make_folder, arguments, error, message):
    with pytest.raises(error, match=message):
        ImageDataset.from_folder(make_folder({"cat": 1, "dog": 1}), **arguments)


# Class maps


def test_a_given_class_map_sets_the_order(make_folder, tmp_path: Path):
    root = make_folder({"cat": 1, "dog": 2})
    ClassMap.from_names(["dog", "cat"]).write(tmp_path / "map.json")
    for classes in (
        ["dog", "cat"],
        ClassMap.from_names(["dog", "cat"]),
        tmp_path / "map.json",
        str(tmp_path / "map.json"),
    ):
        data = ImageDataset.from_folder(root, classes=classes)
        assert data.classes.names == ("dog", "cat")
        assert data.labels.tolist() == [1, 0, 0]


def test_the_folders_own_class_map_is_used(make_folder):
    root = make_folder({"cat": 1, "dog": 2})
    ClassMap.from_names(["dog", "cat"]).write(root / "classes.csv")
    data = ImageDataset.from_folder(root)
    assert data.classes.names == ("dog", "cat")
    assert data.skipped == []
    assert ImageDataset.from_folder(root, classes=root / "classes.csv").skipped == []
    other = ImageDataset.from_folder(root, classes=["cat", "dog"])
    assert other.classes.names == ("cat", "dog")
    assert kinds(other) == {"classes.csv": "foreign"}
    (root / "classes.csv").write_text("Label,Description\n0,dog\n0,cat\n")
    with pytest.raises(DataError, match=r"classes\.csv, line 3"):
        ImageDataset.from_folder(root)


def test_disagreement_lists_both_sides(make_folder):
    root = make_folder({"cat": 1, "cow": 1})
    with pytest.raises(DataError) as caught:
        ImageDataset.from_folder(root, classes=["cat", "dog", "fox"])
    message = str(caught.value)
    assert "disagrees with the known classes: sub-folders of other names: 'cow'" in message
    assert "classes without sub-folders: 'dog', 'fox'" in message
    assert "sub-folders: 'cat', 'cow'" in message
    assert "known classes: 'cat', 'dog', 'fox'" in message
    (root / "names.txt").write_text("cat\ndog\n")
    told = f"disagrees with the class names in {root}/names.txt: sub-folders of other names: 'cow'"
    with pytest.raises(DataError, match=re.escape(told)):
        ImageDataset.from_folder(root, classes=root / "names.txt")


def test_missing_classes_can_be_allowed_but_never_unknown_ones(make_folder):
    root = make_folder({"dog": 2, "empty": 0})
    classes = ["cat", "dog", "empty"]
    data = ImageDataset.from_folder(root, classes=classes, allow_missing_classes=True)
    assert data.counts == {"cat": 0, "dog": 2, "empty": 0}
    assert data.labels.tolist() == [1, 1]
    with pytest.raises(DataError, match="classes without sub-folders: 'cat'"):
        ImageDataset.from_folder(root, classes=classes)
    with pytest.raises(DataError, match="of other names: 'empty'"):
        ImageDataset.from_folder(root, classes=["cat", "dog"], allow_missing_classes=True)
    with pytest.raises(DataError, match="no usable image"):
        ImageDataset.from_folder(
            make_folder({"cat": 0}, name="bare"), classes=classes, allow_missing_classes=True
        )


# Subsets


def test_subset(make_folder):
    data = ImageDataset.from_folder(make_folder({"cat": 3, "dog": 2}))
    part = data.subset([4, 0, -2])
    assert part.labels.tolist() == [1, 0, 1]
    assert part.paths == [data.paths[4], data.paths[0], data.paths[3]]
    np.testing.assert_array_equal(part.images, data.images[[4, 0, 3]])
    assert part.classes == data.classes
    assert part.preprocessing == data.preprocessing
    part.images[:] = 0
    assert data.images.any()
    assert data.subset(data.labels == 1).counts == {"cat": 0, "dog": 2}
    assert len(data.subset([])) == 0
    for wrong in ([0.5], [[0, 1]], "ab"):
        with pytest.raises(TypeError, match="indices"):
            data.subset(wrong)
    with pytest.raises(IndexError):
        data.subset([5])


def test_inconsistent_parts_are_refused(make_folder):
    data = ImageDataset.from_folder(make_folder({"cat": 1, "dog": 1}))
    parts = (data.images, data.labels, data.classes, data.preprocessing, data.paths)
    for position, wrong in (
        (0, data.images[:1]),
        (0, data.images.astype(np.float32)),
        (0, data.images[:, :3]),
        (1, data.labels[:1]),
        (1, data.labels + 1),
        (4, []),
    ):
        changed = [*parts[:position], wrong, *parts[position + 1 :]]
        with pytest.raises(ValueError, match=r"length|preprocessing|outside"):
            ImageDataset(*changed)


# Unlabelled images


def test_list_images(make_folder):
    root = make_folder({"b": 2, "a": 1})
    (root / ".hidden").mkdir()
    (root / ".hidden" / "x.png").write_bytes(b"x")
    (root / "notes.txt").write_text("x")
    expected = [str(root / name) for name in ("a/000.png", "b/000.png", "b/001.png", "notes.txt")]
    assert list_images(root) == expected
    assert list_images(str(root / "a" / "000.png")) == [str(root / "a" / "000.png")]
    assert list_images([root / "b", root / "a" / "000.png"]) == [*expected[1:3], expected[0]]
    files, skipped = find_images([root])
    assert files == expected
    assert skipped == [SkippedFile(str(root / ".hidden/x.png"), "is in a hidden folder", "hidden")]


def test_list_images_refuses(tmp_path: Path):
    with pytest.raises(DataError, match="none: no such file"):
        list_images(tmp_path / "none")
    with pytest.raises(DataError, match="none: no such file"):
        list_images([tmp_path / "none"])
    with pytest.raises(DataError, match="holds no files"):
        list_images(tmp_path)
    with pytest.raises(DataError, match="empty"):
        list_images([])
    with pytest.raises(TypeError, match="bytes"):
        list_images([b"a"])
    with pytest.raises(TypeError, match="int"):
        list_images(3)


def test_listing_by_the_core_gives_what_python_gives(tmp_path: Path, monkeypatch):
    """Plain folders are listed by the core; it leaves all others to Python."""
    names = ["b.png", "a.png", "B.png", "a b.png", "10.png", "9.png", "x"]
    plain = tmp_path / "plain"
    plain.mkdir()
    for name in names:
        (plain / name).write_bytes(b"x")
    assert _core.plain_files(str(plain)) == sorted(names)
    assert _core.plain_files(str(tmp_path / "none")) is None
    assert _core.plain_files(str(plain / "x")) is None
    (tmp_path / "empty").mkdir()
    assert _core.plain_files(str(tmp_path / "empty")) == []
    odd = {
        "hidden": lambda folder: (folder / ".hidden").write_bytes(b""),
        "macos": lambda folder: (folder / "__MACOSX").write_bytes(b""),
        "folder": lambda folder: (folder / "aa").mkdir(),
        "link": lambda folder: (folder / "link").symlink_to(folder / "x"),
        "pipe": lambda folder: os.mkfifo(folder / "pipe"),
        "accent": lambda folder: (folder / "caf\u00e9.png").write_bytes(b""),
        "bytes": lambda folder: open(os.fsencode(folder) + b"/\xff.png", "wb").close(),
    }
    for name, make in odd.items():
        shutil.copytree(plain, tmp_path / name)
        make(tmp_path / name)
        assert _core.plain_files(str(tmp_path / name)) is None, name
    for ending in ("", os.sep):
        by_core = find_images(f"{plain}{ending}")
        with monkeypatch.context() as patch:
            patch.setattr(_core, "plain_files", lambda folder: None)
            assert find_images(f"{plain}{ending}") == by_core
