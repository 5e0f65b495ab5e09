"""The one way from a picture to pixels, for training and for inference alike.

A picture is identified by its content, refused if it has too many pixels, decoded (first frame),
turned upright (EXIF), brought to 8 bits, laid on the background where it is transparent, converted
to gray or RGB, and last brought to the model's size. Nothing else in nncore opens an image file.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import threading
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from nncore.data.pictures.fitting import Fit
from nncore.data.pictures.formats import WEAK, UnidentifiedError, open_picture
from nncore.data.pictures.jpeg_scans import MOST_SCANS, has_too_many_scans
from nncore.data.pictures.pixels import as_array, as_image, flatten, turn_of, turned
from nncore.data.pictures.plain import Jpeg, plain_jpeg, plain_png
from nncore.data.pictures.request import Request
from nncore.data.pictures.wide import decode_wide, is_wide
from nncore.data.preprocessing import Preprocessing
from nncore.errors import DataError
from nncore.files.own_folders import SOFTWARE
from nncore.files.regular_files import open_regular

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

    Bytes: TypeAlias = bytes | bytearray | memoryview
    ImageSource: TypeAlias = str | os.PathLike[str] | Bytes | IO[bytes] | Image.Image

MAX_PIXELS = 1 << 26  # 67 megapixels: decoding them takes half a GB to one, by their mode
_MAX_SIDE = 1 << 24  # pixels of lines so long or so many take several times the memory
NO_SUCH_FILE = "no such file"
AUTO_SIDE = 64  # side of the images when none is asked for

BUFFERED_BYTES = 1 << 25  # smaller files are read in one go, which plain ones need
_MAX_FILE_BYTES = 1 << 32  # a sparse file can have any size
_BLOCK_BYTES = 1 << 22  # of what is read in pieces
# A JPEG is never reduced by its decoder below this multiple of the model's size. With 4, photos
# take 1.3 to 2 times as long; with 3, pixels differ from those of a full decode by 0.3 of 255 on
# average and 3 at most, instead of by 0.1 and 1.
_JPEG_MARGIN = 3
# Larger pictures are decoded one at a time, so that threads do not multiply the memory.
LARGE_PIXELS = 1 << 24
_one_large_picture = threading.Lock()


class Digest(Protocol):
    """Such as hashlib makes."""

    def update(self, data: Any, /) -> object: ...


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


class TooManyPixelsError(BrokenImageError):
    """A picture that is refused before it is decoded."""


class NotAnImageError(UnusableImageError):
    """The content is no image (whatever the name says)."""


class OwnChartError(NotAnImageError):
    """A chart that nncore drew."""


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
        Larger pictures are refused before they are decoded.

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
        The picture is missing, truncated, damaged or too large.
    """
    return decode(source, Request.of(preprocessing, max_pixels))


def decode(
    source: ImageSource,
    request: Request,
    *,
    digest: Digest | None = None,
    name: str | None = None,
) -> NDArray[np.uint8]:
    """`decode_image` with what the request leaves open: uint8 (height, width, 1 or 3).

    `digest` is fed the bytes of the file. `name` is what errors call the picture.
    """
    name = _name(source) if name is None else name
    file = _file(source, name)
    try:
        if file is None:
            image = cast("Image.Image", source)
            _check_pixels(image, name, request.max_pixels)
            image.load()
            return _finish(image, request, turn=turn_of(image))
        with file:
            if digest is not None:
                if not isinstance(file, io.BytesIO):
                    # Nothing is read whole that its header already refuses.
                    with _identify(file, name) as header:
                        _check_pixels(header, name, request.max_pixels)
                    file.seek(0)
                _feed(digest, file)
            pixels = _decode_file(file, name, request)
        opened: Any = source
        if getattr(opened, "tile", None) and opened.format not in ("JPEG", "MPO"):
            # Who opens a picture for one use seldom closes it: loading does. Photos take too long.
            opened.load()
        return pixels
    except UnusableImageError:
        raise
    except Exception as error:
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> BrokenImageError:
    """Of what Pillow raised, which may be nearly anything where a file is damaged."""
    if isinstance(error, MemoryError):
        return BrokenImageError(name, "decoding it needs more memory than there is")
    return BrokenImageError(name, f"cannot be decoded: {str(error) or type(error).__name__}")


