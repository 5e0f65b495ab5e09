"""`nncore.live.board`: who looks gets what he lacks, each thing once."""

from __future__ import annotations

import threading
import time

from nncore.live.board import Board, Seen


def test_a_newcomer_gets_all_and_then_only_what_is_new():
    board, seen = Board(), Seen()
    board.put("phase", {"name": "training"})
    board.start_rows([{"epoch": 1}])
    assert board.news(seen, 0) == {
        "phase": {"name": "training"},
        "rows": {"from": 0, "rows": [{"epoch": 1}]},
    }
    assert board.news(seen, 0) == {}
    board.add_row({"epoch": 2})
    board.add_row({"epoch": 3})
    assert board.news(seen, 0) == {"rows": {"from": 1, "rows": [{"epoch": 2}, {"epoch": 3}]}}
    board.put("phase", {"name": "done"})
    assert board.news(seen, 0) == {"phase": {"name": "done"}}


def test_of_a_section_that_changed_twice_only_the_last_is_told():
    board, seen = Board(), Seen()
    board.put("progress", 1)
    board.put("progress", 2)
    assert board.news(seen, 0) == {"progress": 2}


def test_rows_that_begin_anew_replace_those_that_were_told():
    board, seen = Board(), Seen()
    board.start_rows([{"epoch": 1}, {"epoch": 2}])
    board.news(seen, 0)
    board.start_rows([{"epoch": 1}])
    assert board.news(seen, 0) == {"rows": {"from": 0, "rows": [{"epoch": 1}]}}


def test_news_wait_until_there_are_some():
    board, found = Board(), []
    thread = threading.Thread(target=lambda: found.append(board.news(Seen(), 10)))
    thread.start()
    started = time.monotonic()
    board.put("phase", 1)
    thread.join(5)
    assert found == [{"phase": 1}]
    assert time.monotonic() - started < 5


def test_closing_wakes_who_waits():
    board, found = Board(), []
    thread = threading.Thread(target=lambda: found.append(board.news(Seen(), 10)))
    thread.start()
    board.close()
    thread.join(5)
    assert found == [{}]


def test_who_looks_is_counted():
    board = Board()
    assert not board.watched
    with board, board:
        assert board.watching == 2
    assert board.watching == 0
    assert board.watched
