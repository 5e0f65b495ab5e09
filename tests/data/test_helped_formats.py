"""Pictures that Pillow reads with the help of another package only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nncore.data import ImageDataset
from nncore.data.pictures import formats
from nncore.data.pictures.decode import BrokenImageError, decode_image
from nncore.data.preprocessing import Preprocessing

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
# A plug-in as pillow-heif is one: Pillow reads nothing of it before it is registered.
PACKAGE = """
from PIL import Image, ImageFile

class Plugin(ImageFile.ImageFile):
    format = "HEIF"
    def _open(self):
        if self.fp.read(100)[24:] == b"damaged":
            raise SyntaxError("no")
        self._size, self._mode = (2, 3), "L"
        self.tile = []
    def load(self):
        self.im = Image.new("L", (2, 3), 77).im
        return Image.Image.load(self)

def register_heif_opener():
    Image.register_open(Plugin.format, Plugin, lambda start: start[4:12] == b"ftypheic")
"""
PROGRAM = """
import sys
from nncore.data import ImageDataset
data = ImageDataset.from_folder(sys.argv[1], cache=sys.argv[2], max_broken=1.0)
print(data.images[0, 0, 0, 0], [(s.path[-6:], s.reason) for s in data.skipped])
"""


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    for kind in ("a", "b"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for number in range(2):
            path = tmp_path / "data" / kind / f"{number}.heic"
            path.write_bytes(HEIC + bytes([number]))
    (tmp_path / "data" / "b" / "2.heic").write_bytes(HEIC + b"damaged")
    return tmp_path


def test_a_package_is_used_once_it_is_installed(phone: Path, monkeypatch):
    import importlib.util

    if importlib.util.find_spec("pillow_heif") is not None:
        pytest.skip("it is installed")
    cache = phone / "cache"
    with pytest.raises(Exception, match="pip install pillow-heif"):
        ImageDataset.from_folder(phone / "data", cache=cache, max_broken=1.0)
    (phone / "package").mkdir()
    (phone / "package" / "pillow_heif.py").write_text(PACKAGE)
    places = os.pathsep.join([str(phone / "package"), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(phone / "data"), str(cache)],
        env=os.environ | {"PYTHONPATH": places},
        capture_output=True,
        text=True,
    )
    assert done.stdout == (
        "77 [('2.heic', 'starts like HEIC/HEIF, but is damaged or cut off')]\n"
    ), done.stderr


@pytest.mark.parametrize(
    ("start", "package"),
    [
        (b"\0\0\0\x18ftypheix\0\0\0\0mif1heic", "pillow-heif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "pillow-heif"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif", "pillow-avif-plugin"),
        (b"\0\0\0\x18ftypavis\0\0\0\0msf1miaf", "pillow-avif-plugin"),
    ],
)
def test_the_package_to_install_is_named(start: bytes, package: str, monkeypatch):
    monkeypatch.setattr(formats, "_use", lambda module: False)
    with pytest.raises(BrokenImageError, match=f"pip install {package}"):
        decode_image(start, Preprocessing(2, 2, "gray"))


def test_films_are_no_pictures():
    with pytest.raises(Exception, match="not an image"):
        decode_image(b"\0\0\0\x18ftypisom\0\0\0\0isommp42", Preprocessing(2, 2, "gray"))


def test_pictures_of_phones(tmp_path: Path):
    heif = pytest.importorskip("pillow_heif")
    from PIL import Image

    heif.register_heif_opener()
    Image.new("RGB", (16, 16), (200, 10, 10)).save(tmp_path / "a.heic")
    pixels = decode_image(tmp_path / "a.heic", Preprocessing(4, 4, "rgb"))
    assert abs(int(pixels[0, 0, 0]) - 200) < 12
