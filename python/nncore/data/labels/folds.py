"""Folds for cross-validation: which images are set apart together, decided by files and seed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int, check_seed


def stratified_folds(
    keys: Sequence[bytes], labels: NDArray[np.int32], folds: int, seed: int
) -> NDArray[np.int64]:
    """Number of the fold of each image, (N,), 0 to `folds` - 1.

    Images with equal `keys` (see `keep_together`) are in one fold, and each fold has its share of
    each class, as far as that allows. Within a class the sets of equal keys come in the order of
    blake2b(seed, key), larger sets first, and each goes to the fold that has the fewest images of
    the class so far. So the folds depend neither on the order of the files nor on the machine.

    Raises
    ------
    TypeError, ValueError
        Fewer than 2 folds, or a seed outside 0..2**63-1.
    """
    folds = check_int("folds", folds, 2)
    salt = f"{check_seed(seed)}:".encode()
    members: dict[bytes, Counter[int]] = {}
    for key, label in zip(keys, labels.tolist(), strict=True):
        members.setdefault(key, Counter())[label] += 1
    # A set that is in several classes counts for the one that most of it is in.
    main = {key: min(own, key=lambda label: (-own[label], label)) for key, own in members.items()}

    def place(key: bytes) -> tuple[int, int, bytes]:
        salted = hashlib.blake2b(salt + key, digest_size=16).digest()
        return main[key], -members[key].total(), salted

    in_all = [0] * folds
    of_class: dict[int, list[int]] = {}
    fold_of: dict[bytes, int] = {}
    for key in sorted(members, key=place):
        own = of_class.setdefault(main[key], [0] * folds)
        fold = min(range(folds), key=lambda number: (own[number], in_all[number], number))
        fold_of[key] = fold
        own[fold] += members[key].total()
        in_all[fold] += members[key].total()
    return np.array([fold_of[key] for key in keys], np.int64)
