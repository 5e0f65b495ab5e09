"""Requests that are refused, as exceptions of Starlette's: each becomes a JSON answer in `gate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException

RETRY_SECONDS = 1


class Refusal(HTTPException):
    """`message` says what was wrong and what to do; `more` stands beside it in the answer."""

    def __init__(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.more = dict(more or {})


class TooBusy(Refusal):
    """503: the same request is good a moment later."""

    def __init__(self, message: str) -> None:
        super().__init__(503, message, {"Retry-After": str(RETRY_SECONDS)})
