"""Where decoded images are put while their common size and colour may still be open.

With size and colour left open, pictures of up to 64 x 64 pixels keep their size and gray ones stay
gray as long as all do. The first that differs decides: from then on every image is 64 x 64, or RGB,
and those that are there already are converted. That happens once for the size and once for the
colour, so nothing needs to be held back until the last file is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nncore.data.digests import pixel_digest
from nncore.data.pictures.fitting import Fit
from nncore.data.pictures.request import Request

Shape = tuple[int, int, int]


class Rows(Protocol):
    """Room for the images of all files: row i is the image of file i."""

    def write(self, start: int, images: NDArray[np.uint8]) -> None:
        """Put images (n, H, W, C) into the rows from `start` on."""

    def read(self, row: int) -> NDArray[np.uint8]:
        """One image (H, W, C)."""

    def discard(self) -> None:
        """Called instead of using the rows: they were converted into others, or given up."""


class MemoryRows:
    """Rows of an array."""

    def __init__(self, count: int, shape: Shape) -> None:
        self.images = np.empty((count, *shape), np.uint8)

    def write(self, start: int, images: NDArray[np.uint8]) -> None:
        self.images[start : start + len(images)] = images

    def read(self, row: int) -> NDArray[np.uint8]:
        image: NDArray[np.uint8] = self.images[row]
        return image

    def discard(self) -> None:
        pass

    def keep(self, kept: Sequence[int]) -> NDArray[np.uint8]:
        """The rows `kept`, in ascending order, moved to the front: no second array is made."""
        for row, position in enumerate(kept):
            if row != position:
                self.images[row] = self.images[position]
        return self.images[: len(kept)]


class CollectedImages:
    """Images of the same shape, made alike as they come.

    Parameters
    ----------
    count
        Files.
    request
        How they were decoded: size and colour, where they do not decide themselves.
    auto_side
        Side of the images if their sizes differ.
    new_rows
        Makes the `Rows` for images of a shape.

    Attributes
    ----------
    pixel_digests
        BLAKE2b-128 of the pixels of each image that is there.
    """

    def __init__(
        self,
        count: int,
        request: Request,
        auto_side: int,
        new_rows: Callable[[Shape], Rows],
    ) -> None:
        self._new_rows = new_rows
        self._auto = (auto_side, auto_side)
        self._channels = {None: None, "gray": 1, "rgb": 3}[request.color]
        self._size = request.size
        self._fit = Fit(request.fit, request.alpha_background)
        self.shape: Shape | None = None
        self.rows: Any = None
        self.there = np.zeros(count, np.bool_)
        self.pixel_digests = [b""] * count

    def add(
        self, start: int, images: Sequence[NDArray[np.uint8] | None] | NDArray[np.uint8]
    ) -> None:
        """Put the images of consecutive files; None for a file that gave none."""
        if isinstance(images, np.ndarray):
            self._take_in(images.shape[1:])
            if images.shape[1:] == self.shape:
                self.there[start : start + len(images)] = True
                self.pixel_digests[start : start + len(images)] = map(pixel_digest, images)
                self.rows.write(start, images)
                return
        for image in images:
            if image is not None:
                self._take_in(image.shape)
        if self.shape is None:
            return
        block = np.zeros((len(images), *self.shape), np.uint8)
        for row, image in enumerate(images):
            if image is not None:
                # Gray goes into all three channels.
                block[row] = self._fit.resize(image, self.shape[:2])
                self._note(start + row, block[row])
        self.rows.write(start, block)

    def discard(self) -> None:
        """Give up what is there: reading did not come to its end."""
        if self.rows is not None:
            self.rows.discard()

    def finish(self) -> Shape:
        """The shape of the images; rows are there now even if no image is."""
        if self.shape is None:
            self._open((*(self._size or self._auto), self._channels or 3))
        assert self.shape is not None
        return self.shape

    def _take_in(self, shape: tuple[int, ...]) -> None:
        """Make room for an image of this shape."""
        if shape == self.shape:
            return
        height, width, channels = shape
        if self.shape is None:
            self._open((*(self._size or (height, width)), self._channels or channels))
            return
        size = self.shape[:2] if self._size or self.shape[:2] == (height, width) else self._auto
        wider = (*size, self._channels or max(self.shape[2], channels))
        if wider != self.shape:
            self._convert(wider)

    def _open(self, shape: Shape) -> None:
        self.rows = self._new_rows(shape)
        self.shape = shape

    def _convert(self, shape: Shape) -> None:
        old = self.rows
        self._open(shape)
        try:
            for position in np.flatnonzero(self.there).tolist():
                image = np.empty((1, *shape), np.uint8)
                image[0] = self._fit.resize(old.read(position), shape[:2])
                self.rows.write(position, image)
                self._note(position, image[0])
        finally:
            old.discard()

    def _note(self, position: int, image: NDArray[np.uint8]) -> None:
        self.there[position] = True
        self.pixel_digests[position] = pixel_digest(image)
