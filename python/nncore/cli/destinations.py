"""Files and folders that a flag names to be written: looked at before the work that leads to them.

What is there already is not replaced unasked, unless nncore made it.
"""

from __future__ import annotations

import errno
import os

from nncore.files.own_folders import SOFTWARE
from nncore.files.writable import check_file, check_folder

_BEGINNING = 1024  # bytes, by which what nncore made is known


def check_new_file(path: str, flag: str, overwrite: bool, own: bytes) -> None:
    """OSError if nothing can be written there, or if something is there that is to stay; `flag` is
    what the place was named by. What has `own` near its beginning was made by nncore, and goes."""
    _check_file(path, flag)
    if os.path.isfile(path) and not overwrite and not _has_near_its_beginning(path, own):
        reason = f"is there already; choose another {flag}, or replace it by --overwrite"
        raise FileExistsError(errno.EEXIST, reason, path)


def _has_near_its_beginning(path: str, own: bytes) -> bool:
    with open(path, "rb") as file:
        return own in file.read(_BEGINNING)


def check_picture(path: str, flag: str) -> None:
    """The same of a picture, which may take the place of one that nncore has drawn."""
    _check_file(path, flag)
    if is_anothers_picture(path):
        reason = f"is there already, and was not drawn by nncore; choose another {flag}"
        raise FileExistsError(errno.EEXIST, reason, path)


def check_output_folder(path: str, flag: str) -> None:
    """OSError if nothing can be written into a folder there."""
    try:
        check_folder(path)
    except OSError as error:
        raise _named(error, flag) from None


def is_anothers_picture(path: str) -> bool:
    """Whether a file is there, and no chart that nncore drew."""
    from PIL import Image

    if path.lower().endswith((".svg", ".pdf")):
        return False  # they say nothing of who drew them
    try:
        with Image.open(path) as image:
            return bool(image.info.get("Software") != SOFTWARE)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):  # no picture at all
        return True


def _check_file(path: str, flag: str) -> None:
    try:
        check_file(path)
    except OSError as error:
        raise _named(error, flag) from None
    if os.path.exists(path) and not os.path.isfile(path):
        # Files are written under another name and renamed: a device would be gone.
        reason = f"is no regular file; choose another place by {flag}"
        raise OSError(errno.EINVAL, reason, path)


def _named(error: OSError, flag: str) -> OSError:
    """With the flag that named the place."""
    reason = f"{error.strerror}; choose another place by {flag}"
    return type(error)(error.errno, reason, error.filename)
