"""Open files that somebody else named: regular ones, and nothing that waits or never ends.

A pipe waits for its writer, a device may have no end, and what a path leads to may change between
two questions. So the file is opened without waiting, and what was opened is asked what it is.
"""

from __future__ import annotations

import errno
import os
import stat

from nncore.files.home import at_home

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_FOLDER = "is not a regular file, but a folder"
_IRREGULAR = "is not a regular file, but a pipe, a socket or a device"


def open_regular(path: str | os.PathLike[str]) -> tuple[int, os.stat_result]:
    """A descriptor of the file at `path`, which the caller closes, and its status.

    Raises
    ------
    OSError
        There is none, it cannot be read, or it is not a regular file; `filename` is `path`.
    """
    name = at_home(path)
    try:
        descriptor = os.open(name, _FLAGS)
    except ValueError:
        raise OSError(errno.EINVAL, "no file can have a NUL in its name", name) from None
    except PermissionError:
        if os.path.isdir(name):  # which Windows does not open
            raise IsADirectoryError(errno.EISDIR, _FOLDER, name) from None
        raise
    except OSError as error:
        if error.errno in (errno.ENXIO, getattr(errno, "EOPNOTSUPP", errno.ENXIO)):
            raise OSError(errno.EINVAL, _IRREGULAR, name) from None  # a socket
        raise
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, _FOLDER, name)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, _IRREGULAR, name)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status


def read_regular(path: str | os.PathLike[str], largest: int) -> bytes:
    """The content of the regular file at `path`.

    Raises
    ------
    OSError
        As `open_regular`, or it has more than `largest` bytes.
    """
    descriptor, status = open_regular(path)
    with open(descriptor, "rb") as file:
        if status.st_size > largest:
            raise OSError(
                errno.EFBIG,
                f"has {status.st_size:,} bytes, more than the {largest:,} of such a file",
                os.fspath(path),
            )
        content = file.read(largest + 1)
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"grew to more than {largest:,} bytes", os.fspath(path))
    return content
