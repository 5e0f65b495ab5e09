"""Where the model looked, as a picture: for `POST /explain`."""

from __future__ import annotations

import io

from nncore.data.pictures.decode import decode_image
from nncore.plots import enlarged, heat_overlay
from nncore.serve.models import ServedModel
from nncore.serve.uploads import Upload


def heat_picture(served: ServedModel, upload: Upload, label: str | None, max_pixels: int) -> bytes:
    """A PNG of the picture as the model sees it, enlarged, under its heat map for `label`.

    By Grad-CAM, or by occlusion where the network has no convolution. None: the most probable
    class. One thread at a time: models keep what they looked with.

    Raises
    ------
    UnusableImageError
        It is no picture.
    ValueError
        The model takes no pictures but rows of numbers.
    """
    from PIL import Image

    pixels = decode_image(upload.content, served.preprocessing, max_pixels=max_pixels)
    heat = served.model.explain(pixels, label)
    file = io.BytesIO()
    Image.fromarray(heat_overlay(*enlarged(pixels, heat))).save(file, "PNG")
    return file.getvalue()
