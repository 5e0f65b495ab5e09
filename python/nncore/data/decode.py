"""The one way from a picture to pixels, for training and for inference alike.

A picture is identified by its content, refused if it has too many pixels, decoded (first frame),
turned upright (EXIF), brought to 8 bits, laid on the background where it is transparent, converted
to gray or RGB, and last resized. Nothing else in nncore opens an image file.
"""

from __future__ import annotations

import io
import os
import stat
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from nncore.data.pixels import as_array, flatten, resize, upright
from nncore.data.preprocessing import Preprocessing
from nncore.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

    ImageSource: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image

MAX_PIXELS = 178_956_970  # where Pillow, too, gives up: twice its warning limit
AUTO_SIDE = 64  # side of the images when none is asked for
IMAGE_EXTENSIONS = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp", ".tif"),
        *(".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".ico", ".jp2", ".avif", ".heic", ".heif"),
    )
)

# Only raster formats with a recognisable start. Pillow also opens formats that run other programs
# (EPS through Ghostscript), that it can identify but never decode, or that match almost anything.
_FORMATS = (
    *("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "MPO"),
    *("DIB", "ICO", "JPEG2000", "AVIF", "QOI", "PSD", "SGI", "PCX"),
)
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

_BUFFERED_BYTES = 1 << 22  # smaller files are read in one go: a fifth faster for tiny images
_JPEG_MARGIN = 4  # a JPEG is never reduced by its decoder below this multiple of the model's size


class UnusableImageError(DataError):
    """A file that cannot become an image of the data set; has `path` and `reason`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class BrokenImageError(UnusableImageError):
    """An image that is missing, truncated, damaged, too large or of an unsupported kind."""


class NotAnImageError(UnusableImageError):
    """The content is no image (whatever the name says)."""


def decode_image(
    source: ImageSource,
    preprocessing: Preprocessing,
    *,
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """Pixels of one picture, as the model sees them.

    Parameters
    ----------
    source
        A path, the bytes of an image file, a binary file object (left open) or a Pillow image
        (its current frame).
    preprocessing
        Size, colour and the other recorded choices.
    max_pixels
        Larger pictures are refused before they are decoded. Pillow's own limit stays in force.

    Returns
    -------
    uint8 (height, width, channels), C-contiguous.

    Raises
    ------
    TypeError
        `source` is none of these.
    NotAnImageError
        The content is no image.
    BrokenImageError
        The picture is missing, truncated, damaged, too large, or has pixels without a fixed
        black and white: 32-bit integers must lie in 0..65535 and floats in 0..1.
    """
    return decode(
        source,
        (preprocessing.height, preprocessing.width),
        preprocessing.color,
        preprocessing.alpha_background,
        max_pixels=max_pixels,
    )


def decode(
    source: ImageSource,
    size: tuple[int, int] | None,
    color: str | None,
    alpha_background: tuple[int, int, int] = (255, 255, 255),
    *,
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """`decode_image` with open choices: uint8 (height, width, 1 or 3).

    `size` None keeps pictures up to 64 x 64 as they are and resizes others to 64 x 64; `color`
    None gives one channel for gray pictures and three for others.
    """
    name = _name(source)
    file = _file(source, name)
    try:
        if file is None:
            image = cast("Image.Image", source)
            return _render(image, name, size, color, alpha_background, max_pixels, draft=False)
        with file:
            image = _identify(file, name)
            return _render(image, name, size, color, alpha_background, max_pixels, draft=True)
    except UnusableImageError:
        raise
    except MemoryError as error:
        raise BrokenImageError(name, "decoding it needs more memory than there is") from error
    except Exception as error:
        # A damaged file can raise nearly anything inside Pillow's decoders.
        reason = f"cannot be decoded: {error or type(error).__name__}"
        raise BrokenImageError(name, reason) from error


def _name(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source) if isinstance(os.fspath(source), str) else repr(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "<bytes>"
    name = getattr(source, "filename", None) or getattr(source, "name", None)
    return name if isinstance(name, str) and name else f"<{type(source).__name__}>"


def _file(source: Any, name: str) -> IO[bytes] | None:
    """A fresh file object with the encoded picture; None for a Pillow image with pixels."""
    from PIL import Image, JpegImagePlugin

    if isinstance(source, (str, os.PathLike)):
        return _read(source, name)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if isinstance(source, Image.Image):
        file = getattr(source, "fp", None)
        if isinstance(source, JpegImagePlugin.JpegImageFile) and source.tile and file is not None:
            # Opened but not decoded yet: give the pixels that its file gives (see `draft` below).
            position = file.tell()
            file.seek(0)
            content = file.read()
            file.seek(position)
            return io.BytesIO(content)
        return None
    if hasattr(source, "read"):
        if source.seekable():
            source.seek(0)
        content = source.read()
        if not isinstance(content, bytes):
            raise TypeError(f"{name}: the file object must be open in binary mode")
        return io.BytesIO(content)
    raise TypeError(
        "an image must be a path, bytes, a binary file object or a Pillow image, "
        f"not {type(source).__name__}"
    )


def _read(path: str | os.PathLike[str], name: str) -> IO[bytes]:
    try:
        status = os.stat(path)
        # Asked before opening: opening a pipe would wait for its writer for ever.
        if not stat.S_ISREG(status.st_mode):
            raise BrokenImageError(name, "is not a regular file")
        if status.st_size > _BUFFERED_BYTES:
            return open(path, "rb")
        with open(path, "rb", buffering=0) as file:
            return io.BytesIO(file.read())
    except FileNotFoundError:
        raise BrokenImageError(name, "no such file") from None
    except OSError as error:
        raise BrokenImageError(name, f"cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=1)
def _known_formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _identify(file: IO[bytes], name: str) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file, formats=_known_formats())
    except UnidentifiedImageError:
        file.seek(0)
        start = file.read(16)
    if not start:
        raise NotAnImageError(name, "empty file (0 bytes)")
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS:
        raise BrokenImageError(name, "HEIC/HEIF is not supported; convert it to JPEG or PNG")
    if start.startswith(_SIGNATURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"):
        raise BrokenImageError(name, "starts like an image, but its header is damaged or cut off")
    raise NotAnImageError(name, "not an image")


def _render(
    image: Image.Image,
    name: str,
    size: tuple[int, int] | None,
    color: str | None,
    alpha_background: tuple[int, int, int],
    max_pixels: int,
    draft: bool,
) -> NDArray[np.uint8]:
    width, height = image.size
    if width * height > max_pixels:
        raise BrokenImageError(
            name, f"{width} x {height} pixels are more than the limit of {max_pixels} pixels"
        )
    if width * height == 0:
        raise BrokenImageError(name, f"has no pixels ({width} x {height})")
    if draft:
        # Photos decode several times faster; the square is right for either orientation.
        side = _JPEG_MARGIN * max(size or (AUTO_SIDE, AUTO_SIDE))
        if min(width, height) >= 2 * side:
            image.draft(None, (side, side))
    image.load()
    pixels = as_array(flatten(upright(image), color, alpha_background))
    if size is None and max(pixels.shape[:2]) > AUTO_SIDE:
        size = (AUTO_SIDE, AUTO_SIDE)
    return np.array(pixels if size is None else resize(pixels, size), order="C")
