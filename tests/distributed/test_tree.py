"""Sums by the fixed tree, for any number of processes, here threads that send each other arrays."""

from __future__ import annotations

import itertools
import queue
import threading
from typing import Any

import numpy as np
import pytest

from nncore.distributed.tree import tree_sum

_SECONDS = 60


class Mail:
    """What was sent from one to another and not received yet."""

    def __init__(self, size: int) -> None:
        self.size = size
        pairs = itertools.product(range(size), repeat=2)
        self.letters: dict[tuple[int, int], queue.Queue[np.ndarray]] = {
            pair: queue.Queue() for pair in pairs
        }
        self.floats = [0] * size  # sent by each


class Process:
    """The part of mpi4py's communicator that a sum needs."""

    def __init__(self, mail: Mail, rank: int) -> None:
        self.mail, self.rank, self.size = mail, rank, mail.size

    def Send(self, values: np.ndarray, to: int) -> None:
        self.mail.floats[self.rank] += values.size
        self.mail.letters[self.rank, to].put(values.copy())

    def Recv(self, values: np.ndarray, source: int) -> None:
        values[:] = self.mail.letters[source, self.rank].get(timeout=_SECONDS)

    def Sendrecv(self, values: np.ndarray, to: int, *, recvbuf: np.ndarray, source: int) -> None:
        self.Send(values, to)
        self.Recv(recvbuf, source)

    def Bcast(self, values: np.ndarray) -> None:
        if self.rank == 0:
            for other in range(1, self.size):
                self.Send(values, other)
        else:
            self.Recv(values, 0)


def sums(parts: list[np.ndarray]) -> tuple[list[np.ndarray], list[int]]:
    """What each process has in the end, and how many floats each has sent."""
    mail = Mail(len(parts))
    results: list[Any] = [part.copy() for part in parts]

    def work(rank: int) -> None:
        tree_sum(Process(mail, rank), results[rank], np.empty_like(parts[0]))  # type: ignore[arg-type]

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=_SECONDS)
    assert not any(letters.qsize() for letters in mail.letters.values())
    return results, mail.floats


def by_definition(parts: list[np.ndarray]) -> np.ndarray:
    """The first half, rounded up, plus the rest."""
    if len(parts) == 1:
        return parts[0]
    half = (len(parts) + 1) // 2
    return by_definition(parts[:half]) + by_definition(parts[half:])


def random_parts(size: int, count: int) -> list[np.ndarray]:
    """Of all magnitudes, so that another order of summing would give other bits."""
    rng = np.random.default_rng([size, count])
    exponents = 10.0 ** rng.integers(-4, 4, (size, count))
    return list((rng.standard_normal((size, count)) * exponents).astype(np.float32))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17])
@pytest.mark.parametrize("count", [0, 1, 7, 4095, 4099, 9000])
def test_everyone_gets_the_bits_of_the_tree(size: int, count: int) -> None:
    parts = random_parts(size, count)
    expected = by_definition(parts)
    if size > 3 and count > 100:
        assert expected.tobytes() != np.sum(parts, axis=0, dtype=np.float32).tobytes()
    for result in sums(parts)[0]:
        assert result.tobytes() == expected.tobytes()


@pytest.mark.parametrize("size", [3, 4, 8])
@pytest.mark.parametrize("count", [9, 5000])
def test_who_has_nothing_changes_nothing(size: int, count: int) -> None:
    # Zeros of both signs and all else: x + -0.0 is x.
    parts = [np.full(count, -0.0, np.float32) for _ in range(size)]
    parts[size // 2] = np.resize(np.array([0.0, -0.0, 1e-45, -3.5, np.inf], np.float32), count)
    for result in sums(parts)[0]:
        assert result.tobytes() == parts[size // 2].tobytes()


def test_long_sums_are_sent_in_parts() -> None:
    # Twice (size - 1) / size of the floats instead of all of them at each level of the tree.
    sent = sums(random_parts(8, 8000))[1]
    assert sent == [2 * 7000] * 8
    assert sums(random_parts(8, 800))[1] == [3 * 800] * 8
