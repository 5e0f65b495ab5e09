"""Files that are no folder of classes and no table are named for what they are, whatever they are
called; faults inside a table are told with file and line."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from nncore.errors import DataError


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a/0.png"), io.BytesIO())
    return stream.getvalue()


def saved(save, *arguments, **more) -> bytes:
    stream = io.BytesIO()
    save(stream, *arguments, **more)
    return stream.getvalue()


PICTURE = Image.new("RGB", (9, 7), (1, 2, 3))
KINDS = {
    "tar": (tarred(), "tar archive", "unpack"),
    "tar.gz": (gzip.compress(tarred()), "gzip archive", "unpack"),
    "tar.bz2": (bz2.compress(tarred()), "bzip2 archive", "unpack"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(30), "7z archive", "unpack"),
    "cut.zip": (zipped("a/0.png", "b/0.png")[:80], "zip archive", "unpack"),
    "ods": (zipped("mimetype", "content.xml"), "OpenDocument", "CSV"),
    "docx": (zipped("[Content_Types].xml", "word/document.xml"), "Word", "folder or table"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "old Excel", "CSV"),
    "npy": (saved(np.save, np.zeros(3)), "NumPy array", "from_arrays"),
    "npz": (saved(np.savez, a=np.zeros(3)), "NumPy arrays", "from_arrays"),
    "pt": (zipped("m/data.pkl", "m/data/0"), "PyTorch", "folder or table"),
    "pkl": (pickle.dumps({"a": 1}), "pickle", "from_arrays"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", "PDF", "folder or table"),
    "parquet": (b"PAR1" + bytes(40), "Parquet", ".csv"),
    "coco.json": (json.dumps({"images": []}).encode(), "JSON", ".csv"),
    "config.toml": (b"[run]\nseed = 0\n", "settings", "table"),
    "list.json": (b"[\n  1]", "JSON", ".csv"),
    "page": (b"<!DOCTYPE html><html>", "web page", ".csv"),
    "mp4": (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "film", "pictures"),
    "jpg": (saved(PICTURE.save, format="JPEG"), r"picture \(JPEG\)", "nncore predict"),
    "bmp": (saved(PICTURE.save, format="BMP"), r"picture \(BMP\)", "nncore predict"),
    "webp": (saved(PICTURE.save, format="WEBP"), r"picture \(WEBP\)", "nncore predict"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["thing", "thing.csv"])
def test_it_is_named_with_what_to_do(tmp_path, kind, name):
    content, what, todo = KINDS[kind]
    (tmp_path / name).write_bytes(content)
    for read in (nn.ImageDataset.from_csv, nn.ImageDataset.from_folder):
        with pytest.raises(DataError, match=f"{name}: is .*{what}.*; .*{todo}"):
            read(tmp_path / name)


def test_wherever_data_are_expected(fails, run, pictures, tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped("a/0.png"))
    for words in (
        ("train", tmp_path / "a.zip", "--output", tmp_path / "runs"),
        ("check", tmp_path / "a.zip"),
        ("evaluate", run, tmp_path / "a.zip"),
        ("lr-find", tmp_path / "a.zip"),
        ("evaluate", run, pictures, "--split", tmp_path / "a.zip"),
    ):
        told = fails(3, *words)
        assert told.startswith(f"{tmp_path}/a.zip: is a zip archive"), words
    assert fails(3, "predict", run, tmp_path / "a.zip").endswith("not an image, but a zip archive")
    assert "download" in fails(3, "check", "https://example.org/pictures.zip")
    assert f"{run}/best.safetensors: is a model file" in fails(
        3, "evaluate", run, run / "best.safetensors"
    )


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"a\0.png,a", "NUL"),
        (b"b.png,\xe4", "not UTF-8"),
        (b"b.png", "1 cells"),
        (b" ,a", "path is empty"),
        (b"b.png,", "label"),
        (b'b.png,"a', "unexpected end"),
    ],
)
def test_faults_in_a_table_are_told_with_file_and_line(fails, tmp_path, line, fault):
    (tmp_path / "t.csv").write_bytes(b"path,label\na.png,a\n" + line + b"\n")
    told = fails(3, "train", tmp_path / "t.csv", "--output", tmp_path / "runs")
    assert told.startswith(f"{tmp_path}/t.csv, line ")
    assert fault in told
