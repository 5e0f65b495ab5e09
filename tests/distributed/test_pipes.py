"""What was written to a pipe is waited for until it is read, and not for ever."""

from __future__ import annotations

import os
import select
import threading
import time

import pytest

from nncore.process.pipes import wait_until_read


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_returns_when_the_reader_has_taken_all(pipe):
    reader, writer = pipe
    os.write(writer, b"the reason")
    late = threading.Timer(0.2, os.read, (reader, 100))
    late.start()
    wait_until_read(writer, seconds=60)
    assert select.select([reader], [], [], 0)[0] == []
    late.join()


def test_does_not_wait_for_ever(pipe):
    os.write(pipe[1], b"nobody reads this")
    begun = time.monotonic()
    wait_until_read(pipe[1], seconds=0.1)
    assert time.monotonic() - begun >= 0.1


def test_a_file_and_a_closed_descriptor_are_not_waited_for(tmp_path):
    (tmp_path / "log").write_bytes(b"text")
    begun = time.monotonic()
    with open(tmp_path / "log", "rb") as file:  # all of it is still to be read
        wait_until_read(file.fileno(), seconds=60)
        descriptor = file.fileno()
    wait_until_read(descriptor, seconds=60)
    assert time.monotonic() - begun < 30
