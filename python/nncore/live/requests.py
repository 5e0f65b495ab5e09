"""One request to the page's server: who asks is checked before what is asked for.

Nobody gets in without the token, which is part of the address. A page of somebody else that the
same browser shows gets in neither by another name of this machine (the Host header says by which it
was called) nor by sending forms (the Origin header says from where).
"""

from __future__ import annotations

import contextlib
import hmac
import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

from nncore.live.events import stream

if TYPE_CHECKING:
    from nncore.live.board import Board

# By which a browser may call this machine; the port may be another one behind `ssh -L`.
_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_COMMON = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # it has the token
    "X-Content-Type-Options": "nosniff",
}
# Beside what the page says of itself: no other page may show it in a frame.
_PAGE_POLICY = "frame-ancestors 'none'"
# The report is shown within the page. It runs nothing.
_REPORT_POLICY = "frame-ancestors 'self'; script-src 'none'; sandbox allow-same-origin allow-popups"


class Served(Protocol):
    """What a request needs of its server; `LiveServer` says what each is."""

    board: Board
    token: str
    report: Path | None
    reports_taken: int

    @property
    def port(self) -> int: ...

    def page(self) -> bytes: ...

    def stop(self) -> bool: ...


class Request(BaseHTTPRequestHandler):
    """One request; the connection is closed behind it."""

    timeout = 10.0  # for who is slow to ask, or to take what he asked for
    server_version = "nncore"
    sys_version = ""

    @property
    def served(self) -> Served:
        """The server."""
        return cast(Served, self.server)

    def do_GET(self) -> None:
        """The page, what it is told, and the report in the end."""
        asked = self._asked()
        if asked == "":
            self._send(
                HTTPStatus.OK,
                "text/html; charset=utf-8",
                self.served.page(),
                {"Content-Security-Policy": _PAGE_POLICY, "X-Frame-Options": "DENY"},
            )
        elif asked == "events":
            self._send_events()
        elif asked == "report":
            self._send_report()
        elif asked is not None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_POST(self) -> None:
        """The button that ends the training."""
        asked = self._asked()
        if asked == "stop":
            self._send_json({"stopping": self.served.stop()})
        elif asked is not None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def log_message(self, format: str, *args: Any) -> None:
        """Standard error belongs to the training."""

    # -- who may

    def _asked(self) -> str | None:
        """What of the page is asked for; None where it was refused."""
        if not self._is_called_rightly():
            self._refuse(
                HTTPStatus.FORBIDDEN,
                "this page is for 127.0.0.1 and localhost alone; from another machine by "
                f"ssh -L {self.served.port}:127.0.0.1:{self.served.port}",
            )
            return None
        path = urlsplit(self.path).path
        token, slash, asked = path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.served.token.encode()):
            self._refuse(
                HTTPStatus.FORBIDDEN,
                "the token is missing or wrong: open the whole address that nncore printed",
            )
            return None
        if not slash:
            self._send(HTTPStatus.FOUND, "text/plain", b"", {"Location": f"/{token}/"})
            return None
        return asked

    def _is_called_rightly(self) -> bool:
        host, origin = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        if len(host) != 1 or len(origin) > 1 or _name(f"//{host[0]}") not in _NAMES:
            return False
        if self.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            # A link on another page may lead here, by an address with the token.
            return self.command == "GET" and self.headers.get("Sec-Fetch-Mode") == "navigate"
        return not origin or origin[0] == f"http://{host[0]}"

    # -- what is sent

    def _send_events(self) -> None:
        self._head(HTTPStatus.OK, "text/event-stream; charset=utf-8", {"X-Accel-Buffering": "no"})
        # OSError: the page was closed, or takes nothing.
        with self.served.board as board, contextlib.suppress(OSError, ValueError):
            stream(board, self.wfile)

    def _send_report(self) -> None:
        path = self.served.report
        try:
            content = None if path is None else path.read_bytes()
        except OSError:
            content = None
        if content is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no report yet")
            return
        policy = {"Content-Security-Policy": _REPORT_POLICY}
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", content, policy)
        self.served.reports_taken += 1

    def _send_json(self, value: Any) -> None:
        self._send(HTTPStatus.OK, "application/json", json.dumps(value).encode())

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._send(status, "text/plain; charset=utf-8", f"nncore: {reason}\n".encode())

    def _send(
        self, status: HTTPStatus, kind: str, content: bytes, headers: dict[str, str] | None = None
    ) -> None:
        self._head(status, kind, {"Content-Length": str(len(content)), **(headers or {})})
        self.wfile.write(content)

    def _head(self, status: HTTPStatus, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **_COMMON, **headers}.items():
            self.send_header(name, value)
        self.end_headers()


def _name(address: str) -> str | None:
    """The host that an address names; None where it names none."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
