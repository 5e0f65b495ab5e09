"""Answer over HTTP what is on pictures: a page to drop, paste or photograph them, and a JSON API
(POST /predict, GET /health, /model, /metrics, /openapi.json). Needs the extra nncore[serve].

Ends by Ctrl-C, SIGTERM or SIGHUP, after the requests that are under way; the exit code is then 0,
or 1 if some were cut off."""

from __future__ import annotations

import argparse
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nncore.cli.failures import DONE, FAILURE, UsageError
from nncore.cli.flags import common, features, reading, values
from nncore.cli.inputs import model_file, open_image_model
from nncore.cli.output import Output
from nncore.errors import MissingExtraError
from nncore.extras import how_to_install

if TYPE_CHECKING:
    from nncore.serve.limits import Limits

HELP = "answer over HTTP what is on pictures"
FIRST = ("--port", "--host", "--token-file", "--reload")
EXAMPLES = (
    ("nncore serve runs/run-1", "a page and an API on http://127.0.0.1:8080"),
    (
        "curl --data-binary @new.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:8080/predict",
        "ask it",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_model(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where to listen (default 127.0.0.1: for this machine only; 0.0.0.0: for all)",
    )
    parser.add_argument(
        "--port",
        type=values.whole(0, 65535),
        default=8080,
        metavar="N",
        help="the port (default 8080; 0: any that is free)",
    )
    parser.add_argument(
        "--reload",
        action="store_true",
        help="take the model anew when its file changes; a bad one leaves the old one in use",
    )
    features.add_place(parser)
    access = parser.add_argument_group("who may ask")
    access.add_argument(
        "--token-file",
        type=values.path,
        metavar="FILE",
        help="clients must send the token that this file holds (Authorization: Bearer TOKEN)",
    )
    access.add_argument(
        "--no-token",
        action="store_true",
        help="let everybody ask, whatever the --host",
    )
    access.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which clients may call this server, besides localhost and addresses in "
        "digits; may be given several times",
    )
    _add_limits(parser.add_argument_group("limits"))


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--max-body",
        type=values.whole(1),
        default=32,
        metavar="MIB",
        help="largest body of a request (default 32 MiB)",
    )
    reading.add_max_pixels(group)
    group.add_argument(
        "--max-parts",
        type=values.whole(1),
        default=64,
        metavar="N",
        help="most pictures of a request (default 64)",
    )
    group.add_argument(
        "--max-requests",
        type=values.whole(1),
        default=256,
        metavar="N",
        help="most requests that wait at the same time; others must come again (default 256)",
    )
    group.add_argument(
        "--timeout",
        type=values.positive,
        default=30.0,
        metavar="SECONDS",
        help="longest time for a body to arrive, and for its answer (default 30)",
    )


@dataclass(frozen=True)
class Settings:
    """What is served, where, to whom, and how much of it."""

    model: str
    host: str
    port: int
    reload: bool
    features: str | None
    token_file: str | None
    hosts: tuple[str, ...]
    limits: Limits


def settings(args: argparse.Namespace) -> Settings:
    if args.no_token and args.token_file is not None:
        raise UsageError("--no-token contradicts --token-file")
    if args.token_file is None and not args.no_token and not _is_loopback(args.host):
        raise UsageError(
            f"--host {args.host} lets other machines ask: give --token-file FILE, or --no-token "
            "to let everybody"
        )
    from nncore.serve.limits import Limits

    limits = Limits(
        body=args.max_body << 20,
        pixels=args.max_pixels,
        parts=args.max_parts,
        requests=args.max_requests,
        seconds=args.timeout,
    )
    return Settings(
        args.model,
        args.host,
        args.port,
        args.reload,
        args.features,
        args.token_file,
        tuple(args.allow_host),
        limits,
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def run(settings: Settings, out: Output) -> int:
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            f"serving needs Starlette and uvicorn: {how_to_install('serve')}"
        ) from None
    from nncore.serve.app import create_app
    from nncore.serve.models import ModelSource
    from nncore.serve.server import Server, listen
    from nncore.serve.token_file import read_token

    token = None if settings.token_file is None else read_token(settings.token_file)
    out.warn_all(() if token is None else token.notes)
    file = str(model_file(settings.model))
    source = ModelSource(lambda: open_image_model(settings.model, settings.features)[0], file)
    app = create_app(
        source,
        limits=settings.limits,
        hosts=[settings.host, *settings.hosts],
        token=None if token is None else token.text,
        reload=settings.reload,
        warn=out.warn,
    )
    with listen(settings.host, settings.port) as listener:
        host, port = listener.getsockname()[:2]
        url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        told = {"url": url, "model": file, "token": token is not None}
        words = f"serving {file} on {url}"
        server = Server(app, settings.limits, lambda: out.result(words, told))
        finished = server.answer(listener)
    if not finished:
        out.warn("some requests were cut off")
    return DONE if finished else FAILURE
