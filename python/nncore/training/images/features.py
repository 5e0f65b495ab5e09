"""Frozen features in a model: the network that gives them, and the scale of what it gives.

N images, F features. Features differ in size by orders of magnitude, from network to network and
from one to the next, which would ask for another learning rate each time; so each is standardised
by its mean and deviation over the first training images.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nncore.data.dataset import ImageDataset
from nncore.data.mapped import MappedImages
from nncore.errors import ModelFileError
from nncore.files.home import place
from nncore.files.regular_files import open_regular
from nncore.training.images.arrays import data_set_images
from nncore.training.images.inputs import Inputs, PixelInputs

if TYPE_CHECKING:
    from nncore._core import Images
    from nncore.data.preprocessing import Preprocessing
    from nncore.interop.onnx_features import Features
    from nncore.layers import Shape
    from nncore.training.images.arrays import ImagesOrMapped

F32 = NDArray[np.float32]

# Name of the network's file in run directories, where its own could be anything.
RUN_FILE = "features.onnx"
_MEAN, _STD = "features/mean", "features/std"


@dataclass(frozen=True)
class RecordedFeatures:
    """What a model file says about features whose network is not at hand: good to be shown."""

    record: Mapping[str, Any]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        height, width = self.record["size"]
        return (height, width, 1 if self.record["color"] == "gray" else 3)

    @property
    def count(self) -> int:
        return int(self.record["count"])

    def to_dict(self) -> dict[str, Any]:
        return dict(self.record)

    def missing(self) -> ModelFileError:
        name = self.record["file"]
        return ModelFileError(
            f"trained on the features of {name}, which is not beside the model file; say where it "
            f"is by features= (--features); its SHA-256 is {self.record['sha256']}"
        )


@dataclass(frozen=True, eq=False)
class FrozenInputs:
    """Inputs that pass a frozen network first: images into rows of features.

    Attributes
    ----------
    source
        The frozen network, or what is recorded of it.
    mean, std : float32 (F,) or None
        Of the features of the first training images; None before there were any.
    """

    source: Features | RecordedFeatures
    mean: F32 | None = None
    std: F32 | None = None

    @property
    def features(self) -> Features:
        """The frozen network; ModelFileError where only its record is known."""
        if isinstance(self.source, RecordedFeatures):
            raise self.source.missing()
        return self.source

    def fresh(self, shape: Shape) -> tuple[Inputs, Shape]:
        rows = (self.source.count,)
        if shape not in (self.source.image_shape, rows):
            raise ValueError(f"the features take images {self.source.image_shape}, not {shape}")
        return FrozenInputs(self.source), rows

    def image_shape(self, input_shape: Shape | None) -> Shape | None:
        return self.source.image_shape

    def input_shape(self, image_shape: Shape) -> Shape:
        return (self.source.count,)

    def images(self, x: Any, input_shape: Shape | None) -> ImagesOrMapped:
        images = data_set_images(x, None)
        # Says more than a comparison of shapes: how to read the images for this network.
        self.features.check_images(images)  # type: ignore[arg-type]
        return images

    def check_augmentation(self) -> None:
        raise ValueError(
            "augmentation is not for frozen features: they are computed once per image, and an "
            "image that is changed in each epoch would have to pass the frozen network each "
            "time; leave augmentation out"
        )

    def preprocessing(self, found: Preprocessing | None) -> Preprocessing | None:
        # The frozen network has a mean and a deviation of its own.
        return None if found is None else dataclasses.replace(found, mean=None, std=None)

    def normalization(self, preprocessing: Preprocessing) -> None:
        return None

    def restored(self, float_range: list[float] | None) -> FrozenInputs:
        return self

    def float_range(self) -> None:
        return None

    def bytes_refused(self) -> None:
        return None

    def check_values(self, images: object, preprocessing: object) -> None: ...

    def check_training_values(self, images: object, layers: object) -> None: ...

    def fitted(self, x: object, images: ImagesOrMapped) -> FrozenInputs:
        """With the scale of the features of these training images, unless there is one already.

        A feature that never varies keeps the deviation 1. Sums are in float64 and in the order of
        the images.
        """
        if self.mean is not None:
            return self
        rows = self._rows(x, images)
        mean = rows.sum(axis=0, dtype=np.float64) / len(rows)
        squares = np.zeros_like(mean)
        for row in rows:
            squares += np.square(row - mean)
        std = np.sqrt(squares / len(rows))
        # Against rounding: what should be constant may vary in its last bits.
        std[std <= 1e-6 * np.abs(mean)] = 1.0
        std[std < np.finfo(np.float32).tiny] = 1.0
        return dataclasses.replace(self, mean=_f32(mean), std=_f32(std))

    def of(self, x: object, images: ImagesOrMapped) -> Images:
        """Standardised features float32 (N, F) of labelled images, which are remembered.

        `x` is what the images come from: a data set may know the digests of its images.
        """
        return self._standardized(self._rows(x, images))

    def of_new(self, images: ImagesOrMapped) -> Images:
        """The same of images that nobody will ask for again."""
        rows = self.features.extract(images, remember=False)  # type: ignore[arg-type]
        return self._standardized(rows)

    def at_once(self, x: object, preprocessing: object) -> None:
        return None

    def _rows(self, x: object, images: ImagesOrMapped) -> F32:
        digests = None
        # Pixels in memory may have been changed since their digests were taken; a map cannot.
        if isinstance(x, ImageDataset) and isinstance(x.images, (MappedImages, np.memmap)):
            digests = x.pixel_digests
        return self.features.extract(images, digests)  # type: ignore[arg-type]

    def _standardized(self, rows: F32) -> Images:
        if self.mean is not None and self.std is not None:
            rows = rows - self.mean
            rows /= self.std
        result: Images = np.ascontiguousarray(rows)
        return result

    # -- in the model file

    def tensors(self) -> dict[str, F32]:
        """What is stored beside the weights."""
        if self.mean is None or self.std is None:
            return {}
        return {_MEAN: self.mean, _STD: self.std}

    def to_dict(self) -> dict[str, Any]:
        return self.source.to_dict()


def inputs_for(features: Features | str | os.PathLike[str] | None) -> Inputs:
    """Of what `Sequential` is given as `features`; errors as of `Features`."""
    if features is None:
        return PixelInputs()
    from nncore.interop.onnx_features import Features

    if isinstance(features, (str, os.PathLike)):
        features = Features(features)
    if not isinstance(features, Features):
        raise TypeError(f"features must be the path of an ONNX file or Features, not {features!r}")
    return FrozenInputs(features)


def features_again(known: tuple[Mapping[str, Any], str] | None) -> Features | None:
    """Of what `Features.to_dict` gave and where the network is; errors as `Features.from_dict`."""
    if known is None:
        return None
    from nncore.interop.onnx_features import Features

    return Features.from_dict(*known)


def restored_inputs(
    described: Mapping[str, Any],
    tensors: dict[str, NDArray[Any]],
    path: Path,
    given: Features | str | os.PathLike[str] | None,
    needed: bool,
) -> Inputs:
    """The inputs that the model file at `path` records; their tensors are taken out of `tensors`.

    `given` is where the network is, else it is looked for beside the model. Where it is not
    `needed` and not there, its record will do.

    Raises
    ------
    ModelFileError
        The network is not there or another one, or the record is wrong.
    """
    from nncore.interop.onnx_features import Features, check_sha256

    record = described.get("features")
    if record is None:
        return PixelInputs()
    recorded = RecordedFeatures(record)
    mean, std = tensors.pop(_MEAN, None), tensors.pop(_STD, None)
    for name, tensor in ((_MEAN, mean), (_STD, std)):
        fits = tensor is None or (tensor.dtype == np.float32 and tensor.shape == (recorded.count,))
        if not fits or (tensor is not None and not np.isfinite(tensor).all()):
            raise ModelFileError(f"{name} is not float32 ({recorded.count},) or not finite")
    if (mean is None) != (std is None) or (std is not None and not (std > 0).all()):
        raise ModelFileError(f"{_MEAN} and {_STD} contradict each other")
    features: Features | RecordedFeatures
    if isinstance(given, Features):
        check_sha256(record, given.path, given.sha256)
        if {**given.to_dict(), "file": None} != {**record, "file": None}:
            raise ModelFileError(
                f"trained on features that were taken otherwise: {record}, not {given.to_dict()}"
            )
        features = given
    else:
        found = _find(record, path) if given is None else place(given)
        if found is None and needed:
            raise recorded.missing()
        features = recorded if found is None else Features.from_dict(record, found)
    return FrozenInputs(features, mean, std)


def _find(record: Mapping[str, Any], path: Path) -> Path | None:
    """The network beside the model file: the right one, where there are two."""
    # A name and no more: a model file must not be able to point elsewhere.
    beside = [path.parent / Path(str(record["file"])).name, path.parent / RUN_FILE]
    # os.path, for which a name that no file can have is that of none: a Path's is_file raises.
    found = [place for place in beside if os.path.isfile(place)]
    if len(found) > 1:
        found = [place for place in found if _sha256(place) == record["sha256"]] or found
    return found[0] if found else None


def _sha256(path: Path) -> str | None:
    try:
        with open(open_regular(path)[0], "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None


def _f32(values: NDArray[np.float64]) -> F32:
    return np.ascontiguousarray(values, np.float32)
