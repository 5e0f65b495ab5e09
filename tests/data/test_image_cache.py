"""Decoded images on disk: found again, made anew when anything changed, whole or absent."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nncore.data import ImageDataset, Preprocessing, decode_image
from nncore.data.digests import pixel_digest
from nncore.data.mapped import MappedImages
from nncore.data.pictures.request import Request
from nncore.data.reading import cache_folder, image_cache, load, source
from nncore.data.reading.cache_folder import read_manifest, write_manifest
from nncore.data.reading.settings import Reading
from nncore.files.own_folders import MARKER

Decodes = Callable[[], int]


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> Decodes:
    """How many files were decoded since the last call."""
    count = [0]
    decode_files = load.decode_files

    def counting(paths, request):
        count[0] += len(paths)
        return decode_files(paths, request)

    def taken() -> int:
        count[0], result = 0, count[0]
        return result

    monkeypatch.setattr(load, "decode_files", counting)
    return taken


def age(root: Path, seconds: float = 3600) -> None:
    """Give all files the time stamps of an hour ago, and let the cache believe in them."""
    for path in root.rglob("*"):
        stamp = time.time_ns() - int(seconds * 1e9)
        os.utime(path, ns=(stamp, stamp))


@pytest.fixture(autouse=True)
def _trust_new_files(monkeypatch: pytest.MonkeyPatch) -> None:
    # Files of a test are milliseconds old, and the time of a change of status cannot be set.
    monkeypatch.setattr(image_cache, "_YOUNG_NS", -(10**12))


def same(a: ImageDataset, b: ImageDataset) -> None:
    np.testing.assert_array_equal(a.images, b.images)
    assert a.labels.tolist() == b.labels.tolist()
    assert a.preprocessing == b.preprocessing
    assert (a.paths, a.skipped, a.classes) == (b.paths, b.skipped, b.classes)
    assert (a.digests, a.pixel_digests) == (b.digests, b.pixel_digests)
    assert (a.given_split, a.groups) == (b.given_split, b.groups)
    for ours, theirs in zip(a.split(0.2, 0.2), b.split(0.2, 0.2), strict=True):
        assert ours.paths == theirs.paths


def files_of(place: Path) -> list[str]:
    return sorted(path.name for path in place.glob("*/*") if path.name != MARKER)


def test_the_second_run_decodes_nothing_and_gives_the_same(make_folder, tmp_path, decodes):
    root = make_folder({"cat": 40, "dog": 30}, channels=3)
    (root / "cat" / "notes.txt").write_text("x")
    (root / "dog" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    options = {"max_broken": 0.1, "cache": tmp_path / "cache"}
    plain = ImageDataset.from_folder(root, max_broken=0.1)
    assert decodes() == 72
    first = ImageDataset.from_folder(root, **options)
    assert decodes() == 72
    calls = []
    second = ImageDataset.from_folder(root, progress=lambda *call: calls.append(call), **options)
    assert decodes() == 0
    assert calls == [(72, 72)]
    same(plain, first)
    same(plain, second)
    assert first.notes == second.notes == []


def test_no_file_is_read_again(make_folder, tmp_path, monkeypatch):
    root = make_folder({"cat": 4, "dog": 3})
    ImageDataset.from_folder(root, cache=tmp_path / "cache")
    open_file = os.open

    def opened(path, *rest):
        assert Path(path).suffix != ".png"
        return open_file(path, *rest)

    monkeypatch.setattr(os, "open", opened)
    found = image_cache.CacheEntry(
        tmp_path / "cache",
        source.Source(str(root), str(root), sorted(map(str, root.glob("*/*.png")))),
        Request(None, None, (255, 255, 255), 1 << 26),
    ).find()
    monkeypatch.undo()
    assert found is not None
    assert isinstance(found.images, MappedImages)
    assert not found.images.source.flags.writeable
    assert not found.images[:].flags.writeable  # a slice is no copy


def test_tables_keep_their_split_and_groups(make_folder, tmp_path, decodes):
    root = make_folder({"cat": 6, "dog": 6})
    lines = ["path,label,split,group"]
    for path in sorted(root.glob("*/*.png")):
        part = "val" if path.stem == "001" else "train"
        lines.append(f"{path.relative_to(root)},{path.parent.name},{part},g{path.stem}")
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    plain = ImageDataset.from_csv(root / "list.csv")
    ImageDataset.from_csv(root / "list.csv", cache=tmp_path / "cache")
    decodes()
    same(plain, ImageDataset.from_csv(root / "list.csv", cache=tmp_path / "cache"))
    assert decodes() == 0


def change_pixels(path: Path) -> None:
    """Other content of the same size, with the same time of change."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def bmp_folder(root: Path, count: int = 6) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.bmp")
    return root


