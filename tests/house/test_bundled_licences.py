"""`.ci/add_licences.py`: whatever a repaired wheel holds of others comes with its licence."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from ci_scripts import script

INFO = "nncore-1.2.3.dist-info"


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """Of one library the licence is a file; of zlib, as on Alpine, the top of its header."""
    root = tmp_path / "root"
    (root / "usr/share/doc/libjpeg-turbo").mkdir(parents=True)
    (root / "usr/share/doc/libjpeg-turbo/LICENSE.md").write_text("of libjpeg-turbo")
    (root / "usr/include").mkdir()
    (root / "usr/include/zlib.h").write_text(
        "/* zlib.h\n  without any warranty\n*/\nint inflate;\n"
    )
    return root


def wheel_with(folder: Path, *libraries: str) -> Path:
    path = folder / "nncore-1.2.3-cp311-cp311-linux_x86_64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("nncore/__init__.py", f"{INFO}/METADATA", f"{INFO}/RECORD"):
            archive.writestr(name, "old")
        for library in libraries:
            archive.writestr(f"nncore.libs/{library}", library)
    return path


def test_each_library_has_its_licence(tmp_path: Path, system: Path):
    wheel = wheel_with(tmp_path, "libjpeg-5a1b.so.62", "libz-02.so.1")
    script("add_licences").complete(wheel, system)
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    texts = f"{INFO}/licenses/bundled/"
    assert files[f"{texts}libjpeg-turbo.txt"] == b"of libjpeg-turbo"
    assert files[f"{texts}zlib.txt"] == b"zlib.h\n  without any warranty\n"
    parts = json.loads(files[f"{INFO}/sboms/nncore.cdx.json"])["components"]
    assert [part["name"] for part in parts] == ["libjpeg-turbo", "zlib"]
    # As installers check it: each file but the record itself, with its digest.
    rows = [row.split(",") for row in files[f"{INFO}/RECORD"].decode().splitlines()]
    assert {row[0] for row in rows} == files.keys()
    for name, digest, size in rows:
        if name != f"{INFO}/RECORD":
            found = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest())
            assert digest == "sha256=" + found.rstrip(b"=").decode()
            assert int(size) == len(files[name])


@pytest.mark.parametrize("library", ["libgomp-1.so", "libstdc++-6.so"])
def test_a_library_without_one_is_an_error(tmp_path: Path, system: Path, library: str):
    wheel = wheel_with(tmp_path, library)
    before = wheel.read_bytes()
    with pytest.raises(SystemExit, match=r"libgomp|libstdc\+\+"):
        script("add_licences").complete(wheel, system)
    assert wheel.read_bytes() == before


def test_a_folder_of_wheels(tmp_path: Path):
    with pytest.raises(SystemExit, match="no wheel"):
        script("add_licences").main(tmp_path)
    wheel = wheel_with(tmp_path)
    script("add_licences").main(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        assert json.loads(archive.read(f"{INFO}/sboms/nncore.cdx.json"))["components"] == []
