"""Who asks a live page: single requests, and a page that is kept up to date."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


def ask(
    address: str, path: str = "", method: str = "GET", headers: dict[str, str] | None = None
) -> Answer:
    """One request below the page's address, or to a whole path."""
    place, _, below = address.removeprefix("http://").partition("/")
    target = path if path.startswith("/") else f"/{below}{path}"
    with contextlib.closing(http.client.HTTPConnection(place, timeout=10)) as connection:
        connection.request(method, target, headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())


class Follower:
    """A page that is open: reads events."""

    def __init__(self, address: str) -> None:
        place, _, below = address.removeprefix("http://").partition("/")
        self.connection = http.client.HTTPConnection(place, timeout=10)
        self.connection.request("GET", f"/{below}events")
        self.answer = self.connection.getresponse()
        self.state: dict[str, Any] = {"rows": []}

    def events(self) -> Iterator[str]:
        """The names of the events; what they tell goes into `state`."""
        name = "message"
        for line in self.answer:
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                if name == "message":
                    self._take(json.loads(value))
                yield name
                name = "message"

    def until(self, there: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Read on until the state is so."""
        if not there(self.state):
            for _ in self.events():
                if there(self.state):
                    break
            else:
                raise AssertionError(f"the events ended before: {self.state}")
        return self.state

    def _take(self, news: dict[str, Any]) -> None:
        rows = news.pop("rows", None)
        if rows is not None:
            self.state["rows"][rows["from"] :] = rows["rows"]
        self.state |= news

    def close(self) -> None:
        self.answer.close()
        self.connection.close()
