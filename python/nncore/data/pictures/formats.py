"""Which picture formats are read, and how a file is told to be one: by its content alone."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import IO, TYPE_CHECKING

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
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


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
    start = file.read(16)
    for name in _order() if start else ():
        factory, accepts = Image.OPEN[name]
        try:
            accepted = accepts is None or accepts(start)
            if isinstance(accepted, str):  # a format that this build of Pillow lacks
                raise UnidentifiedError(accepted, damaged=True)
            if accepted:
                file.seek(0)
                return factory(file, "")  # type: ignore[arg-type,unused-ignore]
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue  # by which Pillow's formats say that it is not theirs
        except Exception:
            if name not in WEAK:
                raise
    raise _unidentified(start)


def _unidentified(start: bytes) -> UnidentifiedError:
    if not start:
        return UnidentifiedError("empty file (0 bytes)")
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS:
        return UnidentifiedError("HEIC/HEIF is not supported; convert it to JPEG or PNG", True)
    if start.startswith(_SIGNATURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"):
        return UnidentifiedError("starts like an image, but its header is damaged or cut off", True)
    if start.startswith(b"%!PS"):
        return UnidentifiedError("not an image: PostScript is a program; convert it to PNG")
    return UnidentifiedError("not an image")


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
