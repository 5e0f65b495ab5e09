"""The ASGI application: paths, page, and what starts and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from nncore.process.runtime import get_num_threads
from nncore.report import page
from nncore.serve.endpoints import Endpoints
from nncore.serve.gate import Gate
from nncore.serve.limits import Limits
from nncore.serve.models import Models, ModelSource
from nncore.serve.refusals import Refusal
from nncore.training.model import Sequential

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
_SHOWN = 80  # characters of what was asked for
# The page asks for the token; programs that watch the server have none.
_OPEN = ("/", "/health", "/openapi.json")


def create_app(
    model: Sequential | ModelSource,
    *,
    limits: Limits | None = None,
    hosts: Iterable[str] = (),
    token: str | None = None,
    reload: bool = False,
    warn: Callable[[str], object] = _LOG.warning,
) -> ASGIApp:
    """An ASGI application that answers by `model`, for uvicorn or another server.

    Parameters
    ----------
    model
        A model that was trained on images, or where one is opened from.
    limits
        What is refused; None: `Limits()`.
    hosts
        Names by which the server may be called, besides numbers and localhost.
    token
        What clients must show as bearer token; None: nothing.
    reload
        Look every second whether the file of the model has changed.
    warn
        Takes a line about what went wrong, or about a model that was opened anew.

    Raises
    ------
    ModelFileError
        The model does not know its classes or how to prepare pictures.
    """
    limits = limits or Limits()
    source = model if isinstance(model, ModelSource) else ModelSource(lambda: model)
    # A large picture must not keep all others from being decoded.
    endpoints = Endpoints(Models(source), limits, max(2, get_num_threads()))

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        endpoints.workers.start()
        watching = asyncio.create_task(_watch(endpoints.models, warn)) if reload else None
        try:
            yield
        finally:
            if watching is not None:
                watching.cancel()
            await asyncio.to_thread(endpoints.workers.stop)

    routes = [
        Route("/predict", endpoints.predict, methods=["POST"]),
        Route("/explain", endpoints.explain, methods=["POST"]),
        Route("/health", endpoints.health),
        Route("/model", endpoints.model),
        Route("/metrics", endpoints.metrics_text),
        Route("/openapi.json", endpoints.openapi),
        Route("/", _page()),
    ]
    return Gate(
        _Raising(Router(routes, lifespan=lifespan), [route.path for route in routes]),
        hosts=hosts,
        token=token,
        open_paths=_OPEN,
        known_paths=[route.path for route in routes],
        limits=limits,
        metrics=endpoints.metrics,
        warn=warn,
    )


class _Raising:
    """A router that raises what it refuses, for the gate to answer: it does so inside others. What
    is refused for its path or method is told which there are."""

    def __init__(self, router: Router, paths: Sequence[str]) -> None:
        self._router, self._paths = router, ", ".join(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("app", self)
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:
            if isinstance(error, Refusal) or error.status_code not in (404, 405):
                raise
            path, headers = scope["path"][:_SHOWN], error.headers or {}
            told = f"there is nothing at {path!r}; there are {self._paths}"
            if error.status_code == 405:
                allowed = headers.get("Allow", "another method")
                told = f"{path} takes {allowed}, not {scope['method'][:_SHOWN]}"
            raise Refusal(error.status_code, told, headers) from None


def _page() -> Callable[[Request], Awaitable[Response]]:
    """The page for people, as it stays."""
    files = {"styles": ["serve.css"], "scripts": ["serve.js"]}
    text = page.render("serve.html", {}, title="nncore serve", connects=True, **files)
    policy = page.policy_of(connects=True, **files)
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
    }
    content = text.encode()

    async def endpoint(request: Request) -> Response:
        return Response(content, headers=headers, media_type="text/html")

    return endpoint


async def _watch(models: Models, warn: Callable[[str], object]) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        told = await asyncio.to_thread(models.look)
        if told is not None:
            warn(told)