@pytest.mark.parametrize(
    "change",
    [
        lambda root: change_pixels(root / "cat" / "3.bmp"),
        lambda root: shutil.copy(root / "dog" / "1.bmp", root / "cat" / "3.bmp"),
        lambda root: shutil.copy(root / "dog" / "1.bmp", root / "cat" / "new.bmp"),
        lambda root: (root / "cat" / "3.bmp").unlink(),
        lambda root: (root / "cat" / "3.bmp").rename(root / "dog" / "30.bmp"),
        lambda root: (root / "cat" / "3.bmp").write_bytes(b""),
    ],
    ids=["edited", "replaced", "added", "removed", "moved", "emptied"],
)
def test_a_changed_file_makes_it_anew(tmp_path, decodes, change):
    root = bmp_folder(tmp_path / "photos")
    options = {"max_broken": 0.5, "cache": tmp_path / "cache"}
    ImageDataset.from_folder(root, **options)
    change(root)
    decodes()
    data = ImageDataset.from_folder(root, **options)
    assert decodes() == len(list(root.glob("*/*.bmp")))
    same(ImageDataset.from_folder(root, max_broken=0.5), data)
    decodes()
    same(data, ImageDataset.from_folder(root, **options))
    assert decodes() == 0
    assert len(files_of(tmp_path / "cache")) == 3  # the older images are gone


def test_files_that_were_only_touched_are_compared_by_content(tmp_path, decodes):
    root = bmp_folder(tmp_path / "photos")
    ImageDataset.from_folder(root, cache=tmp_path / "cache")
    manifest = next((tmp_path / "cache").glob("*/manifest.json"))
    before = json.loads(manifest.read_bytes())
    for changes in ("digest", "files_checksum"):
        before.pop(changes)
    records = np.load(manifest.with_name(before.pop("files")))
    decodes()
    age(root)
    ImageDataset.from_folder(root, cache=tmp_path / "cache")
    assert decodes() == 0
    after = json.loads(manifest.read_bytes())
    refreshed = np.load(manifest.with_name(after.pop("files")))
    assert {**before, **after} == after
    for name in ("digest", "pixel_digest"):
        np.testing.assert_array_equal(refreshed[name], records[name])
    # So that they are not read once more.
    assert (refreshed["status"] != records["status"]).any(axis=1).all()
    assert len(files_of(tmp_path / "cache")) == 3  # the older records are gone


@pytest.mark.parametrize("young", [True, False])
def test_files_written_just_before_are_not_trusted(tmp_path, monkeypatch, young):
    """With coarse time stamps a second change could leave the same ones."""
    root = bmp_folder(tmp_path / "photos")
    monkeypatch.setattr(image_cache, "_YOUNG_NS", 10**12 if young else -(10**12))
    ImageDataset.from_folder(root, cache=tmp_path / "cache")
    compared = []
    digest = image_cache._file_digest
    monkeypatch.setattr(
        image_cache, "_file_digest", lambda path: compared.append(path) or digest(path)
    )
    ImageDataset.from_folder(root, cache=tmp_path / "cache")
    assert len(compared) == (12 if young else 0)


