"""The server behind the page: on this machine alone, for those who know the address.

It runs in threads that die with the process. What is too much for it, it drops.
"""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any

from nncore.live.board import Board
from nncore.live.requests import Request

HOST = "127.0.0.1"
# A page takes one connection while it is open and some for a moment. More than these are closed
# unheard: each costs a thread of the process that trains.
MOST_CONNECTIONS = 32
_POLL = 0.1  # seconds until it is noticed that the server is to end


class LiveServer(ThreadingHTTPServer):
    """Serves one `Board`.

    Parameters
    ----------
    board
        What is shown.
    page
        Makes the page; called when it is first asked for.
    stop
        Called when somebody asks to end the training; says whether it will be.
    port
        0: a free one.

    Raises
    ------
    OSError
        The port is taken, or this machine has no loopback interface.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, board: Board, page: Callable[[], bytes], stop: Callable[[], bool], port: int = 0
    ) -> None:
        self.board, self.page, self.stop = board, page, stop
        self.token = secrets.token_urlsafe(24)
        self.report: Path | None = None
        self.reports_taken = 0
        self._slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__((HOST, port), Request)
        threading.Thread(
            target=self.serve_forever, args=[_POLL], name="nncore live page", daemon=True
        ).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """What to open in a browser: nobody gets in without the token in it."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    def let_go(self, seconds: float) -> None:
        """Give the pages that are open so long to take the report and the last news."""
        until = time.monotonic() + seconds
        if self.report is not None:
            while self.reports_taken < self.board.watching and time.monotonic() < until:
                time.sleep(0.05)
        self.board.close()
        while self.board.watching and time.monotonic() < until:
            time.sleep(0.05)

    def close(self) -> None:
        """End it; pages that are open stay as they are."""
        self.board.close()
        self.shutdown()
        self.server_close()

    # -- what the standard library's server does otherwise

    def server_bind(self) -> None:
        # Not HTTPServer's, which asks for the name of this machine: that may take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.port

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whatever a client does is no matter of the training."""

    def get_request(self) -> tuple[socket.socket, Any]:
        request, client = super().get_request()
        request.settimeout(Request.timeout)
        return request, client
