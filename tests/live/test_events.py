"""The stream of events that a page reads."""

from __future__ import annotations

import io

from nncore.live.board import Board
from nncore.live.events import stream


def test_what_came_just_before_the_end_is_told():
    board = Board()

    class Reader(io.BytesIO):
        def write(self, data):
            # While the first news are on their way the training fails, and the board is closed.
            if data.startswith(b"data:") and b"preparing" in data:
                board.put("phase", {"name": "failed"})
                board.close()
            return super().write(data)

    board.put("phase", {"name": "preparing"})
    reader = Reader()
    stream(board, reader)
    told = reader.getvalue().decode()
    assert told.index("preparing") < told.index("failed") < told.index("event: end")
