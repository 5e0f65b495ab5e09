"""Which picture formats are read, and how a file is told to be one: by its content alone."""

from __future__ import annotations

import importlib
import importlib.util
import struct
from functools import lru_cache
from typing import IO, TYPE_CHECKING

from nncore.data.content_kinds import kind_of

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Extensions by which people name pictures: a file of such a name that is none was meant to be one.
IMAGE_EXTENSIONS = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp"),
        *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".ico", ".icns", ".cur"),
        *(".jp2", ".j2k", ".jpx", ".avif", ".avifs", ".heic", ".heif", ".tga", ".dds", ".psd"),
        *(".pcx", ".dcx", ".qoi", ".sgi", ".xbm", ".xpm", ".blp", ".fli", ".flc", ".eps"),
    )
)

# Pillow hands EPS to Ghostscript and WMF to Windows: another program would run on a stranger's
# file. Of the others it knows the headers only.
_REFUSED = frozenset(("EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"))
# What pictures mostly are is asked first.
_COMMON = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")

# Formats without a signature: any file with plausible numbers at the right places is taken for
# one, so a file that then cannot be decoded was no picture.
WEAK = frozenset(("IM", "IMT", "IPTC", "PCD", "SPIDER", "TGA"))

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*")
# What phones make, and Pillow reads with the help of another package only: names of the kind, the
# package to install, and its module. AVIF is read by Pillow itself from 11.3 on, mostly.
_HEIF = ("HEIC/HEIF", "pillow-heif", "pillow_heif")
_AVIF = ("AVIF", "pillow-avif-plugin", "pillow_avif")
HELPERS = (_HEIF[2], _AVIF[2])
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), _HEIF),
    **dict.fromkeys((b"avif", b"avis"), _AVIF),
}


class UnidentifiedError(Exception):
    """No picture in any format; `damaged` where it was meant to be one."""

    def __init__(self, reason: str, damaged: bool = False) -> None:
        super().__init__(reason)
        self.damaged = damaged


def open_picture(file: IO[bytes]) -> ImageFile:
    """The picture in a file, its header read and nothing else.

    This is `PIL.Image.open` without two things that depend on what the process did before: the
    order in which formats are tried, and a limit of pixels that is the same for everybody.

    Raises
    ------
    UnidentifiedError
        No format takes the file.
    Exception
        A format takes it, and finds its header damaged.
    """
    from PIL import Image

    file.seek(0)
    start = file.read(32)
    helped = _helped(start)
    if helped is not None:
        _use(helped[2])
    start = start[:16]
    for name in _order() if start else ():
        factory, accepts = Image.OPEN[name]
        try:
            accepted = accepts is None or accepts(start)
            if isinstance(accepted, str):  # a format that this build of Pillow lacks
                raise UnidentifiedError(accepted if helped is None else _advice(*helped), True)
            if accepted:
                file.seek(0)
                return factory(file, "")  # type: ignore[arg-type,unused-ignore]
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue  # by which Pillow's formats say that it is not theirs
        except Exception:
            if name not in WEAK:
                raise
    if helped is not None:
        what = f"starts like {helped[0]}, but is damaged or cut off"
        raise UnidentifiedError(what if _use(helped[2]) else _advice(*helped), damaged=True)
    raise _unidentified(start)


def _helped(start: bytes) -> tuple[str, str, str] | None:
    """The kind of a picture for which Pillow may need a package; None for all others."""
    if start[4:8] != b"ftyp" or start[8:12] not in _BRANDS:
        return None
    # "mif1" and the like say less than the brands that the file is compatible with.
    also = {start[place : place + 4] for place in range(16, len(start), 4)}
    return _AVIF if start[8:12] in (b"mif1", b"msf1") and b"avif" in also else _BRANDS[start[8:12]]


@lru_cache
def _use(module: str) -> bool:
    """Let Pillow read what a package adds; whether such pictures are read now."""
    from PIL import features

    if module == _AVIF[2] and "avif" in features.modules and features.check("avif"):
        return True
    try:
        package = importlib.import_module(module)
    except ImportError:
        return False
    # One registers by a call, the other when it is imported.
    getattr(package, "register_heif_opener", lambda: None)()
    _order.cache_clear()
    return True


def _advice(kind: str, package: str, module: str) -> str:
    return f"{kind} is not read without {package}: pip install {package}, or convert to JPEG or PNG"


def _unidentified(start: bytes) -> UnidentifiedError:
    if not start:
        return UnidentifiedError("empty file (0 bytes)")
    if start.startswith(_SIGNATURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"):
        return UnidentifiedError("starts like an image, but its header is damaged or cut off", True)
    if start.startswith(b"%!PS"):
        return UnidentifiedError("not an image: PostScript is a program; convert it to PNG")
    kind = kind_of(start)
    return UnidentifiedError("not an image" if kind is None else f"not an image, but {kind.name}")


@lru_cache(maxsize=1)
def _order() -> tuple[str, ...]:
    """Formats to try: common ones, those with a signature, those without."""
    from PIL import Image

    Image.init()
    known = sorted(set(Image.OPEN) - _REFUSED)
    return tuple(
        sorted(
            known,
            key=lambda name: (
                name in WEAK,
                _COMMON.index(name) if name in _COMMON else len(_COMMON),
                name,
            ),
        )
    )
