"""From a request's body to pictures that are not decoded yet, within the limits."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
from starlette.datastructures import Headers
from starlette.requests import Request

from nncore.serve.admission import Admission, Holding
from nncore.serve.limits import Limits
from nncore.serve.multipart import (
    MultipartError,
    TooManyPartsError,
    boundary_of,
    parts_of,
)
from nncore.serve.refusals import Refusal


@dataclass(frozen=True)
class Upload:
    """The bytes of one picture, and what its sender calls it (None: nothing)."""

    name: str | None
    content: bytes | memoryview


async def read_body(request: Request, limits: Limits, holding: Holding) -> bytes:
    """The whole body.

    Raises
    ------
    HTTPException
        413, 415 (it is compressed), 400, 408, 503.
    starlette.requests.ClientDisconnect
        The client is gone.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "bodies are taken as they are: leave the content encoding out")
    if (declared_length(request.headers) or 0) > limits.body:
        raise _too_large(limits)
    blocks = []
    try:
        with anyio.fail_after(limits.seconds):
            async for block in request.stream():
                if holding.count + len(block) > limits.body:
                    raise _too_large(limits)
                holding.add(len(block))
                blocks.append(block)
    except TimeoutError:
        raise Refusal(408, f"the body was not there after {limits.seconds:g} s") from None
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def declared_length(headers: Headers) -> int | None:
    """How long the body is, by its head; servers have checked that it is a number."""
    text = headers.get("content-length", "")
    return int(text[:19]) if text.isascii() and text.isdigit() else None


def _too_large(limits: Limits) -> Exception:
    return Refusal(413, f"the body has more than {limits.body:,} bytes")


def uploads_of(content_type: str, body: bytes, limits: Limits) -> list[Upload]:
    """The pictures of a body: itself, or each of its parts if it is multipart.

    Raises
    ------
    HTTPException
        400 (no multipart although it is called that, or no picture at all), 413.
    """
    if not content_type.lower().startswith("multipart/"):
        # Whatever it is called: what it is, its content says.
        if not body:
            raise Refusal(400, "the body is empty: send a picture, or several as multipart")
        return [Upload(None, body)]
    try:
        parts = parts_of(body, boundary_of(content_type), limits.parts)
    except MultipartError as error:
        raise Refusal(400, str(error)) from None
    except TooManyPartsError as error:
        raise Refusal(413, f"{error}; send them in several requests") from None
    # A form sends a file without name and content where none was chosen.
    files = [
        Upload(part.filename or part.field or None, part.content)
        for part in parts
        if part.filename != "" or part.content
    ]
    if not files:
        raise Refusal(400, "there is no file among the parts of the body")
    return files


async def uploaded(
    request: Request, limits: Limits, admission: Admission, holding: Holding
) -> list[Upload]:
    """The pictures of a request; errors as of `read_body` and `uploads_of`."""
    admission.check()
    body = await read_body(request, limits, holding)
    return uploads_of(request.headers.get("content-type", ""), body, limits)
