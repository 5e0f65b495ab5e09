"""Paths that are no regular files, whatever takes a path; and a user without a home."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from nncore.data import ClassMap, ImageDataset, decode_image
from nncore.data.labels.class_map import read_text
from nncore.data.pictures.decode import BrokenImageError
from nncore.data.preprocessing import Preprocessing
from nncore.errors import DataError, ModelFileError
from nncore.interop.onnx_session import read_file
from nncore.interop.torch_state import read_state_dict

PLAN = Preprocessing(8, 8, "rgb")


def png(*chunks: tuple[bytes, bytes], width: int = 4, kind: int = 3) -> bytes:
    rows = zlib.compress(b"".join(b"\0" + bytes([0, 1, 200, 255]) for _ in range(4)))
    header = struct.pack(">IIBBBBB", width, 4, 8, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


@pytest.fixture
def places(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        yield [tmp_path / "pipe", tmp_path / "socket", Path("/dev/zero"), tmp_path]


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda path: decode_image(path, PLAN), BrokenImageError),
        (read_text, DataError),
        (read_file, ModelFileError),
        (read_state_dict, ModelFileError),
    ],
)
def test_no_reader_waits_or_goes_on_for_ever(places, read, error):
    for place in places:
        with pytest.raises(error, match="not a regular file"):
            read(place)
    with pytest.raises(error, match="NUL"):
        read(Path("a\0b"))


def test_class_maps_and_tables(places):
    for place in places[:3]:
        with pytest.raises(DataError):
            ClassMap.read(place.with_name(place.name + ".csv"))
    pipe = places[0].with_name("pipe.csv")
    places[0].rename(pipe)
    for read in (ClassMap.read, ImageDataset.from_csv):
        with pytest.raises(DataError, match="not a regular file"):
            read(pipe)


def test_a_picture_that_becomes_a_pipe_is_not_waited_for(make_folder, tmp_path):
    root = make_folder({"cat": 4, "dog": 4})
    ImageDataset.from_folder(root, cache=tmp_path / "cache")
    path = sorted(root.rglob("*.png"))[0]
    path.unlink()
    os.mkfifo(path)
    data = ImageDataset.from_folder(root, max_broken=0.5, cache=tmp_path / "cache")
    assert len(data) == 7


def test_an_enormous_picture_costs_its_header(tmp_path):
    folder = tmp_path / "photos"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "good.png").write_bytes(png((b"PLTE", bytes(range(9)) * 30)))
    for name, content in (("wide.png", png(width=1 << 25)), ("none.png", b"\x89PNG\r\n\x1a\n")):
        path = folder / "a" / name
        path.write_bytes(content)
        os.truncate(path, 3 << 30)
    with (folder / "a" / "endless.png").open("wb") as file:
        file.write(png())
        file.truncate(1 << 40)
    started = time.process_time()  # not the clock, which other programs make run on
    data = ImageDataset.from_folder(folder, max_broken=1)
    assert time.process_time() - started < 5
    assert len(data) == 2
    assert len(data.skipped) == 3


def test_a_palette_png_without_palette_is_read(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png())
    assert decode_image(path, PLAN).shape == (8, 8, 3)


def test_a_user_without_home_is_warned_and_has_no_cache(make_folder):
    root = make_folder({"cat": 2, "dog": 2})
    code = f"""
import pathlib
from nncore.data import ImageDataset
def home():
    raise RuntimeError("Could not determine home directory.")
pathlib.Path.home = staticmethod(home)
data = ImageDataset.from_folder({str(root)!r}, cache=True)
assert len(data) == 4
(note,) = data.notes
assert "no place for a cache" in note and "read without it" in note, note
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME")}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
