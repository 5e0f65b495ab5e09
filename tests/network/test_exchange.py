"""What the engine asks of processes that share batches, through its binding."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from nncore import _core

SHAPE, CLASSES, IMAGES = (6, 6, 3), 4, 20


def network() -> _core.Network:
    builder = _core.Builder(SHAPE)
    builder.add_conv2d("conv", 8, (3, 3))
    builder.add_batch_normalization("norm", 0.9, 1e-3)
    builder.add_flatten("flat")
    builder.add_dense("dense", CLASSES, "linear")
    return builder.build(7)


def train(one: _core.Network, exchange: object = None, steps: int = 2) -> tuple[list, list]:
    rng = np.random.default_rng(0)
    x = rng.random((IMAGES, *SHAPE), np.float32)
    y = rng.integers(0, CLASSES, IMAGES, np.int32)
    order = np.arange(steps * 10, dtype=np.int32)
    optimizer = _core.Optimizer(0.05, momentum=0.9)
    losses, correct = one.train_steps(
        x, y, order, 10, "cross_entropy", optimizer, exchange=exchange
    )
    return losses.tolist(), correct.tolist()


def weights(one: _core.Network) -> list[bytes]:
    return [one.get_parameter(name).tobytes() for name in one.parameter_names()]


class Alone:
    """A process without others, which writes down what it was asked for."""

    rank, size = 0, 1

    def __init__(self) -> None:
        self.sums: list[int] = []
        self.rows: list[tuple[tuple[int, ...], list[int]]] = []

    def sum(self, values: np.ndarray) -> None:
        assert values.dtype == np.float32
        assert values.flags.c_contiguous
        assert values.flags.writeable
        assert values.ndim == 1
        self.sums.append(values.size)

    def gather_rows(self, rows: np.ndarray, begins: list[int]) -> None:
        assert rows.dtype == np.float32
        assert rows.flags.writeable
        self.rows.append((rows.shape, begins))


def test_one_process_with_an_exchange_has_the_bits_of_one_without() -> None:
    plain, shared, exchange = network(), network(), Alone()
    assert train(plain) == train(shared, exchange)
    assert weights(plain) == weights(shared)
    # In each step the normalization's sums, then the gradients of the convolution alone.
    assert len(exchange.sums) == 4
    assert exchange.sums[0] == exchange.sums[2] == 2 * 16
    assert exchange.sums[1] == exchange.sums[3] == 3 * 3 * 3 * 16 + 16
    # Its moments, then losses and what the dense layer takes.
    assert [shape[0] for shape, _ in exchange.rows] == [10] * 4
    assert [begins for _, begins in exchange.rows] == [[0, 10]] * 4


class Pair:
    """Two processes, which are threads, and what they show each other."""

    def __init__(self) -> None:
        self.meeting = threading.Barrier(2, timeout=60)
        self.shown: list[np.ndarray] = [np.empty(0)] * 2

    def member(self, rank: int) -> object:
        pair = self

        class Member:
            size = 2

            def __init__(self) -> None:
                self.rank = rank

            def other(self, mine: np.ndarray) -> np.ndarray:
                pair.shown[rank] = mine.copy()
                pair.meeting.wait()
                copy = pair.shown[1 - rank]
                pair.meeting.wait()
                return copy

            def sum(self, values: np.ndarray) -> None:
                values += self.other(values)

            def gather_rows(self, rows: np.ndarray, begins: list[int]) -> None:
                first, last = begins[1 - rank], begins[2 - rank]
                rows[first:last] = self.other(rows)[first:last]

        return Member()


def assert_bits_of_one(exchange: Callable[[int], object]) -> None:
    """Two processes that share batches train to what one does; `exchange` is that of a rank."""
    plain, both = network(), [network(), network()]
    expected, results = train(plain), [None, None]

    def work(rank: int) -> None:
        results[rank] = train(both[rank], exchange(rank))

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert results == [expected, expected]
    assert weights(both[0]) == weights(both[1]) == weights(plain)


def test_two_processes_have_the_bits_of_one() -> None:
    assert_bits_of_one(Pair().member)


@pytest.mark.parametrize("call", range(4))
def test_what_an_exchange_raises_ends_the_step(call: int) -> None:
    class Broken(Alone):
        calls = -4  # of the first step, which is done

        def asked(self) -> None:
            self.calls += 1
            if self.calls == call + 1:
                raise ConnectionError("the others are gone")

        def sum(self, values: np.ndarray) -> None:
            self.asked()

        def gather_rows(self, rows: np.ndarray, begins: list[int]) -> None:
            self.asked()

    plain, broken = network(), network()
    train(plain, steps=1)
    with pytest.raises(ConnectionError, match="the others are gone"):
        train(broken, Broken())
    assert weights(plain) == weights(broken)
    assert broken.optimizer_steps == 1
    train(broken)  # nothing is left of it


def test_who_cannot_be_an_exchange_is_refused() -> None:
    class Odd(Alone):
        rank, size = 2, 2

    with pytest.raises(ValueError, match="got rank 2 of 2"):
        train(network(), Odd())
    with pytest.raises(AttributeError, match="rank"):
        train(network(), object())


def test_memory_in_common_is_checked() -> None:
    size = _core.exchange_bytes(2)
    memory = np.zeros(size, np.uint8)
    for arguments, told in (
        ((memory[: size - 1], 0, 2), f"memory has {size - 1} bytes, and 2 processes need {size}"),
        ((memory, 2, 2), "got rank 2 of 2"),
        ((memory, -1, 2), "got rank -1 of 2"),
    ):
        with pytest.raises(ValueError, match=told):
            _core.SharedMemoryExchange(*arguments)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        _core.exchange_bytes(0)
    one = _core.SharedMemoryExchange(np.zeros(_core.exchange_bytes(1), np.uint8), 0, 1)
    assert (one.rank, one.size) == (0, 1)
    for begins in ([0, 2], [0, 1, 3], [1, 3], []):
        with pytest.raises(ValueError, match="begins must go from 0"):
            one.gather_rows(np.ones((3, 2), np.float32), begins)
    with pytest.raises(TypeError, match="float32"):
        one.sum(np.ones(3))


def test_memory_in_common_has_the_bits_of_one_process() -> None:
    memory = np.zeros(_core.exchange_bytes(2), np.uint8)
    assert_bits_of_one(lambda rank: _core.SharedMemoryExchange(memory, rank, 2))


def test_a_trace_tells_where_the_time_goes() -> None:
    plain, traced = network(), network()
    trace = _core.Trace(1000)
    x = np.zeros((IMAGES, *SHAPE), np.float32)
    arguments = (x, np.zeros(IMAGES, np.int32), np.arange(20, dtype=np.int32), 10)
    for one, given in ((plain, None), (traced, trace)):
        optimizer = _core.Optimizer(0.05)
        exchange = Alone()
        one.train_steps(*arguments, "cross_entropy", optimizer, exchange=exchange, trace=given)
    assert weights(plain) == weights(traced)
    events = trace.events()
    whole = [event for event in events if event[0] == "step"]
    assert len(whole) == 2
    assert {what for what, *_ in events} == {
        *("step", "load", "forward", "backward", "gather", "sum", "whole batch", "update")
    }
    for _, _, begin, end in events:
        assert any(first <= begin <= end <= last for _, _, first, last in whole)
    few = _core.Trace(3)
    plain.train_steps(*arguments, "cross_entropy", _core.Optimizer(0.05), trace=few)
    assert len(few.events()) == 3


def test_shares_of_a_batch() -> None:
    assert [_core.share_of_batch(64, rank, 4) for rank in range(4)] == [
        (0, 16),
        (16, 32),
        (32, 48),
        (48, 64),
    ]
    # Eight chunks of four images: every other of 16 processes has one.
    assert [_core.share_of_batch(32, rank, 16) for rank in range(3)] == [(0, 4), (4, 4), (4, 8)]
    # A half, and two quarters.
    assert [_core.share_of_batch(64, rank, 3) for rank in range(3)] == [(0, 16), (16, 32), (32, 64)]
    with pytest.raises(ValueError, match="rank 3, size 3"):
        _core.share_of_batch(64, 3, 3)
