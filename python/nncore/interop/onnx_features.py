"""Any ONNX network for images as a frozen feature extractor, run by ONNX Runtime.

N images, H x W pixels, C channels, F features. Nothing of the network is trained here: it turns
uint8 images into rows of numbers, on which a small model of nncore is trained.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.data.dealt import dealt_out, joined_in_order
from nncore.data.digests import pixel_digest
from nncore.data.mapped import Pixels
from nncore.data.reading.cache_folder import CacheError, default_cache_folder
from nncore.data.reading.feature_store import FeatureStore
from nncore.data.reading.workers import in_order
from nncore.data.spread import SpreadImages
from nncore.errors import DataError, ModelFileError
from nncore.files.home import place
from nncore.interop.feature_rows import feature_rows
from nncore.interop.image_input import COLORS, LAYOUTS, check_choice, settled_input
from nncore.interop.known_inputs import known_scale_of
from nncore.interop.onnx_graph import with_output
from nncore.interop.onnx_session import check_tensor, open_session, read_file, reason
from nncore.process.team import by_first, each, team_at_work

F32 = NDArray[np.float32]
Progress = Callable[[int, int], object]

# So many are shared by a team before what was computed is kept.
_IMAGES_TOGETHER = 4096


class Features:
    """Frozen features: a network in an ONNX file, and how pictures are prepared for it.

    ONNX Runtime runs the network (extra ``[onnx]``), one image at a time and each
    image on one thread, so that the features of a picture depend neither on the pictures beside it
    nor on the number of threads. (They may differ in the last bits between machines and versions of
    ONNX Runtime.) What is not given is read from the file or guessed; `guessed` says which.

    Parameters
    ----------
    path
        The ``.onnx`` file, whole: with its weights. It has one input, for images.
    output
        Name of the tensor to take: an output, or any inner one. By default the last output. Of
        a tensor with four axes the mean over height and width is taken (global average pooling), of
        one with three (N, tokens, F) the mean over the tokens.
    mean, std
        One number, or one per channel in the network's order of channels, on the scale where a
        pixel of 255 is 1.0: the network is given (x / 255 - mean) / std. A network that takes 0 to
        255 has mean 0 and std 1/255; one that takes -1 to 1 has 0.5 and 0.5. If only one is given,
        the other is 0 or 1. Not for networks that take uint8. By default what the graph tells, if
        it scales the pixels itself or is an EfficientNet-Lite; else guessed: ImageNet's for NCHW
        networks with three channels, else 0 and 1.
    layout
        "NCHW" or "NHWC"; by default what the input's shape says.
    color
        "rgb", "bgr" or "gray"; by default "rgb" for three channels.
    size
        Side or (height, width) of the images; by default what the input's shape says, or 224.
    cache
        Where features are kept on disk: a folder, True for the user's cache folder, False for
        memory alone. May be set later.

    Attributes
    ----------
    path : pathlib.Path
    name : str
        Of the file, as it was called when the model was trained.
    sha256 : str
        Of the file.
    output, layout, color, mean, std
        As above, settled; mean and std are tuples, None for networks that take uint8.
    dtype : str
        Of the input: "uint8", "float16", "float32" or "float64".
    size : tuple of int
        (height, width).
    count : int
        F, numbers per image.
    guessed : tuple of str
        Parameters that neither the caller nor the file settled.
    known : str or None
        How mean and std are known, where the caller did not say them: in words.
    images_run : int
        How many images the network was run on.
    notes : list of str
        What could not be done as asked (a cache that cannot be written).

    Raises
    ------
    MissingExtraError
        ONNX Runtime is not installed.
    ModelFileError
        The file is missing, broken, or no network for images.
    TypeError, ValueError
        A wrong argument, or one that contradicts the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        output: str | None = None,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        layout: str | None = None,
        color: str | None = None,
        size: int | tuple[int, int] | None = None,
        *,
        cache: str | os.PathLike[str] | bool = False,
    ) -> None:
        check_choice("layout", layout, LAYOUTS)
        check_choice("color", color, COLORS)
        self.path = place(path)
        self.name = self.path.name
        model = read_file(self.path)
        self.sha256 = hashlib.sha256(model).hexdigest()
        self.cache = cache
        self.images_run = 0
        self.notes: list[str] = []
        self._store: FeatureStore | None = None
        self._store_cache: object = None

        session = open_session(self.path, model)
        known = known_scale_of(self.path, model)
        self.known = None if known is None or mean is not None or std is not None else known.why
        taken, self.guessed = settled_input(
            self.path, session.get_inputs(), layout, color, size, mean, std, known
        )
        self._input = taken
        self.layout, self.color, self.dtype = taken.layout, taken.color, taken.dtype
        self.mean, self.std = taken.prepared.mean, taken.prepared.std
        self.size = (taken.prepared.height, taken.prepared.width)
        self.image_shape = taken.prepared.input_shape

        outputs = [one.name for one in session.get_outputs()]
        if output is None:
            output = outputs[-1]
        elif output not in outputs:
            check_tensor(self.path, model, output, outputs)
            session = open_session(self.path, with_output(model, output))
        self.output = output
        self._session = session
        try:
            probe = self._run(np.zeros((1, *self.image_shape), np.uint8))
        except DataError as error:
            raise ModelFileError(str(error)) from error
        self.count = probe.shape[1]

    def __repr__(self) -> str:
        height, width = self.size
        return (
            f"<Features {self.path.name!r}: {height}x{width} {self.color} {self.layout} "
            f"{self.dtype} -> {self.output!r}, {self.count} numbers>"
        )

    @property
    def data_color(self) -> str:
        """`color` for `ImageDataset.from_folder`: "rgb" or "gray"."""
        return "gray" if self.color == "gray" else "rgb"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready record of the file and of every setting, as in the model file."""
        return {
            "file": self.name,
            "sha256": self.sha256,
            "output": self.output,
            "layout": self.layout,
            "dtype": self.dtype,
            "color": self.color,
            "size": list(self.size),
            "mean": None if self.mean is None else list(self.mean),
            "std": None if self.std is None else list(self.std),
            "count": self.count,
        }

    @classmethod
    def from_dict(
        cls, record: Mapping[str, Any], path: str | os.PathLike[str], *, cache: Any = False
    ) -> Features:
        """The features that `to_dict` recorded, from the file at `path`.

        Raises
        ------
        ModelFileError
            The file is missing or another one, or the record is wrong.
        MissingExtraError
            ONNX Runtime is not installed.
        """
        check_sha256(record, path, hashlib.sha256(read_file(Path(path))).hexdigest())
        names = ("output", "mean", "std", "layout", "color")
        height, width = record["size"]
        settings = {name: record[name] for name in names}
        features = cls(path, **settings, size=(height, width), cache=cache)
        features.name = str(record["file"])
        if features.to_dict() != record:
            raise ModelFileError(f"its record of the features contradicts {os.fspath(path)}")
        return features

    def extract(
        self,
        images: Pixels,
        digests: Sequence[bytes] | None = None,
        *,
        remember: bool = True,
        progress: Progress | None = None,
    ) -> F32:
        """Features float32 (N, F) of images uint8 (N, H, W, C).

        Parameters
        ----------
        images
            Of the size and number of channels that `image_shape` says; RGB also where the network
            takes BGR.
        digests
            BLAKE2b-128 of the pixels of each image where they are known
            (`ImageDataset.pixel_digests`); then known images are not even read.
        remember
            Keep the features, and use those kept before (see `cache`).
        progress
            Called as ``progress(done, total)``, in images that had to be run.

        Raises
        ------
        DataError
            Images of another shape, or features that are not finite.
        TypeError
            Images that are not uint8.
        """
        self.check_images(images)
        if not len(images):
            return np.empty((0, self.count), np.float32)
        if not remember:
            return np.concatenate(list(self._run_all(images, range(len(images)), progress)))
        if digests is None:
            digests = [pixel_digest(np.ascontiguousarray(image)) for image in images]
        store = self._features_store()
        # In a team what the first process knows counts, for caches may differ.
        features, known = by_first(lambda: store.find(digests))
        first = {digest: i for i, digest in reversed(list(enumerate(digests))) if not known[i]}
        positions = sorted(first.values())
        done: list[F32] = []
        try:
            for block in self._run_by_all(images, positions, progress):
                done.append(block)
        finally:
            # After Ctrl-C, too: what was computed need not be computed again.
            if done:
                self._remember(store, [digests[i] for i in positions], np.concatenate(done))
        if done:
            row = {digests[position]: i for i, position in enumerate(positions)}
            rows = [row[digest] for i, digest in enumerate(digests) if not known[i]]
            features[~known] = np.concatenate(done)[rows]
        return features

    def check_images(self, images: Pixels) -> None:
        """Whether `images` are such as the network takes; errors as of `extract`."""
        if images.dtype != np.uint8:
            raise TypeError(
                f"images must be uint8 for the features of {self.name}, not {images.dtype}"
            )
        if images.shape[1:] != self.image_shape:
            raise DataError(
                f"images are {images.shape[1:]}, but {self.name} takes {self.image_shape}: read "
                f"them with size={self.size}, color={self.data_color!r}"
            )

    # -- inside

    def _features_store(self) -> FeatureStore:
        if self._store is None or self._store_cache != self.cache:
            import onnxruntime

            way = {**self.to_dict(), "file": None, "onnxruntime": onnxruntime.__version__}
            place: Any = self.cache or None
            try:
                place = default_cache_folder() if self.cache is True else place
            except CacheError as error:
                place = None
                self.notes.append(str(error))
            self._store = FeatureStore(way, self.count, place)
            self._store_cache = self.cache
        return self._store

    def _remember(self, store: FeatureStore, digests: Sequence[bytes], rows: F32) -> None:
        team = team_at_work()
        if team is not None and team.rank > 0:
            return  # one process keeps them, where all look for them
        try:
            store.add(digests[: len(rows)], rows)
        except CacheError as error:
            if str(error) not in self.notes:
                self.notes.append(str(error))

    def _run_by_all(
        self, images: Pixels, positions: Sequence[int], progress: Progress | None
    ) -> Iterator[F32]:
        """`_run_all`, shared by a team at work."""
        team = team_at_work()
        if team is None:
            yield from self._run_all(images, positions, progress)
            return
        local: Any = images.at_hand() if isinstance(images, SpreadImages) else images
        for start in range(0, len(positions), _IMAGES_TOGETHER):
            some = np.array(positions[start : start + _IMAGES_TOGETHER])
            dealt = dealt_out(team, images, some)
            mine = dealt[team.rank].tolist()

            def run(mine: list[int] = mine) -> tuple[F32] | None:
                return (np.concatenate(list(self._run_all(local, mine, None))),) if mine else None

            (rows,) = joined_in_order(some, dealt, each(team, run))
            yield rows
            if progress is not None:
                progress(start + len(some), len(positions))

    def _run_all(
        self, images: Pixels, positions: Sequence[int], progress: Progress | None
    ) -> Iterator[F32]:
        """Features of the images at `positions`, in order and in blocks."""
        for start, block in self._blocks(images, positions):
            self.images_run += len(block)
            bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
            if len(bad):
                raise DataError(
                    f"{self.path}: the features of image {positions[start + int(bad[0])]} are not "
                    "finite; are mean and std right?"
                )
            yield block
            if progress is not None:
                progress(start + len(block), len(positions))

    def _blocks(self, images: Pixels, positions: Sequence[int]) -> Iterator[tuple[int, F32]]:
        from nncore import _core

        def run(start: int) -> F32:
            chosen = positions[start : start + self._input.batch]
            return self._run(np.stack([np.asarray(images[i]) for i in chosen]))

        starts = range(0, len(positions), self._input.batch)
        threads = min(_core.get_num_threads(), len(starts))
        return in_order(starts, run, threads, "nncore-features")

    def _run(self, images: NDArray[np.uint8]) -> F32:
        """Features (n, F) of n images, at most as many as the network takes at once."""
        inputs = self._input.tensor(images)
        try:
            (found,) = self._session.run([self.output], {self._input.name: inputs})
        except Exception as error:
            raise DataError(
                f"{self.path}: cannot be run on {images.shape[1:]} images: {reason(error)}"
            ) from error
        return feature_rows(found, self._input, f"{self.path}: {self.output!r}")[: len(images)]


def check_sha256(record: Mapping[str, Any], path: str | os.PathLike[str], found: str) -> None:
    """ModelFileError unless `found` is the SHA-256 that was recorded."""
    if found != record["sha256"]:
        raise ModelFileError(
            f"trained on the features of {record['file']} with the SHA-256 {record['sha256']}, but "
            f"{os.fspath(path)} has {found}: give the same file"
        )
