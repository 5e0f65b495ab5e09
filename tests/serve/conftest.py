"""A small model behind a real server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from model_files import make_model
from nncore.serve.limits import Limits
from serving import Serving, running

Serve = Callable[..., Serving]


@pytest.fixture(scope="session")
def model():
    return make_model()


@pytest.fixture
def serve(model) -> Iterator[Serve]:
    """Start servers for one test: limits by name, and arguments of `create_app`."""
    names = set(Limits.__dataclass_fields__)
    with contextlib.ExitStack() as stack:

        def start(source: Any = None, **settings: Any) -> Serving:
            limits = Limits(**{k: settings.pop(k) for k in names & set(settings)})
            return stack.enter_context(running(source or model, limits, **settings))

        yield start


@pytest.fixture(scope="session")
def serving(model) -> Iterator[Serving]:
    """One server for all tests that ask for nothing special."""
    with running(model, Limits(body=1 << 20, pixels=1 << 16, parts=80)) as found:
        yield found