def test_each_way_of_reading_has_a_place(tmp_path, decodes):
    root = bmp_folder(tmp_path / "photos")
    place = tmp_path / "cache"
    for options in ({}, {"size": 5}, {"color": "rgb"}, {"size": 5, "color": "rgb"}):
        decodes()
        data = ImageDataset.from_folder(root, cache=place, **options)
        assert decodes() == 12, options
        same(data, ImageDataset.from_folder(root, **options))
    # What was left open and came out as is now asked for has the same pixels.
    for options in ({"size": 8, "color": "gray"}, {"preprocessing": Preprocessing(8, 8, "gray")}):
        decodes()
        ImageDataset.from_folder(root, cache=place, **options)
        assert decodes() == 0
    plan = Preprocessing(8, 8, "gray", mean=(0.5,), std=(0.2,))
    assert ImageDataset.from_folder(root, cache=place, preprocessing=plan).preprocessing is plan
    dark = Preprocessing(8, 8, "gray", alpha_background=(0, 0, 0))
    assert decodes() == 0
    ImageDataset.from_folder(root, cache=place, preprocessing=dark)
    assert decodes() == 12


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "manifest.json").write_bytes(b"{"),
        lambda folder: (folder / "manifest.json").write_bytes(b"[]"),
        lambda folder: (folder / "manifest.json").write_bytes(b"\xff\x00"),
        lambda folder: edit(folder, made_by={"format": 0, "pillow": "1"}),
        lambda folder: edit(folder, names=""),
        lambda folder: edit(folder, images="gone.npy"),
        lambda folder: edit(folder, files="gone.npy"),
        lambda folder: edit(folder, files=next(folder.glob("images-*")).name),
        lambda folder: os.truncate(next(folder.glob("files-*")), 300),
        lambda folder: np.save(next(folder.glob("files-*")), np.zeros(11, image_cache._RECORD)),
        lambda folder: edit(folder, preprocessing={}),
        lambda folder: next(folder.glob("images-*")).write_bytes(b"short"),
        lambda folder: os.truncate(next(folder.glob("images-*")), 300),
        lambda folder: np.save(next(folder.glob("images-*")), np.zeros((12, 8, 7, 1), np.uint8)),
        lambda folder: next(folder.glob("images-*")).unlink(),
    ],
)
def test_a_damaged_cache_is_made_anew(tmp_path, decodes, spoil):
    root = bmp_folder(tmp_path / "photos")
    plain = ImageDataset.from_folder(root)
    ImageDataset.from_folder(root, cache=tmp_path / "cache")
    spoil(next((tmp_path / "cache").glob("*/manifest.json")).parent)
    decodes()
    same(plain, ImageDataset.from_folder(root, cache=tmp_path / "cache"))
    assert decodes() == 12
    same(plain, ImageDataset.from_folder(root, cache=tmp_path / "cache"))
    assert decodes() == 0


def edit(folder: Path, **values: object) -> None:
    write_manifest(folder, {**read_manifest(folder), **values})


@pytest.mark.parametrize("workers", [1, 2])
def test_sizes_and_colours_that_turn_out_to_differ(tmp_path, workers):
    """What was stored before the first one that differs is converted."""
    rng = np.random.default_rng(1)
    root = tmp_path / "photos"
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
    shapes = [(8, 6)] * 70 + [(8, 6, 3)] * 2 + [(8, 6)] * 40 + [(5, 9)] + [(90, 70, 3)] * 30
    for number, shape in enumerate(shapes):
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(root / ("cat", "dog")[number > 120] / f"{number:04}.png")
    plain = ImageDataset.from_folder(root, workers=workers)
    assert plain.preprocessing == Preprocessing(64, 64, "rgb")
    for image, path in zip(plain.images, plain.paths, strict=True):
        np.testing.assert_array_equal(image, decode_image(path, plain.preprocessing))
    assert plain.pixel_digests == [pixel_digest(image) for image in plain.images]
    for _ in range(2):
        same(plain, ImageDataset.from_folder(root, workers=workers, cache=tmp_path / "cache"))
    assert len(files_of(tmp_path / "cache")) == 3


