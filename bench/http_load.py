"""Clients that ask one server again and again: as many at a time as there are connections.

One thread and no library, so that the clients take little of the machine from the server.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_READ = 1 << 16


@dataclass(frozen=True)
class Question:
    """A request as bytes, and what the body of its answer must begin with."""

    request: bytes
    expected: bytes


def post(path: str, body: bytes, content_type: str) -> bytes:
    """A request on a connection that stays open."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Outcome:
    """Seconds of each answer in time, and what was wrong with others."""

    seconds: float
    latencies: NDArray[np.float64]
    errors: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        return float(np.percentile(self.latencies, share)) if len(self.latencies) else np.nan


class _Client:
    def __init__(self, port: int, place: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.place, self.answer = place, b""

    def ask(self, questions: Sequence[Question]) -> None:
        self.place = (self.place + 1) % len(questions)
        self.question, self.answer = questions[self.place], b""
        self.asked = time.perf_counter()
        self.socket.sendall(self.question.request)

    def read(self) -> str | None:
        """None: there is more to come; "": as it should be; else what is wrong."""
        data = self.socket.recv(_READ)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.answer += data
        head, end, body = self.answer.partition(b"\r\n\r\n")
        if not end:
            return None
        length = _LENGTH.search(head + b"\r\n")
        if length is None or len(body) < int(length[1]):
            return None
        if not head.startswith(b"HTTP/1.1 200 "):
            return head.partition(b"\r\n")[0].decode()
        if not body.startswith(self.question.expected):
            return f"another answer: {body[:80]!r}"
        return ""


def load(
    port: int, questions: Sequence[Question], clients: int, seconds: float, warm_up: float = 1.0
) -> Outcome:
    """Ask for so many seconds, after `warm_up` seconds that do not count."""
    latencies: list[float] = []
    errors: list[str] = []
    with selectors.DefaultSelector() as selector:
        crowd = [_Client(port, number * 7) for number in range(clients)]
        for client in crowd:
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.ask(questions)
        begin = time.perf_counter() + warm_up
        now = begin - warm_up
        while now < begin + seconds and selector.get_map():
            for key, _ in selector.select(timeout=1):
                client = key.data
                try:
                    told = client.read()
                    now = time.perf_counter()
                    if told is None:
                        continue
                    if begin <= now < begin + seconds:
                        if told:
                            errors.append(told)
                        else:
                            latencies.append(now - client.asked)
                    client.ask(questions)
                except OSError as error:
                    errors.append(str(error))
                    selector.unregister(client.socket)
            now = time.perf_counter()
        for client in crowd:
            client.socket.close()
    return Outcome(seconds, np.array(latencies), errors)
