"""Which image goes to training, validation or test: decided by its file and the seed."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_seed
from nncore.data.labels.parts import PARTS, TEST, TRAIN, VAL
from nncore.data.mapped import Pixels
from nncore.errors import DataError


def check_fractions(val: float, test: float) -> None:
    """ValueError unless both fractions are within 0..1 and leave something for training."""
    for name, value in (("val", val), ("test", test)):
        if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
            raise TypeError(f"{name} must be a number, not {value!r}")
        if not (math.isfinite(value) and 0 <= value < 1):
            raise ValueError(f"{name} must be within 0 <= {name} < 1, not {value}")
    if val + test >= 1:
        raise ValueError(f"val={val} and test={test} leave nothing for training")


def keep_together(
    images: Sequence[Any] | Pixels,
    digests: Sequence[bytes] | None = None,
    groups: Sequence[str] | None = None,
    pixel_digests: Sequence[bytes] | None = None,
) -> list[bytes]:
    """A key for every image; images with equal keys must stay on one side.

    Together stay images of equal pixels and images of one group (an empty name is no group), also
    by way of others. The key is that of the smallest group name among them, or where none has a
    group, the smallest of their digests: of the file as it is, not as it was decoded, so that
    neither the size asked for nor a decoder's version plays a part. Images without digests have
    those of their pixels, `pixel_digests`, which are computed here if they are not known.
    """
    pixels = pixel_digests or [_hash(image) for image in images]
    own = pixels if digests is None else digests
    names = [""] * len(pixels) if groups is None else list(groups)
    # Every image is a node; the first one of equal pixels, or of a group, stands for the others.
    root = list(range(len(pixels)))

    def find(node: int) -> int:
        while root[node] != node:
            root[node] = root[root[node]]
            node = root[node]
        return node

    first: dict[Hashable, int] = {}
    for position, (content, name) in enumerate(zip(pixels, names, strict=True)):
        for trait in (content, name):
            if trait:
                root[find(position)] = find(first.setdefault(trait, position))
    # Groups before digests: a group keeps its key when images are added to it.
    keys: dict[int, tuple[bool, bytes]] = {}
    for position, name in enumerate(names):
        key = (not name, _hash(b"group " + name.encode()) if name else own[position])
        top = find(position)
        keys[top] = min(keys.get(top, key), key)
    return [keys[find(position)][1] for position in range(len(pixels))]


def split_sides(
    keys: Sequence[bytes],
    labels: NDArray[np.int32],
    names: Sequence[str],
    val: float,
    test: float,
    seed: int,
    given: Sequence[str] | None = None,
) -> tuple[NDArray[np.int8], list[str]]:
    """Side of every image: int8 (N,) of TRAIN, VAL, TEST; and notes on what could not be done.

    Images with equal `keys` (see `keep_together`) form one group and stay together. Within a class
    the groups stand in the order of blake2b(seed, key); the first that fit are the test images, up
    to round(test * n) of the class's n, then come validation and training. Where every group is
    too large to fit, the smallest one is taken if it leaves half of the class. So the side of an
    image depends on its own class alone, not on file order, machine or other classes.

    Groups that occur in several classes are placed by their own hash, as a point in 0..1 against
    the fractions, since no one class may decide; they keep their place in each class's count. Only
    where that leaves a class without training images does one such group move to training.

    With `given` parts ("train", "val" or "test" per image) nothing is moved, but a part that is
    wanted and has no image at all is taken from the training images by the rule above.

    Raises
    ------
    DataError
        The given parts leave a class without training images.
    TypeError, ValueError
        Fractions outside 0..1 or that leave nothing for training; a seed outside 0..2**63-1.
    """
    check_fractions(val, test)
    salt = f"{check_seed(seed)}:".encode()
    if given is None:
        sides = _make(keys, labels, len(names), val, test, salt)
        return sides, [
            *_shared_notes(keys, labels),
            *_missing_notes(sides, labels, names, val, test),
        ]
    sides = np.array([PARTS.index(part) for part in given], np.int8)
    notes = _leak_notes(keys, sides)
    _check_trained(sides, labels, names)
    val, test = (0 if (sides == side).any() else f for side, f in ((VAL, val), (TEST, test)))
    train = np.flatnonzero(sides == TRAIN)
    made = _make([keys[i] for i in train.tolist()], labels[train], len(names), val, test, salt)
    sides[train] = made
    # The parts that came with the data are as they are: only what was made is spoken of.
    return sides, [*notes, *_missing_notes(made, labels[train], names, val, test)]


def _make(
    keys: Sequence[bytes],
    labels: NDArray[np.int32],
    classes: int,
    val: float,
    test: float,
    salt: bytes,
) -> NDArray[np.int8]:
    salted = [_hash(salt + key) for key in keys]
    members: list[Counter[bytes]] = [Counter() for _ in range(classes)]
    for key, label in zip(salted, labels.tolist(), strict=True):
        members[label][key] += 1
    classes_of = Counter(key for groups in members for key in groups)
    side_of: dict[bytes, int] = {}
    for groups in members:
        for key, side in _fill(groups, val, test).items():
            shared = classes_of[key] > 1
            side_of[key] = _side_of_shared(key, val, test) if shared else side
    for groups in members:
        # Only shared groups can have left a class without training images.
        if groups and all(side_of[key] != TRAIN for key in groups):
            side_of[min(key for key in groups if classes_of[key] > 1)] = TRAIN
    return np.array([side_of[key] for key in salted], np.int8)


def _hash(data: Any) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _fill(groups: Counter[bytes], val: float, test: float) -> dict[bytes, int]:
    """Sides of one class's groups, as if no other class existed."""
    count = groups.total()
    room = {TEST: round(test * count), VAL: round(val * count)}
    while sum(room.values()) >= count > 0:  # one image at least must be left for training
        room[max(room, key=lambda side: room[side])] -= 1
    wanted = [side for side in (TEST, VAL) if room[side] > 0]
    sides: dict[bytes, int] = {}
    for key in sorted(groups):
        sides[key] = next((s for s in (TEST, VAL) if groups[key] <= room[s]), TRAIN)
        if sides[key] != TRAIN:
            room[sides[key]] -= groups[key]
    for side in wanted:
        if side not in sides.values():
            smallest = min(groups, key=lambda key: (sides[key] != TRAIN, groups[key], key))
            left = sum(groups[key] for key in groups if sides[key] == TRAIN) - groups[smallest]
            if sides[smallest] == TRAIN and 2 * left >= count:
                sides[smallest] = side
    return sides


