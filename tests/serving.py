"""A real server for a test, and clients that are as rude as they like."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from nncore.serve.app import create_app
from nncore.serve.limits import Limits
from nncore.serve.server import Server, listen


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Serving:
    """A server in a thread of this process."""

    port: int
    told: list[str] = field(default_factory=list)

    def ask(
        self,
        path: str = "/predict",
        body: Any = None,
        headers: dict[str, str] | None = None,
        method: str | None = None,
    ) -> Answer:
        """One request on a connection of its own; POST where there is a body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            method = method or ("GET" if body is None else "POST")
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def send(self, raw: bytes) -> bytes:
        """What comes back for bytes on a connection, until the server closes it."""
        with self.connect() as connection:
            connection.sendall(raw)
            return everything(connection)

    def metric(self, name: str) -> float:
        """A sample by its name with labels."""
        for line in self.ask("/metrics").body.decode().splitlines():
            sample, _, value = line.rpartition(" ")
            if sample == name:
                return float(value)
        raise KeyError(name)


def everything(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@contextlib.contextmanager
def running(model: Any, limits: Limits, **settings: Any) -> Iterator[Serving]:
    ready = threading.Event()
    with listen("127.0.0.1", 0) as listener:
        serving = Serving(listener.getsockname()[1])
        app = create_app(model, limits=limits, warn=serving.told.append, **settings)
        server = Server(app, limits, ready.set)
        thread = threading.Thread(target=server.answer, args=(listener,))
        thread.start()
        try:
            assert ready.wait(10)
            yield serving
        finally:
            server.end()
            thread.join(20)
            assert not thread.is_alive()


@contextlib.contextmanager
def process(
    *words: object, json_answer: bool = False
) -> Iterator[tuple[subprocess.Popen[str], Serving, str]]:
    """`nncore serve` as a process, where it serves, and what it has printed."""
    command = [sys.executable, "-m", "nncore", "serve", *map(str, words), "--port", "0"]
    command += ["--json"] * json_answer
    done = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        told = ""
        while not re.search(r"http://\S+:(\d+)/", told):
            line = done.stdout.readline()
            assert line, done.stderr.read()
            told += line
        if json_answer:
            told += done.stdout.readline() + done.stdout.readline() + done.stdout.readline()
        yield done, Serving(int(re.search(r":(\d+)/", told)[1])), told
    finally:
        done.kill()
        done.communicate()


def picture(seed: int = 0, kind: str = "PNG", size: tuple[int, int] = (5, 4)) -> bytes:
    """A small noisy picture; (width, height)."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0]), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


def multipart(*files: tuple[str, bytes], boundary: str = "cut") -> tuple[bytes, dict[str, str]]:
    """Body and headers of a form; each file by its file name."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="f{number}"; filename="{name}"'
        f"\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for number, (name, content) in enumerate(files)
    ]
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), headers