READ = """
import sys
from nncore.data import ImageDataset
from nncore.files.own_folders import MARKER
data = ImageDataset.from_folder(sys.argv[1], cache=sys.argv[2])
print(len(data), int(data.images[...].sum()), data.notes)
"""


def start(root: Path, place: Path, script: str = READ) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(root), str(place)], stdout=subprocess.PIPE, text=True
    )


def test_a_new_name_can_change_what_a_file_counts_as(tmp_path, decodes):
    root = bmp_folder(tmp_path / "photos")
    options = {"max_broken": 0.5, "cache": tmp_path / "cache"}
    (root / "cat" / "9.txt").write_text("no picture")
    assert ImageDataset.from_folder(root, **options).skipped[0].kind == "foreign"
    (root / "cat" / "9.txt").rename(root / "cat" / "9.jpg")
    assert ImageDataset.from_folder(root, **options).skipped[0].kind == "broken"


def test_a_killed_process_leaves_nothing_that_counts(make_folder, tmp_path, decodes):
    root = make_folder({"cat": 50, "dog": 50})
    place = tmp_path / "cache"
    stuck = READ.replace(
        "data = ",
        "import time\n"
        "def stop(done, total):\n"
        "    print(done, flush=True)\n"
        "    time.sleep(60)\n"
        "data = ",
    ).replace("cache=", "progress=stop, cache=")
    for _ in range(2):  # the second one removes what the first has left
        process = start(root, place, stuck)
        assert process.stdout is not None
        assert process.stdout.readline() == "32\n"  # it has written some images
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert [name.split("-")[0] for name in files_of(place)] == ["images"]
    plain = ImageDataset.from_folder(root)
    decodes()
    same(plain, ImageDataset.from_folder(root, cache=place))
    assert decodes() == 100
    assert [name.split("-")[0] for name in files_of(place)] == ["files", "images", "manifest.json"]


def test_two_processes_make_one_cache(make_folder, tmp_path, decodes):
    root = make_folder({"cat": 60, "dog": 60}, 20, 20, 3)
    place = tmp_path / "cache"
    processes = [start(root, place) for _ in range(2)]
    answers = {process.communicate(timeout=60)[0] for process in processes}
    plain = ImageDataset.from_folder(root)
    assert answers == {f"120 {int(plain.images.sum())} []\n"}
    assert [name.split("-")[0] for name in files_of(place)] == ["files", "images", "manifest.json"]
    decodes()
    same(plain, ImageDataset.from_folder(root, cache=place))
    assert decodes() == 0


def test_who_waits_finds_what_the_other_has_made(tmp_path, decodes, monkeypatch):
    root = bmp_folder(tmp_path / "photos")
    place = tmp_path / "cache"
    find = image_cache.CacheEntry.find
    looks = []

    def other_first(self):
        looks.append(self)
        found = find(self)
        if len(looks) == 1:  # between the first look and the lock
            monkeypatch.setattr(image_cache.CacheEntry, "find", find)
            ImageDataset.from_folder(root, cache=place)
        return found

    monkeypatch.setattr(image_cache.CacheEntry, "find", other_first)
    ImageDataset.from_folder(root, cache=place)
    assert decodes() == 12


def test_who_waits_for_long_says_so(tmp_path, monkeypatch):
    """Here another holds the lock until the wait was told for the second time."""
    root = bmp_folder(tmp_path / "photos")
    place = tmp_path / "cache"
    monkeypatch.setattr(cache_folder, "_PATIENCE_SECONDS", 0.01)
    lock = contextlib.ExitStack()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")

        def sleep(seconds):
            if len(told) == 2:
                lock.close()
            pause(seconds)

        pause = time.sleep
        monkeypatch.setattr(cache_folder.time, "sleep", sleep)
        place.mkdir()
        listed = source.Source(str(root), str(root), [])
        entry = image_cache.CacheEntry(place, listed, Reading().request)
        lock.enter_context(cache_folder.locked(entry.folder, wait=False))
        ImageDataset.from_folder(root, cache=place)
    texts = [str(warning.message) for warning in told]
    assert all("another process, " in text and str(place) in text for text in texts)
    # On a slow machine it is told once more before the lock is asked for again.
    *waiting, waited = [text.split(": ")[1].split()[0] for text in texts]
    assert (len(waiting) >= 2, set(waiting), waited) == (True, {"waiting"}, "waited")


