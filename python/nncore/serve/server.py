"""From an application to a process that serves: socket, signals, a graceful end."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from nncore.process.signals import ENDING
from nncore.serve.connections import limited_protocol
from nncore.serve.limits import Limits

_BACKLOG = 2048
# Files that are open besides connections: libraries, the model, the loop's own.
_OTHER_FILES = 256
_ENDING = (signal.SIGINT, *ENDING)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; OSError with host and port as `filename` if it cannot."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if sys.platform == "win32":  # where SO_REUSEADDR would give two programs one port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror
        if error.errno == errno.EADDRINUSE:
            reason = f"{reason} by another program; choose another --port, or 0 for a free one"
        raise OSError(error.errno, reason, f"{host} port {port}") from None
    return listener


class Server(uvicorn.Server):
    """uvicorn's, within the limits, which ends by a signal without raising it once more.

    Parameters
    ----------
    app
        What answers.
    limits
        Of connections, and how long requests may take to finish at the end.
    on_start
        Called when clients are answered.
    """

    def __init__(
        self, app: ASGIApp, limits: Limits, on_start: Callable[[], object] = lambda: None
    ) -> None:
        _allow_files(limits.connections + _OTHER_FILES)
        super().__init__(
            uvicorn.Config(
                app,
                http=limited_protocol(limits),
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_keep_alive=max(1, round(limits.silence)),
                timeout_graceful_shutdown=max(1, round(limits.seconds)),
            )
        )
        self._on_start = on_start
        self._cut_off = False

    def answer(self, listener: socket.socket) -> bool:
        """Until `end`, SIGINT, SIGTERM or SIGHUP; whether all requests were finished then.

        No more connections are taken then, and requests that are under way get `limits.seconds`. A
        second signal does not wait for them.
        """
        self.run(sockets=[listener])
        return not self.force_exit and not self._cut_off

    def end(self) -> None:
        """Ask for the end, from any thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        self._cut_off = bool(self.server_state.tasks)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:  # type: ignore[override,unused-ignore]
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # What is ignored, as SIGHUP is under nohup, stays so.
        taken = [number for number in _ENDING if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, self.handle_exit) for number in taken}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def _allow_files(count: int) -> None:
    """Raise the soft limit of open files to this, as far as the hard one allows."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
