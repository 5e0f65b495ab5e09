"""Fixtures that several rooms share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import nncore
from nncore import _core


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images go to a cache folder of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


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
