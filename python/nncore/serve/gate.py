"""Who may ask: what every request goes through before it is looked at, and every answer after.

- A page of the web can make its reader's browser ask any address, this machine's own included. So a
  request must name this server by a number or by a name it is known by: a name of the attacker's
  that points here (DNS rebinding) is refused; and one that says it comes from another page, too.
- A token, where one is needed, is compared in constant time, before anything is read.
- Answers forbid browsers what the page does not need.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import os
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nncore.serve.limits import Limits
from nncore.serve.metrics import Metrics
from nncore.serve.refusals import Refusal
from nncore.serve.uploads import declared_length

# Of answers that are no page; the page has a policy of its own.
_POLICY = b"default-src 'none'; frame-ancestors 'none'"
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"geolocation=(), microphone=()"),
]
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/@\s]+)(?::[0-9]{1,5})?")
# A client that has sent its whole body reads the refusal; one that is cut off sees an error.
_DRAINED_BODIES = 4


class Gate:
    """The outermost layer of the application.

    Parameters
    ----------
    app
        What answers those who may ask.
    hosts
        Names, besides numbers and those of this machine, by which the server may be called.
    token
        What clients must show; None: nothing.
    open_paths
        What needs no token.
    known_paths
        By which requests are counted; all others count as one.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        token: str | None,
        open_paths: Iterable[str],
        known_paths: Iterable[str],
        limits: Limits,
        metrics: Metrics,
        warn: Callable[[str], object],
    ) -> None:
        self._app, self._limits, self._metrics, self._warn = app, limits, metrics, warn
        self._hosts = {"localhost", *(host.lower().rstrip(".") for host in hosts)}
        self._token = None if token is None else token.encode()
        self._open, self._known = frozenset(open_paths), frozenset(known_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, incoming = time.perf_counter(), _Incoming(receive)
        outgoing = _Outgoing(send)
        try:
            try:
                self._check(scope)
                await self._app(scope, incoming, outgoing)
            except HTTPException as error:
                await self._refuse(error, scope, incoming, outgoing)
        except ClientDisconnect:
            outgoing.status = outgoing.status or 499  # as nginx counts them
        except Exception as error:
            self._tell(error)
            if outgoing.status:
                raise
            failure = Refusal(500, "the server failed; its log says how")
            await self._refuse(failure, scope, incoming, outgoing)
        finally:
            path = scope["path"] if scope["path"] in self._known else "other"
            self._metrics.requests.add(path=path, status=str(outgoing.status or 500))
            self._metrics.seconds.observe(time.perf_counter() - began)

    # -- before

    def _check(self, scope: Scope) -> None:
        """Whether this client may ask for this.

        Raises
        ------
        HTTPException
            400, 401, 403, 421.
        """
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None:
            raise Refusal(400, "the request names no host, or not a valid one")
        if not self._is_ours(match[1].lower().rstrip(".")):
            raise Refusal(
                421, f"this server is not called {match[1]!r} (nncore serve --allow-host NAME)"
            )
        origin = headers.get("origin")
        if origin is not None and origin.lower().partition("://")[2] != hosts[0].lower():
            raise Refusal(403, "pages of other servers may not ask this one")
        if self._token is not None and scope["path"] not in self._open:
            self._check_token(headers.get("authorization", ""))

    def _is_ours(self, host: str) -> bool:
        if host in self._hosts or host.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return True

    def _check_token(self, authorization: str) -> None:
        kind, _, given = authorization.partition(" ")
        assert self._token is not None
        same = hmac.compare_digest(given.strip().encode(), self._token)
        if kind.lower() != "bearer" or not same:
            raise Refusal(
                401,
                "a token is needed: send the header 'Authorization: Bearer TOKEN'",
                {"WWW-Authenticate": 'Bearer realm="nncore"'},
            )

    # -- after

    async def _refuse(
        self, error: HTTPException, scope: Scope, incoming: _Incoming, outgoing: _Outgoing
    ) -> None:
        headers = dict(error.headers or {})
        if not await self._drained(Headers(scope=scope), incoming, error.status_code):
            headers["Connection"] = "close"
        told = {"error": error.detail, **getattr(error, "more", {})}
        response = json_response(told, error.status_code, headers)
        await response(scope, incoming, outgoing)

    async def _drained(self, headers: Headers, incoming: _Incoming, status: int) -> bool:
        """Read what is left of a body, if that is bearable; whether nothing is left."""
        if "content-length" not in headers and "transfer-encoding" not in headers:
            return True
        most = _DRAINED_BODIES * self._limits.body
        bearable = (declared_length(headers) or 0) <= most
        # Who asks whether to send the body gets the answer instead.
        if status == 408 or not bearable or headers.get("expect", "").lower() == "100-continue":
            return incoming.ended
        return await incoming.drain(most, self._limits.seconds)

    def _tell(self, error: Exception) -> None:
        if os.environ.get("NNCORE_DEBUG") == "1":
            import traceback

            traceback.print_exception(error)
        self._warn(f"a request failed: {type(error).__name__}: {error}")


class _Incoming:
    """`receive`, which knows whether the body has ended."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self.ended = True
        return message

    async def drain(self, most: int, seconds: float) -> bool:
        """Drop `most` bytes at the most; whether the body has ended."""
        import anyio

        with anyio.move_on_after(seconds):
            while not self.ended and most > 0:
                message = await self()
                most -= len(message.get("body", b""))
        return self.ended


class _Outgoing:
    """`send`, which adds the headers of every answer and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), *_HEADERS]
            if not any(name == b"content-security-policy" for name, _ in headers):
                headers.append((b"content-security-policy", _POLICY))
            message["headers"] = headers
        await self._send(message)


def json_response(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """ASCII with escapes: class names may hold what is no UTF-8."""
    content = json.dumps(data, allow_nan=False, separators=(",", ":")).encode("ascii")
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(content, status, kept, "application/json")
