"""The split: stratified, seeded, by content."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest

from nncore.data import ImageDataset


def random_set(counts: dict[str, int], seed: int = 0) -> ImageDataset:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (sum(counts.values()), 4, 4), dtype=np.uint8)
    labels = [name for name, count in counts.items() for _ in range(count)]
    names = [str(number) for number in range(len(labels))]
    return ImageDataset.from_arrays(images, labels, sorted(counts), names=names)


def sides(data: ImageDataset, **arguments) -> dict[tuple[str, bytes], set[str]]:
    """(class, pixels) -> the parts that hold it."""
    result: dict[tuple[str, bytes], set[str]] = {}
    for part, name in zip(data.split(**arguments), ("train", "val", "test"), strict=True):
        for image, label in zip(part.images, part.labels, strict=True):
            result.setdefault((data.classes.name(label), image.tobytes()), set()).add(name)
    return result


def join(first: ImageDataset, images: np.ndarray, labels: list[int]) -> ImageDataset:
    return ImageDataset.from_arrays(
        np.concatenate([first.images, images]), [*first.labels, *labels], first.classes
    )


@pytest.mark.parametrize(("val", "test"), [(0.15, 0.15), (0.2, 0.0), (0.0, 0.3), (0.1, 0.25)])
def test_each_class_is_split_in_the_asked_shares(val: float, test: float):
    data = random_set({"a": 100, "b": 37, "c": 10})
    parts = data.split(val, test, seed=3)
    for name, count in data.counts.items():
        shares = [part.counts[name] for part in parts]
        assert shares[1:] == [round(val * count), round(test * count)]
        assert sum(shares) == count
    together = sorted(int(path) for part in parts for path in part.paths)
    assert together == list(range(147))
    for part in parts:
        assert [int(path) for path in part.paths] == sorted(int(path) for path in part.paths)
        assert part.classes == data.classes
        assert part.split_notes == []


def test_defaults_give_three_parts_and_an_empty_test_part():
    train, val, test = random_set({"a": 20, "b": 20}).split()
    assert (len(train), len(val), len(test)) == (34, 6, 0)
    assert test.images.shape == (0, 4, 4, 1)
    assert test.counts == {"a": 0, "b": 0}


def test_the_rule_itself():
    # Recomputed here from its description: order of blake2b(seed, blake2b(pixels)), test first.
    data = random_set({"a": 20, "b": 20})
    train, val, test = data.split(0.25, 0.1, seed=42)

    def key(position: int) -> bytes:
        pixels = hashlib.blake2b(data.images[position].tobytes(), digest_size=16).digest()
        return hashlib.blake2b(b"42:" + pixels, digest_size=16).digest()

    expected: tuple[list[int], list[int], list[int]] = ([], [], [])
    for label in (0, 1):
        order = sorted(np.flatnonzero(data.labels == label), key=key)
        expected[2].extend(order[:2])
        expected[1].extend(order[2:7])
        expected[0].extend(order[7:])
    for part, positions in zip((train, val, test), expected, strict=True):
        assert part.paths == [str(position) for position in sorted(positions)]


def test_seeds_differ_and_repeat():
    data = random_set({"a": 50, "b": 50})
    assert data.split(seed=1)[1].paths == data.split(seed=1)[1].paths
    assert data.split(seed=np.int64(1))[1].paths == data.split(seed=1)[1].paths
    assert data.split(seed=1)[1].paths != data.split(seed=2)[1].paths


def test_file_order_does_not_matter():
    data = random_set({"a": 30, "b": 30})
    shuffled = data.subset(np.random.default_rng(1).permutation(60))
    for one, two in zip(data.split(0.2, 0.2), shuffled.split(0.2, 0.2), strict=True):
        assert set(one.paths) == set(two.paths)


def test_other_classes_do_not_move_when_one_class_grows():
    data = random_set({"a": 40, "b": 40, "c": 40})
    before = sides(data, val=0.2, test=0.2)
    extra = np.random.default_rng(9).integers(0, 256, (5, 4, 4, 1), dtype=np.uint8)
    # New images, one of them a copy of an image of class a.
    twin = data.images[:1]
    grown = join(data, np.concatenate([extra, twin]), [1] * 6)
    after = sides(grown, val=0.2, test=0.2)
    for (name, pixels), parts in before.items():
        if name != "b" and pixels != twin.tobytes():
            assert after[name, pixels] == parts


def test_a_renamed_class_keeps_its_sides():
    data = random_set({"a": 40, "b": 40})
    renamed = ImageDataset.from_arrays(data.images, 1 - data.labels, ["z", "y"], names=data.paths)
    for one, two in zip(data.split(0.2, 0.2), renamed.split(0.2, 0.2), strict=True):
        assert one.paths == two.paths


def test_copies_stay_on_one_side():
    data = random_set({"a": 40, "b": 40})
    doubled = join(data, data.images, [*data.labels])
    for seed in range(5):
        parts = doubled.split(0.2, 0.2, seed=seed)
        assert all(len(on) == 1 for on in sides(doubled, val=0.2, test=0.2, seed=seed).values())
        assert [part.counts["a"] for part in parts] == [48, 16, 16]


def test_copies_in_different_classes_stay_on_one_side_and_are_noted():
    data = random_set({"a": 40, "b": 40})
    mixed = join(data, data.images[:10], [1] * 10)
    seen: Counter[str] = Counter()
    for seed in range(10):
        where = sides(mixed, val=0.3, test=0.3, seed=seed)
        for image in data.images[:10]:
            pixels = image.tobytes()
            assert where["a", pixels] == where["b", pixels]
            assert len(where["a", pixels]) == 1
            seen.update(where["a", pixels])
    assert all(seen[part] > 15 for part in ("train", "val", "test"))
    notes = mixed.split()[0].split_notes
    assert notes[0].startswith("10 set(s) of images with the same pixels or group occur in more")


def test_pictures_in_two_classes_do_not_move_when_one_class_grows():
    data = random_set({"a": 40, "b": 40})
    mixed = join(data, data.images[:30], [1] * 30)
    extra = np.zeros((60, 4, 4, 1), np.uint8)  # one group, so that the others fill its room
    before = sides(mixed, val=0.3, test=0.3)
    for label in (0, 1):
        after = sides(join(mixed, extra, [label] * 60), val=0.3, test=0.3)
        for image in data.images[:30]:
            assert after["a", image.tobytes()] == before["a", image.tobytes()]


def test_every_class_keeps_a_training_image():
    for count in (1, 2, 3, 4):
        data = random_set({"a": count, "b": 30})
        train, val, test = data.split(0.49, 0.49)
        assert train.counts["a"] >= 1
        assert train.counts["a"] + val.counts["a"] + test.counts["a"] == count


def test_a_class_of_copies_of_another_keeps_a_training_image():
    data = random_set({"a": 6, "b": 30})
    for seed in range(20):
        copied = ImageDataset.from_arrays(
            np.concatenate([data.images, data.images[-2:]]), [*data.labels, 2, 2], ["a", "b", "c"]
        )
        train = copied.split(0.4, 0.4, seed=seed)[0]
        assert train.counts["c"] >= 1
        where = sides(copied, val=0.4, test=0.4, seed=seed)
        for image in data.images[-2:]:
            assert len(where["b", image.tobytes()] | where["c", image.tobytes()]) == 1


def test_small_classes_are_noted_on_every_part():
    data = random_set({"a": 1, "b": 4, "c": 50})
    parts = data.split(0.15, 0.1)
    for part in parts:
        assert part.split_notes == [
            "class 'a' (1 image(s)) has no validation and no test image: it is too small, or its "
            "copies and groups too large; 1 in training",
            "class 'b' (4 image(s)) has no test image: it is too small, or its copies and groups "
            "too large; 3 in training, 1 in validation",
        ]
    assert data.split_notes == []
    same = ImageDataset.from_arrays(np.zeros((20, 2, 2), np.uint8), [0] * 20, ["a", "b"])
    train, val, _ = same.split(0.2)
    assert (len(train), len(val)) == (20, 0)
    assert len(train.split_notes) == 1
    assert "'a' (20 image(s)) has no validation image" in train.split_notes[0]


def test_empty_parts_split_into_empty_parts():
    empty = random_set({"a": 2, "b": 2}).subset([])
    assert [len(part) for part in empty.split(0.2, 0.2)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"val": -0.1}, ValueError, "val must be within"),
        ({"val": 1.0}, ValueError, "val must be within"),
        ({"test": 1.5}, ValueError, "test must be within"),
        ({"val": float("nan")}, ValueError, "val"),
        ({"val": 0.5, "test": 0.5}, ValueError, "nothing for training"),
        ({"val": "0.1"}, TypeError, "val"),
        ({"val": True}, TypeError, "val"),
        ({"test": None}, TypeError, "test"),
        ({"seed": 1.0}, TypeError, "seed"),
        ({"seed": True}, TypeError, "seed"),
        ({"seed": -1}, ValueError, "seed"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        random_set({"a": 3, "b": 3}).split(**arguments)
