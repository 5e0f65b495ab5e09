"""Damage of a cache: any byte of any of its files, before it is read and while it is in use.

    NNCORE_TEST_CALLS=3000 NNCORE_TEST_SEED=1 pytest tests/data/test_damaged_cache.py

is the long form.
"""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

import limited_cases
import nncore as nn
from nncore.data import ImageDataset
from nncore.data.reading import image_cache
from nncore.data.reading.cache_folder import MANIFEST
from nncore.data.reading.feature_store import FeatureStore
from nncore.data.reading.image_cache import CacheEntry
from nncore.data.reading.settings import Reading
from nncore.data.reading.source import Source
from nncore.files.own_folders import MARKER

CALLS = int(os.environ.get("NNCORE_TEST_CALLS", "90"))
SEED = int(os.environ.get("NNCORE_TEST_SEED", "0"))
OLD_AT_ONCE = -(10**12)  # nanoseconds


@pytest.fixture(autouse=True)
def _trust_new_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "_YOUNG_NS", OLD_AT_ONCE)


def trust_new_files() -> None:
    """The same in a process of its own."""
    image_cache._YOUNG_NS = OLD_AT_ONCE


@pytest.fixture
def root(make_folder) -> Path:
    return make_folder({"cat": 9, "dog": 8}, channels=3)


def entry(cache: Path) -> Path:
    return next(cache.glob(f"*/{MANIFEST}")).parent


def same(ours: ImageDataset, plain: ImageDataset) -> None:
    assert (ours.paths, ours.digests, ours.pixel_digests) == (
        plain.paths,
        plain.digests,
        plain.pixel_digests,
    )
    for one, other in zip(ours.split(0.3, 0.3), plain.split(0.3, 0.3), strict=True):
        assert one.paths == other.paths
    np.testing.assert_array_equal(np.asarray(ours.images), plain.images)


def damages(cache: Path):
    """Calls that each spoil one file: a bit flipped, or cut off somewhere."""
    rng = np.random.default_rng(SEED)
    for call in range(CALLS):

        def spoil(kind: int = call % 3, cut: bool = rng.random() < 0.25) -> str:
            (path,) = entry(cache).glob(("images-*", "files-*", MANIFEST)[kind])
            data = bytearray(path.read_bytes())
            place = int(rng.integers(len(data)))
            if cut:
                os.truncate(path, place)
                return f"{path.name} cut at {place}"
            data[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(data)
            return f"{path.name} flipped at {place}"

        yield spoil


def damaged_bytes(root, cache):
    plain = ImageDataset.from_folder(root)
    trust_new_files()
    same(ImageDataset.from_folder(root, cache=cache), plain)
    for spoil in damages(cache):
        what, before = spoil(), entry(cache).stat().st_mtime_ns
        same(ImageDataset.from_folder(root, cache=cache), plain)
        assert entry(cache).stat().st_mtime_ns > before, what
        again = ImageDataset.from_folder(root, cache=cache)
        assert again.notes == [], what
        yield what


def test_any_damaged_byte_is_found_and_the_cache_is_made_anew(root, tmp_path):
    limited_cases.run(damaged_bytes, root, tmp_path / "cache")


def cuts(root, cache):
    trust_new_files()
    data = ImageDataset.from_folder(root, cache=cache)
    cached = CacheEntry(cache, Source(str(root), str(root), data.paths), Reading().request)
    assert cached.find() is not None
    rng = np.random.default_rng(SEED)
    for path in entry(cache).iterdir():
        if path.name == MARKER:
            continue
        whole = path.read_bytes()
        places = np.arange(len(whole))
        for place in places if CALLS >= 1000 else rng.permutation(places)[:CALLS]:
            path.write_bytes(whole[:place])
            assert cached.find() is None, f"{path.name} cut at {place}"
            yield f"{path.name} cut at {place}"
        path.write_bytes(whole)
    assert cached.find() is not None


def test_every_file_cut_off_anywhere_is_no_cache(root, tmp_path):
    limited_cases.run(cuts, root, tmp_path / "cache")


def test_damage_of_a_cache_in_use(root, tmp_path):
    plain = ImageDataset.from_folder(root)
    cache = tmp_path / "cache"
    for size in (0, 200, 1000):
        data = ImageDataset.from_folder(root, cache=cache)
        train, _, _ = data.split(0.3)
        (path,) = entry(cache).glob("images-*")
        os.truncate(path, size)
        np.testing.assert_array_equal(
            train.images[0], data.images[data.paths.index(train.paths[0])]
        )
        same(data, plain)


def test_a_cache_whose_pictures_are_gone_is_an_error_that_does_not_stay(root, tmp_path):
    cache = tmp_path / "cache"
    data = ImageDataset.from_folder(root, cache=cache)
    data = ImageDataset.from_folder(root, cache=cache)
    (path,) = entry(cache).glob("images-*")
    os.truncate(path, 300)
    Path(data.paths[0]).unlink()
    model = nn.Sequential([nn.Flatten(), nn.Dense(2)])
    with pytest.raises(nn.DataError, match=r"images-\w+\.npy: damaged or truncated .* run again"):
        model.fit(data, epochs=1, verbose=0)
    model.fit(ImageDataset.from_folder(root, cache=cache), epochs=1, verbose=0)


def test_a_cache_cut_off_during_training_ends_it_with_an_error(make_folder, tmp_path):
    root = make_folder({"cat": 300, "dog": 300}, channels=3)
    cache = tmp_path / "cache"
    data = ImageDataset.from_folder(root, size=32, cache=cache)
    (path,) = entry(cache).glob("images-*")

    class Cut(nn.Callback):
        def on_epoch_end(self, epoch, logs):
            os.truncate(path, 5000)

    model = nn.Sequential([nn.Flatten(), nn.Dense(2)])
    with pytest.raises((OSError, nn.DataError), match="truncated"):
        model.fit(data, epochs=5, verbose=0, callbacks=[Cut()])
    ImageDataset.from_folder(root, size=32, cache=cache)
    model.fit(ImageDataset.from_folder(root, size=32, cache=cache), epochs=1, verbose=0)


def damaged_features(folder):
    rng = np.random.default_rng(SEED)
    digests = [rng.bytes(16) for _ in range(30)]
    rows = rng.random((30, 7), np.float32)
    for call in range(CALLS):
        store = FeatureStore({"call": call}, 7, folder)
        store.add(digests, rows)
        (path,) = store.folder.glob("features-*") if call % 2 else store.folder.glob(MANIFEST)
        data = bytearray(path.read_bytes())
        place = int(rng.integers(len(data)))
        if call % 5 == 0:
            os.truncate(path, place)
        else:
            data[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(data)
        store = FeatureStore({"call": call}, 7, folder)
        assert not store.find(digests)[1].any(), f"{path.name} at {place}"
        store.add(digests, rows)
        found, known = FeatureStore({"call": call}, 7, folder).find(digests)
        assert known.all()
        np.testing.assert_array_equal(found, rows)
        shutil.rmtree(store.folder)  # else each call looks through those of all before
        yield f"{path.name} at {place}"


def test_damaged_features_are_computed_again(tmp_path):
    limited_cases.run(damaged_features, tmp_path)


def test_a_data_set_of_a_cache_pickles(root, tmp_path):
    data = ImageDataset.from_folder(root, cache=tmp_path / "cache")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(data)).images, data.images)
