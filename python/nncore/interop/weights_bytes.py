"""The bytes of a file of weights that another tool wrote."""

from __future__ import annotations

import os

from nncore.errors import ModelFileError
from nncore.files.near_paths import path_meant
from nncore.files.regular_files import read_regular

_LARGEST = 1 << 32  # bytes


def read_weights(path: str | os.PathLike[str]) -> bytes:
    """All of the file.

    Raises
    ------
    ModelFileError
        There is none, or it cannot be read, or is larger than 4 GiB.
    """
    try:
        return read_regular(path, _LARGEST)
    except FileNotFoundError:
        meant = path_meant(path)
        raise ModelFileError(f"{os.fspath(path)}: there is no such weights file{meant}") from None
    except OSError as error:
        raise ModelFileError(f"{os.fspath(path)}: cannot be read: {error.strerror}") from error
