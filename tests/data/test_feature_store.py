"""Features kept by digest: in memory, on disk, and when the disk holds something else."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from nncore.data.reading import cache_folder, feature_store
from nncore.data.reading.cache_folder import CacheError, read_manifest, write_manifest
from nncore.data.reading.feature_store import FeatureStore
from nncore.files.own_folders import MARKER

WAY = {"sha256": "0" * 64, "output": "pooled"}
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
DIGESTS = [bytes([i] * 16) for i in range(4)]


def stored(store, digests=DIGESTS, rows=ROWS):
    found, known = store.find(digests)
    assert known.all()
    np.testing.assert_array_equal(found, rows)


def files(store):
    return sorted(set(os.listdir(store.folder)) - {MARKER})


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_rows_come_back(tmp_path, place):
    store = FeatureStore(WAY, 3, tmp_path / "cache" if place == "disk" else None)
    assert not store.find(DIGESTS)[1].any()
    store.add(DIGESTS[:2], ROWS[:2])
    store.add(DIGESTS[1:], ROWS[1:] * np.float32([[9], [1], [1]]))  # what is known stays
    stored(store)
    assert len(store) == 4
    if place == "disk":
        again = FeatureStore(WAY, 3, tmp_path / "cache")
        stored(again)
        assert again._map is not None
        assert files(store)[1:] == ["manifest.json"]


def test_each_way_has_its_own(tmp_path):
    FeatureStore(WAY, 3, tmp_path).add(DIGESTS, ROWS)
    assert len(FeatureStore({**WAY, "output": "logits"}, 3, tmp_path)) == 0
    assert len(FeatureStore(dict(reversed(WAY.items())), 3, tmp_path)) == 4


def test_two_processes_add_to_each_other(tmp_path):
    one, two = FeatureStore(WAY, 3, tmp_path), FeatureStore(WAY, 3, tmp_path)
    one.add(DIGESTS[:2], ROWS[:2])
    two.add(DIGESTS[2:], ROWS[2:])
    stored(FeatureStore(WAY, 3, tmp_path))
    stored(one, DIGESTS[:2], ROWS[:2])  # its file is gone by now, its map is not


@pytest.mark.parametrize("damage", ["json", "no rows", "short", "other way", "wide"])
def test_what_is_damaged_is_made_anew(tmp_path, damage):
    store = FeatureStore(WAY, 3, tmp_path)
    store.add(DIGESTS, ROWS)
    path = store.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    rows = store.folder / manifest["features"]
    if damage == "json":
        path.write_text("{")
    elif damage == "no rows":
        rows.unlink()
    elif damage == "short":
        rows.write_bytes(rows.read_bytes()[:-1])
    elif damage == "other way":
        write_manifest(store.folder, {**read_manifest(store.folder), "way": {}})
    else:
        np.save(rows, np.zeros((4, 5), np.float32))
    store = FeatureStore(WAY, 3, tmp_path)
    assert len(store) == 0
    store.add(DIGESTS, ROWS)
    stored(FeatureStore(WAY, 3, tmp_path))
    assert len(files(store)) == 2


def test_a_full_disk_keeps_the_old_rows(tmp_path, monkeypatch):
    store = FeatureStore(WAY, 3, tmp_path)
    store.add(DIGESTS[:2], ROWS[:2])
    before = files(store)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CacheError, match="cannot be written: No space left"):
        store.add(DIGESTS[2:], ROWS[2:])
    stored(store)  # in memory all the same
    assert files(store) == before
    stored(FeatureStore(WAY, 3, tmp_path), DIGESTS[:2], ROWS[:2])


def test_the_limit_of_the_cache_counts_features(tmp_path, monkeypatch):
    old = FeatureStore(WAY, 3, tmp_path)
    old.add(DIGESTS, ROWS)
    os.utime(old.folder / "manifest.json", (1, 1))
    monkeypatch.setattr(cache_folder, "LIMIT_BYTES", 1)
    new = FeatureStore({**WAY, "output": "logits"}, 3, tmp_path)
    new.add(DIGESTS, ROWS)
    assert not old.folder.exists()
    stored(FeatureStore({**WAY, "output": "logits"}, 3, tmp_path))


def test_memory_has_a_limit(monkeypatch):
    monkeypatch.setattr(feature_store, "_MEMORY_BYTES", 3 * ROWS[0].nbytes)
    store = FeatureStore(WAY, 3, None)
    store.add(DIGESTS[:3], ROWS[:3])
    store.add(DIGESTS[3:], ROWS[3:])
    found, known = store.find(DIGESTS)
    assert known.tolist() == [False, False, False, True]
    np.testing.assert_array_equal(found, ROWS * known[:, np.newaxis])  # no row of another image
    store.add(DIGESTS[:3], ROWS[:3])
    stored(store, DIGESTS[:3], ROWS[:3])
