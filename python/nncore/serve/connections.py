"""Clients that say nothing, or do not come to an end: what the HTTP server leaves open.

uvicorn reads requests; it waits without end for the first one of a connection and for the end of
its head, and keeps a head of any length. What is added here looks only at whether a request is
being answered.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from nncore.serve.limits import Limits

# What it has besides is no part of its type.
_Base: Any = AutoHTTPProtocol

_MOST_HEAD_BYTES = 1 << 16
# So long a client that is refused may go on sending, so that it reads why; beyond so many
# connections above the limit nobody is told anything.
_LINGER_SECONDS = 1.0
_MOST_REFUSED = 128
_ANSWER = "HTTP/1.1 {}\r\nContent-Length: 0\r\nConnection: close\r\n{}\r\n"


def limited_protocol(limits: Limits) -> type[asyncio.Protocol]:
    """A protocol for uvicorn that holds connections to the limits."""

    class LimitedProtocol(_Base):  # type: ignore[misc]
        """One connection."""

        _timer: asyncio.TimerHandle | None = None
        _head_bytes = 0
        _refused = False

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            too_many = len(self.connections) - limits.connections
            if too_many > _MOST_REFUSED:
                transport.abort()
            elif too_many > 0:
                self._end("503 Service Unavailable", "Retry-After: 1\r\n")
            else:
                self._wait()

        def data_received(self, data: bytes) -> None:
            if self._refused:
                return
            head, cycle = self._reads_head(), self.cycle
            super().data_received(data)
            if not head or self.cycle is not cycle:
                self._head_bytes = 0
                self._stop_timer()
                return
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_HEAD_BYTES:
                self._end("431 Request Header Fields Too Large")
            elif self._timer is None:
                self._wait()

        def connection_lost(self, error: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(error)

        def _reads_head(self) -> bool:
            """Whether what comes is the head of a request."""
            cycle = self.cycle
            return cycle is None or cycle.response_complete or not cycle.more_body

        def _wait(self) -> None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(limits.silence, self._time_is_up)

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _time_is_up(self) -> None:
            self._timer = None
            cycle = self.cycle
            if self.transport.is_closing() or (cycle is not None and not cycle.response_complete):
                return  # a request is being answered, which has limits of its own
            if self._head_bytes:
                self._end("408 Request Timeout")
            elif cycle is None:
                self.transport.close()

        def _end(self, status: str, header: str = "") -> None:
            if self.transport.is_closing():
                return
            self._refused = True
            self._stop_timer()
            self.transport.write(_ANSWER.format(status, header).encode("ascii"))
            # To close while something is unread would take the answer away from its reader.
            self.transport.write_eof()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_LINGER_SECONDS, self.transport.abort)

    return LimitedProtocol
