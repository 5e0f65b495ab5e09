"""Parts of a memory map: chosen without a copy, read like an array, trained on to the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nncore as nn
from nncore import _core
from nncore.data import ImageDataset
from nncore.data.mapped import MappedImages
from nncore.data.normalization import with_normalization


def mapped_array(path: Path, count: int, shape: tuple[int, ...] = (6, 5, 3)) -> np.memmap:
    pixels = np.random.default_rng(3).integers(0, 256, (count, *shape), dtype=np.uint8)
    np.save(path, pixels)
    return np.load(path, mmap_mode="r")


def test_indexing_is_that_of_the_array(tmp_path: Path):
    source = mapped_array(tmp_path / "a.npy", 20)
    rows = np.array([3, 0, 19, 7, 7], np.int32)
    images, array = MappedImages(source, rows), np.asarray(source)[rows]
    assert images.shape == array.shape
    assert (images.ndim, images.dtype, images.nbytes) == (4, np.uint8, array.nbytes)
    assert len(images) == 5
    for key in (
        *(2, -1, np.int64(1), slice(1, 4), slice(None, None, -1), [4, 0], np.array([1, 1])),
        *(np.array([True, False, True, True, False]), (2, 3), (slice(0, 2), 1), (..., 0)),
        (slice(None), slice(1, 3), 2, 1),
    ):
        np.testing.assert_array_equal(images[key], array[key])
    np.testing.assert_array_equal(np.asarray(images), array)
    np.testing.assert_array_equal(np.asarray(images, np.float32), array.astype(np.float32))
    np.testing.assert_array_equal(list(images), array)
    np.testing.assert_array_equal(images.take(np.array([4, 1])), array[[4, 1]])
    with pytest.raises(IndexError):
        images[5]
    with pytest.raises(ValueError, match="without a copy"):
        images.__array__(copy=False)


def test_parts_of_a_mapped_data_set_share_its_map(tmp_path: Path):
    source = mapped_array(tmp_path / "a.npy", 40)
    labels = np.arange(40) % 2
    data = ImageDataset.from_arrays(source, labels)
    plain = ImageDataset.from_arrays(np.array(source), labels)
    assert isinstance(data.images, np.memmap)
    for ours, theirs in zip(data.split(0.2, 0.2), plain.split(0.2, 0.2), strict=True):
        assert isinstance(ours.images, MappedImages)
        assert np.shares_memory(ours.images.source, source)
        assert np.shares_memory(ours.images[0], source)
        np.testing.assert_array_equal(ours.images, theirs.images)
        part = ours.subset([1, 0])
        assert isinstance(part.images, MappedImages)
        np.testing.assert_array_equal(part.images, theirs.images[[1, 0]])


def test_training_gives_the_same_bits_as_in_memory(tmp_path: Path):
    source = mapped_array(tmp_path / "a.npy", 90)
    labels = np.random.default_rng(0).integers(0, 3, 90)
    models, reports = [], []
    for images in (source, np.array(source)):
        data = ImageDataset.from_arrays(images, labels)
        train, val, test = data.split(0.2, 0.2, seed=1)
        train = with_normalization(train)
        # Dropout draws by the position in the part, not in the map.
        model = nn.Sequential([nn.Flatten(), nn.Dense(9, "relu"), nn.Dropout(0.4), nn.Dense(3)])
        model.fit(train, validation_data=val, epochs=3, batch_size=8, seed=5, verbose=0)
        models.append(model)
        reports.append((model.evaluate(test).loss, model.predict_proba(test).tobytes()))
    for ours, theirs in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    assert reports[0] == reports[1]


def test_mapped_images_must_suit_the_network(tmp_path: Path):
    data = ImageDataset.from_arrays(mapped_array(tmp_path / "a.npy", 12), np.arange(12) % 2)
    part = data.subset(range(6))
    model = nn.Sequential([nn.Flatten(), nn.Dense(2)])
    model.build((4, 4, 3))
    with pytest.raises(ValueError, match=r"\(N, 4, 4, 3\) for this network, not \(6, 6, 5, 3\)"):
        model.fit(part, verbose=0)
    with pytest.raises(nn.DataError, match="holds no image"):
        nn.Sequential([nn.Flatten(), nn.Dense(2)]).fit(data.subset([]), verbose=0)


def test_the_engine_checks_rows():
    builder = _core.Builder((4,))
    builder.add_dense("d", 2)
    network = builder.build(0)
    x, y = np.zeros((3, 4), np.float32), np.zeros(2, np.int32)
    order = np.arange(2, dtype=np.int32)

    def step(rows: object) -> object:
        return network.train_steps(
            x, y, order, 2, "cross_entropy", _core.Optimizer(0.1), 0, 0, rows=rows
        )

    step(np.array([2, 2], np.int32))
    for rows, message in (
        ([0, 3], r"rows\[1\] is 3, outside 0..2"),
        ([-1, 0], r"rows\[0\] is -1"),
        ([0, 1, 2], r"one entry per image \(3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            step(np.array(rows, np.int32))
    with pytest.raises(TypeError, match="rows must have dtype int32"):
        step(np.array([0, 1]))
    with pytest.raises(ValueError, match="rows must have 1 dimension"):
        step(np.zeros((1, 2), np.int32))
