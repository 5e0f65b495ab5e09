"""Pipes to another program, which may be ended with things in them that nobody has read."""

from __future__ import annotations

import os
import stat
import struct
import time


def wait_until_read(descriptor: int, seconds: float = 2.0) -> None:
    """Return when the reader of a pipe has taken all that was written, or after some time.

    Whoever ends the program at the other end loses what is still in the pipe. Of a file, and where
    a system cannot tell, there is nothing to wait for.

    Parameters
    ----------
    descriptor
        The end that is written to.
    seconds
        At most so long: the reader may have stopped.
    """
    try:
        import fcntl
        import termios

        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            waiting = fcntl.ioctl(descriptor, termios.FIONREAD, struct.pack("i", 0))
            if struct.unpack("i", waiting)[0] == 0:
                return
            time.sleep(0.01)
    except (ImportError, OSError):
        return