def _name(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source) if isinstance(os.fspath(source), str) else repr(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "<bytes>"
    name = getattr(source, "filename", None) or getattr(source, "name", None)
    return name if isinstance(name, str) and name else f"<{type(source).__name__}>"


def _file(source: Any, name: str) -> IO[bytes] | None:
    """A fresh file object with the encoded picture; None for a Pillow image with pixels."""
    from PIL import Image

    if isinstance(source, (str, os.PathLike)):
        return _read(source, name)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if isinstance(source, Image.Image):
        file = getattr(source, "fp", None)
        if getattr(source, "tile", None) and file is not None and source.tell() == 0:
            # Opened but not decoded yet: read afresh, to give the pixels that its file gives.
            # And an attempt that failed must not be repeated: Pillow may accept the second.
            return io.BytesIO(_content(file))
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
        descriptor, status = open_regular(path)
        if status.st_size > _MAX_FILE_BYTES:
            os.close(descriptor)
            raise BrokenImageError(name, f"{status.st_size:,} bytes are more than any picture has")
        if status.st_size > BUFFERED_BYTES:
            return open(descriptor, "rb")
        return io.BytesIO(_read_whole(descriptor, status.st_size))
    except FileNotFoundError:
        raise BrokenImageError(name, NO_SUCH_FILE) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise BrokenImageError(
            name,
            reason if error.errno in (errno.EINVAL, errno.EISDIR) else f"cannot be read: {reason}",
        ) from error


def _read_whole(descriptor: int, size: int) -> bytes:
    """The bytes of a small file, which is closed: `open` takes twice as long for it."""
    try:
        content = os.read(descriptor, size + 1)
        if len(content) == size:
            return content
        parts = [content]  # it grew or shrank, or the system gives it in pieces
        while parts[-1]:
            parts.append(os.read(descriptor, _BLOCK_BYTES))
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _feed(digest: Digest, file: IO[bytes]) -> None:
    if isinstance(file, io.BytesIO):
        digest.update(file.getbuffer())
        return
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    file.seek(0)


def _identify(file: IO[bytes], name: str) -> ImageFile:
    try:
        image = open_picture(file)
    except UnidentifiedError as error:
        kind = BrokenImageError if error.damaged else NotAnImageError
        raise kind(name, str(error)) from None
    except Exception as error:
        raise _broken(name, error) from error
    if image.format == "PNG" and image.info.get("Software") == SOFTWARE:
        raise OwnChartError(name, "is a chart that nncore drew")
    return image


def _check_pixels(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise TooManyPixelsError(
            name,
            f"{width} x {height} pixels are more than the limit of {max_pixels} pixels "
            "(max_pixels raises it)",
        )
    if max(width, height) > _MAX_SIDE:
        raise TooManyPixelsError(
            name, f"{width} x {height} pixels: no side may be longer than {_MAX_SIDE} pixels"
        )
    if width * height == 0:
        raise BrokenImageError(name, f"has no pixels ({width} x {height})")


def _decode_file(file: IO[bytes], name: str, request: Request) -> NDArray[np.uint8]:
    side, max_pixels = reduced_side(request.size), request.max_pixels
    if isinstance(file, io.BytesIO):
        data = file.getvalue()
        pixels = plain_png(data, min(max_pixels, LARGE_PIXELS))
        if pixels is not None:
            return finish_plain(pixels, request)
        jpeg = plain_jpeg(data, max_pixels, LARGE_PIXELS, side)
        if jpeg is not None:
            return _finish_jpeg(jpeg, None, request)
    image = _identify(file, name)
    try:
        _check_pixels(image, name, max_pixels)
        if image.format in ("JPEG", "MPO") and has_too_many_scans(_content(file)):
            raise BrokenImageError(
                name, f"has more than {MOST_SCANS} scans, which no encoder makes"
            )
        width, height = image.size
        tagged = _tagged_jpeg(image, file, max_pixels, side)
        if tagged is not None:
            return _finish_jpeg(tagged, turn_of(image), request)
        stored: tuple[int, int] | None = None
        if min(width, height) >= 2 * side and image.draft(None, (side, side)) is not None:
            stored = width, height
        width, height = image.size
        large = width * height > LARGE_PIXELS
        with _one_large_picture if large else contextlib.nullcontext():
            decoded: Image.Image = image
            if is_wide(image):
                decoded = decode_wide(image, _identify(io.BytesIO(_content(file)), name))
            else:
                image.load()
            return _finish(decoded, request, stored, turn_of(decoded))
    except Exception as error:
        if isinstance(error, MemoryError) or image.format not in WEAK:
            raise
        # Nothing but a few plausible numbers made it a picture, and its pixels are not there.
        what = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise NotAnImageError(name, f"not an image (as {image.format}: {what})") from error
    finally:
        image.close()  # its pixels would live as long as an exception that knows this frame


def _content(file: IO[bytes]) -> bytes:
    """The whole file; the position is left as it was."""
    position = file.tell()
    file.seek(0)
    content = file.read()
    file.seek(position)
    return content


def _tagged_jpeg(image: ImageFile, file: IO[bytes], max_pixels: int, side: int) -> Jpeg | None:
    """A JPEG that is plain but for Exif and profiles, as the core decodes it; None for others."""
    if image.format != "JPEG" or image.mode not in ("L", "RGB") or not isinstance(file, io.BytesIO):
        return None
    jpeg = plain_jpeg(file.getvalue(), max_pixels, LARGE_PIXELS, side, skip_applications=True)
    return jpeg if jpeg is not None and jpeg.pixels.shape[2] == len(image.mode) else None


def reduced_side(size: tuple[int, int] | None) -> int:
    """A JPEG is reduced by its decoder as long as both sides stay at least so long.

    Photos decode several times faster so; the square is right for either orientation.
    """
    return _JPEG_MARGIN * max(size or (AUTO_SIDE, AUTO_SIDE))


def finish_plain(pixels: NDArray[np.uint8], request: Request) -> NDArray[np.uint8]:
    """From pixels (h, w, 1 or 3) that are upright and opaque to the model's."""
    if is_finished(pixels.shape, request):
        return pixels
    return _finish(as_image(pixels), request)


def _finish_jpeg(jpeg: Jpeg, turn: Image.Transpose | None, request: Request) -> NDArray[np.uint8]:
    """From a decoded JPEG to the model's pixels."""
    if turn is None and is_finished(jpeg.pixels.shape, request):
        return jpeg.pixels
    stored = jpeg.width, jpeg.height
    return _finish(as_image(jpeg.pixels), request, stored, turn)


def is_finished(shape: tuple[int, ...], request: Request) -> bool:
    """Whether pixels of this shape, upright and opaque, are the model's as they are."""
    height, width, channels = shape
    size = request.size
    fits = (height, width) == size if size else max(height, width) <= AUTO_SIDE
    return fits and channels == {None: channels, "gray": 1, "rgb": 3}[request.color]


def _finish(
    image: Image.Image,
    request: Request,
    stored: tuple[int, int] | None = None,
    turn: Image.Transpose | None = None,
) -> NDArray[np.uint8]:
    """From decoded pixels to the model's; `stored` is the picture's (width, height) where a
    decoder may have reduced it."""
    size, color, alpha_background = request.size, request.color, request.alpha_background
    fit = Fit(request.fit, alpha_background)
    if stored is None or stored == image.size:
        image = flatten(turned(image, turn), color, alpha_background)
        if size is None and max(image.size) > AUTO_SIDE:
            size = (AUTO_SIDE, AUTO_SIDE)
        image = image if size is None else fit.scaled(image, size)
    else:
        factor = round(stored[0] / image.width)
        whole = stored[1] / factor, stored[0] / factor
        image = flatten(image, color, alpha_background)
        image = fit.scaled(image, size or (AUTO_SIDE, AUTO_SIDE), whole, turn)
    return np.array(as_array(image), order="C")
