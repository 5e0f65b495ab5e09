"""What is not a regular file is refused in words, whatever the system says of it."""

from __future__ import annotations

import errno
import os

import pytest

from nncore.files import regular_files
from on_windows import windows_os


def opened_by_windows(path, flags):
    """Its `os.open`, which takes no folder."""
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)
    return os.open(path, flags)


def test_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="a folder"):
        regular_files.open_regular(tmp_path)


def test_a_folder_on_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(regular_files, "os", windows_os(path=os.path, open=opened_by_windows))
    with pytest.raises(IsADirectoryError, match="a folder") as caught:
        regular_files.open_regular(tmp_path)
    assert caught.value.filename == str(tmp_path)
    (tmp_path / "a").write_bytes(b"some")
    assert regular_files.read_regular(tmp_path / "a", 10) == b"some"


def test_a_file_that_is_protected(tmp_path, monkeypatch):
    def refused(path, flags):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(regular_files.os, "open", refused)
    with pytest.raises(PermissionError):
        regular_files.open_regular(tmp_path / "a")
