"""A server with a board, for who asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nncore.live.board import Board
from nncore.live.server import LiveServer


@pytest.fixture
def server() -> Iterator[LiveServer]:
    made = LiveServer(Board(), lambda: b"<!doctype html>", lambda: True)
    yield made
    made.close()
