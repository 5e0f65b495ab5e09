"""Which image goes to training, validation or test: decided by its pixels and the seed."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_seed

TRAIN, VAL, TEST = 0, 1, 2


def check_fractions(val: float, test: float) -> None:
    """ValueError unless both fractions are within 0..1 and leave something for training."""
    for name, value in (("val", val), ("test", test)):
        if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
            raise TypeError(f"{name} must be a number, not {value!r}")
        if not (math.isfinite(value) and 0 <= value < 1):
            raise ValueError(f"{name} must be within 0 <= {name} < 1, not {value}")
    if val + test >= 1:
        raise ValueError(f"val={val} and test={test} leave nothing for training")


def split_sides(
    images: NDArray[np.uint8],
    labels: NDArray[np.int32],
    names: Sequence[str],
    val: float,
    test: float,
    seed: int,
) -> tuple[NDArray[np.int8], list[str]]:
    """Side of every image: int8 (N,) of TRAIN, VAL, TEST; and notes on what could not be done.

    Equal pixels form one group and stay together. Within a class the groups stand in the order of
    blake2b(seed, pixels); the first that fit are the test images, up to round(test * n) of the
    class's n, then come validation and training. So the side of an image depends on its own class
    alone, not on file order, machine or other classes.

    Pixels that occur in several classes are placed by their own hash, as a point in 0..1 against
    the fractions, since no one class may decide; they keep their place in each class's count. Only
    where that leaves a class without training images does one such group move to training.

    Raises
    ------
    TypeError, ValueError
        Fractions outside 0..1 or that leave nothing for training; a seed outside 0..2**63-1.
    """
    check_fractions(val, test)
    salt = f"{check_seed(seed)}:".encode()
    keys = [_hash(salt + _hash(image)) for image in images]  # one key per group of equal pixels

    members: list[Counter[bytes]] = [Counter() for _ in names]
    for key, label in zip(keys, labels.tolist(), strict=True):
        members[label][key] += 1
    classes_of = Counter(key for groups in members for key in groups)
    side_of: dict[bytes, int] = {}
    notes: list[str] = []
    for groups in members:
        for key, side in _fill(groups, val, test).items():
            shared = classes_of[key] > 1
            side_of[key] = _side_of_shared(key, val, test) if shared else side
    for groups in members:
        # Only shared groups can have left a class without training images.
        if groups and all(side_of[key] != TRAIN for key in groups):
            side_of[min(key for key in groups if classes_of[key] > 1)] = TRAIN

    sides = np.array([side_of[key] for key in keys], np.int8)
    shared_groups = sum(1 for count in classes_of.values() if count > 1)
    if shared_groups:
        notes.append(
            f"{shared_groups} picture(s) with the same pixels occur in more than one class; "
            "all copies were kept on one side"
        )
    for label, name in enumerate(names):
        count = int((labels == label).sum())
        for side, part, fraction in ((VAL, "validation", val), (TEST, "test", test)):
            if count and fraction > 0 and not (sides[labels == label] == side).any():
                notes.append(f"class {name!r} ({count} image(s)) has no {part} image")
    return sides, notes


def _hash(data: Any) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _fill(groups: Counter[bytes], val: float, test: float) -> dict[bytes, int]:
    """Sides of one class's groups, as if no other class existed."""
    count = groups.total()
    room = {TEST: round(test * count), VAL: round(val * count)}
    while sum(room.values()) >= count > 0:  # one image at least must be left for training
        room[max(room, key=lambda side: room[side])] -= 1
    sides: dict[bytes, int] = {}
    for key in sorted(groups):
        sides[key] = next((s for s in (TEST, VAL) if groups[key] <= room[s]), TRAIN)
        if sides[key] != TRAIN:
            room[sides[key]] -= groups[key]
    return sides


def _side_of_shared(key: bytes, val: float, test: float) -> int:
    point = int.from_bytes(key[:8], "big") / 2**64
    return TEST if point < test else VAL if point < test + val else TRAIN
