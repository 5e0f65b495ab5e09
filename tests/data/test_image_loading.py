"""Threads, progress and the automatic choice of size and colour."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore.data import ImageDataset, Preprocessing, decode_image, load_images
from nncore.data.reading.workers import default_workers


def write(path: Path, height: int, width: int, kind: str = "gray") -> None:
    rng = np.random.default_rng(height * 1000 + width)
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"gray": (), "rgb": (3,), "rgba": (4,), "la": (2,)}
    if kind == "gray16":
        image = Image.fromarray(rng.integers(0, 65536, (height, width), dtype=np.uint16))
    elif kind == "1":
        image = Image.fromarray(rng.integers(0, 2, (height, width)).astype(bool))
    else:
        pixels = rng.integers(0, 256, (height, width, *channels[kind]), dtype=np.uint8)
        image = Image.fromarray(pixels)
    image.save(path)


def folder(tmp_path: Path, *pictures: tuple[int, int, str]) -> Path:
    for number, (height, width, kind) in enumerate(pictures):
        write(tmp_path / "photos" / f"class{number % 2}" / f"{number}.png", height, width, kind)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("pictures", "expected"),
    [
        ([(8, 6, "gray"), (8, 6, "gray")], (8, 6, "gray")),
        ([(64, 64, "rgb"), (64, 64, "gray")], (64, 64, "rgb")),
        ([(64, 20, "rgb"), (64, 20, "rgb")], (64, 20, "rgb")),
        ([(8, 6, "gray"), (6, 8, "gray")], (64, 64, "gray")),
        ([(65, 64, "gray"), (65, 64, "gray")], (64, 64, "gray")),
        ([(65, 64, "gray"), (8, 6, "rgba")], (64, 64, "rgb")),
        ([(100, 90, "rgb"), (64, 64, "gray"), (5, 5, "gray16")], (64, 64, "rgb")),
        ([(9, 9, "gray16"), (9, 9, "1"), (9, 9, "la"), (9, 9, "gray")], (9, 9, "gray")),
    ],
)
def test_automatic_size_and_colour(tmp_path: Path, pictures, expected):
    data = ImageDataset.from_folder(folder(tmp_path, *pictures))
    assert data.preprocessing == Preprocessing(*expected)
    # One decode path: what was read in one pass is what inference reads.
    for image, path in zip(data.images, data.paths, strict=True):
        np.testing.assert_array_equal(image, decode_image(path, data.preprocessing))


@pytest.mark.parametrize("color", [None, "gray", "rgb"])
@pytest.mark.parametrize("size", [None, 7, (12, 5), [12, 5]])
def test_asked_size_and_colour(tmp_path: Path, size, color):
    root = folder(tmp_path, (8, 6, "gray"), (70, 80, "rgb"), (9, 9, "gray16"), (40, 7, "rgba"))
    data = ImageDataset.from_folder(root, size=size, color=color)
    height, width = (64, 64) if size is None else (7, 7) if size == 7 else (12, 5)
    assert data.preprocessing == Preprocessing(height, width, color or "rgb")
    for image, path in zip(data.images, data.paths, strict=True):
        np.testing.assert_array_equal(image, decode_image(path, data.preprocessing))


def test_a_models_preprocessing_takes_the_place_of_size_and_color(tmp_path: Path):
    root = folder(tmp_path, (8, 6, "gray"), (70, 80, "rgba"))
    plan = Preprocessing(
        5, 9, "rgb", alpha_background=(10, 20, 30), mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0)
    )
    data = ImageDataset.from_folder(root, size=3, color="gray", preprocessing=plan)
    assert data.preprocessing is plan
    for image, path in zip(data.images, data.paths, strict=True):
        np.testing.assert_array_equal(image, decode_image(path, plan))


def test_order_and_pixels_do_not_depend_on_threads(make_folder):
    root = make_folder({"cat": 60, "dog": 50}, 12, 12, 3)
    (root / "cat" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    one = ImageDataset.from_folder(root, workers=1)
    for workers in (2, 5):
        more = ImageDataset.from_folder(root, workers=workers)
        np.testing.assert_array_equal(one.images, more.images)
        assert one.paths == more.paths
        assert one.skipped == more.skipped


@pytest.mark.parametrize("workers", [1, 2, None])
def test_progress_counts_up_to_the_number_of_files(make_folder, workers):
    root = make_folder({"cat": 60, "dog": 50}, 2, 2)
    (root / "cat" / "notes.txt").write_text("x")
    calls: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        calls.append((done, total))

    ImageDataset.from_folder(root, workers=workers, progress=progress)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1] == (111, 111)
    assert {total for _, total in calls} == {111}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interruption_ends_the_reading(make_folder, workers):
    root = make_folder({"cat": 100, "dog": 100}, 2, 2)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ImageDataset.from_folder(root, workers=workers, progress=stop)
    assert not [t for t in threading.enumerate() if t.name.startswith("nncore-decode")]


def test_load_images(make_folder):
    root = make_folder({"cat": 3})
    files = sorted((root / "cat").iterdir())
    (root / "notes.txt").write_text("x")
    plan = Preprocessing(4, 4, "rgb")
    listed = [files[2], root / "notes.txt", files[0], root / "gone.png"]
    images, kept, skipped = load_images(listed, plan)
    assert kept == [str(files[2]), str(files[0])]
    assert [(file.path, file.kind) for file in skipped] == [
        (str(root / "notes.txt"), "foreign"),
        (str(root / "gone.png"), "broken"),
    ]
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, [decode_image(path, plan) for path in kept])
    images, kept, skipped = load_images([], plan)
    assert (images.shape, kept, skipped) == ((0, 4, 4, 3), [], [])


def test_default_workers_follow_the_affinity():
    import os

    assert default_workers() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("allowed", [0, 1])
def test_too_few_threads_are_fewer_threads(make_folder, monkeypatch, allowed):
    root = make_folder({"cat": 90, "dog": 90})
    plain = ImageDataset.from_folder(root, workers=1)
    start, started = threading.Thread.start, []

    def begin(thread):
        if len(started) == allowed:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr("threading.Thread.start", begin)
    data = ImageDataset.from_folder(root, workers=3)
    assert len(started) == allowed
    np.testing.assert_array_equal(data.images, plain.images)
    assert data.digests == plain.digests