def _side_of_shared(key: bytes, val: float, test: float) -> int:
    point = int.from_bytes(key[:8], "big") / 2**64
    return TEST if point < test else VAL if point < test + val else TRAIN


def _check_trained(
    sides: NDArray[np.int8], labels: NDArray[np.int32], names: Sequence[str]
) -> None:
    trained = set(labels[sides == TRAIN].tolist())
    lost = [names[label] for label in sorted(set(labels.tolist()) - trained)]
    if lost:
        shown = ", ".join(map(repr, lost[:20])) + (" and more" if len(lost) > 20 else "")
        alike = _differ_in_case(lost[0], [names[label] for label in sorted(trained)])
        raise DataError(
            f"the split leaves no training image of class {shown}; "
            + (alike or "add some, or make a new split")
        )


def _differ_in_case(lost: str, trained: Sequence[str]) -> str:
    for name in trained:
        if name.casefold() == lost.casefold():
            return f"is {name!r} meant, which differs in upper and lower case? Call both alike"
    return ""


def _shared_notes(keys: Sequence[bytes], labels: NDArray[np.int32]) -> list[str]:
    classes_of = Counter(key for key, _ in set(zip(keys, labels.tolist(), strict=True)))
    shared = sum(1 for count in classes_of.values() if count > 1)
    if not shared:
        return []
    return [
        f"{shared} set(s) of images with the same pixels or group occur in more than one class; "
        "each was kept on one side"
    ]


def _leak_notes(keys: Sequence[bytes], sides: NDArray[np.int8]) -> list[str]:
    sides_of = Counter(key for key, _ in set(zip(keys, sides.tolist(), strict=True)))
    leaks = sum(1 for count in sides_of.values() if count > 1)
    if not leaks:
        return []
    return [
        f"{leaks} set(s) of images with the same pixels or group are in more than one part of the "
        "given split, which makes the accuracy look better than it is"
    ]


def _missing_notes(
    sides: NDArray[np.int8],
    labels: NDArray[np.int32],
    names: Sequence[str],
    val: float,
    test: float,
) -> list[str]:
    """Classes too small for a part, and what was done with their images instead."""
    notes = []
    for label, name in enumerate(names):
        own = sides[labels == label]
        missing = [
            part
            for side, part, fraction in ((VAL, "validation", val), (TEST, "test", test))
            if fraction > 0 and not (own == side).any()
        ]
        if not len(own) or not missing:
            continue
        where = ", ".join(
            f"{(own == side).sum()} in {part}"
            for side, part in enumerate(("training", "validation", "test"))
            if (own == side).any()
        )
        notes.append(
            f"class {name!r} ({len(own)} image(s)) has no {' and no '.join(missing)} image: it is "
            f"too small, or its copies and groups too large; {where}"
        )
    return notes