def test_images_in_use_outlive_a_rebuild(tmp_path):
    root = bmp_folder(tmp_path / "photos")
    before = ImageDataset.from_folder(root, cache=tmp_path / "cache")
    pixels = np.array(before.images)
    change_pixels(root / "cat" / "3.bmp")
    ImageDataset.from_folder(root, cache=tmp_path / "cache")
    np.testing.assert_array_equal(before.images, pixels)


def test_without_room_the_images_are_read_and_a_note_says_so(tmp_path, monkeypatch):
    root = bmp_folder(tmp_path / "photos")
    plain = ImageDataset.from_folder(root)
    (tmp_path / "file").write_text("x")
    data = ImageDataset.from_folder(root, cache=tmp_path / "file")
    same(plain, data)
    assert len(data.notes) == 1
    assert "file: the cache cannot be written" in data.notes[0]
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(image_cache.shutil, "disk_usage", lambda path: usage)
    data = ImageDataset.from_folder(root, cache=tmp_path / "cache")
    same(plain, data)
    assert "the cache needs" in data.notes[0]
    monkeypatch.undo()

    def full(self, start, images):
        raise cache_folder.CacheError(f"{self.path}: the cache cannot be written: No space left")

    monkeypatch.setattr(image_cache.FileRows, "write", full)
    data = ImageDataset.from_folder(root, cache=tmp_path / "cache")
    same(plain, data)
    assert "No space left; the images are read without it" in data.notes[0]


def test_the_least_recently_used_go_first(tmp_path, monkeypatch):
    place = tmp_path / "cache"
    roots = [bmp_folder(tmp_path / f"photos{number}") for number in range(3)]
    for root in roots[:2]:
        ImageDataset.from_folder(root, cache=place)
    for hours, name in ((2, "photos1"), (1, "photos0")):
        stamp = time.time_ns() - hours * 3600 * 10**9
        os.utime(next(place.glob(f"{name}-*/manifest.json")), ns=(stamp, stamp))
    size = sum(path.stat().st_size for path in place.glob("photos0-*/*"))
    monkeypatch.setattr(cache_folder, "LIMIT_BYTES", int(2.5 * size))
    ImageDataset.from_folder(roots[2], cache=place)
    left = sorted(path.parent.name.split("-")[0] for path in place.glob("*/manifest.json"))
    assert left == ["photos0", "photos2"]
    # The one that was made last stays even if it alone is too large.
    monkeypatch.setattr(cache_folder, "LIMIT_BYTES", 1)
    ImageDataset.from_folder(roots[1], cache=place)
    assert [path.parent.name[:7] for path in place.glob("*/manifest.json")] == ["photos1"]


def test_the_default_place(tmp_path, monkeypatch, decodes):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    root = bmp_folder(tmp_path / "photos")
    ImageDataset.from_folder(root, cache=True)
    assert len(files_of(tmp_path / "xdg" / "nncore")) == 3
    assert (tmp_path / "xdg" / "nncore").stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder.default_cache_folder() == Path.home() / ".cache" / "nncore"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder.default_cache_folder() == Path.home() / "Library" / "Caches" / "nncore"
    for wrong in (None, 3):
        with pytest.raises(TypeError, match="cache must be a folder, True or False"):
            ImageDataset.from_folder(root, cache=wrong)


def test_names_that_are_not_utf8(tmp_path, decodes):
    root = bmp_folder(tmp_path / "photos")
    os.rename(root / "cat" / "1.bmp", os.fsencode(root / "cat") + b"/caf\xe9.bmp")
    ImageDataset.from_folder(root, cache=tmp_path / "cache")
    decodes()
    ImageDataset.from_folder(root, cache=tmp_path / "cache")
    assert decodes() == 0
