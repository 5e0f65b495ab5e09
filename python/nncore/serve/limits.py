"""How much one request, and all of them together, may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from nncore.data.pictures.decode import MAX_PIXELS

# While bodies of so many full requests are held, no further bytes are taken.
_FULL_BODIES = 8


@dataclass(frozen=True)
class Limits:
    """What is refused, and how long is waited.

    Attributes
    ----------
    body
        Bytes of a request's body (413).
    pixels
        Of one picture, before it is decoded (413).
    parts
        Pictures of one request (413).
    seconds
        From the first byte of a request to its answer (408, 503).
    requests
        That wait to be computed at the same time (503).
    connections
        That are open at the same time, whether they ask for something or not (503).
    silence
        Seconds until a client has said what it wants (408); until a connection on which nothing is
        asked for is closed.
    """

    body: int = 32 << 20
    pixels: int = MAX_PIXELS
    parts: int = 64
    seconds: float = 30.0
    requests: int = 256
    connections: int = 4096
    silence: float = 15.0

    @property
    def held_bytes(self) -> int:
        """Bytes of all bodies that are held at the same time (503)."""
        return _FULL_BODIES * self.body
