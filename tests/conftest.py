"""Fixtures that several rooms share."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import nncore
from live_pages import Follower
from nncore import _core


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images go to a cache folder of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that choose the instruction set themselves: to run them once is enough."""
    for item in items:
        if {"isa", "same_everywhere"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.every_isa)


@pytest.fixture(params=nncore.info()["isas"])
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test on each instruction set of this machine; the former one returns afterwards."""
    before = nncore.info()["isa"]
    _core.select_isa(request.param)
    assert nncore.info()["isa"] == request.param
    yield request.param
    _core.select_isa(before)


@pytest.fixture
def restore_threads() -> Iterator[None]:
    """Undo the test's calls of `set_num_threads`."""
    before = nncore.get_num_threads()
    yield
    nncore.set_num_threads(before)


@pytest.fixture
def same_everywhere(restore_threads: None) -> Callable[[Callable[[], Any]], Any]:
    """A function that gives the one result of `compute()` on every instruction set with 1, 2 and 3
    threads, and fails if there is another."""

    def check(compute: Callable[[], Any]) -> Any:
        before, results = nncore.info()["isa"], {}
        try:
            for isa, threads in itertools.product(nncore.info()["isas"], (1, 2, 3)):
                _core.select_isa(isa)
                nncore.set_num_threads(threads)
                results[isa, threads] = compute()
        finally:
            _core.select_isa(before)
        first = next(iter(results.values()))
        assert {key for key, result in results.items() if result != first} == set()
        return first

    return check


@pytest.fixture
def followers() -> Iterator[Callable[[str], Follower]]:
    """What opens a page by its address and reads what it is told; closed after the test."""
    with contextlib.ExitStack() as stack:

        def follow(address: str) -> Follower:
            return stack.enter_context(contextlib.closing(Follower(address)))

        yield follow
