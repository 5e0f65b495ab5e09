"""Any ONNX network for images as a frozen feature extractor, run by ONNX Runtime.

N images, H x W pixels, C channels, F features. Nothing of the network is trained here: it turns
uint8 images into rows of numbers, on which a small model of nncore is trained.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.data.cache import CacheError, default_cache_folder
from nncore.data.feature_store import FeatureStore
from nncore.data.mapped import Pixels
from nncore.data.preprocessing import Preprocessing
from nncore.data.store import pixel_digest
from nncore.errors import DataError, MissingExtraError, ModelFileError
from nncore.interop.onnx_graph import has_external_data, tensor_names, with_output

F32 = NDArray[np.float32]
Progress = Callable[[int, int], object]

LAYOUTS = ("NCHW", "NHWC")
COLORS = ("rgb", "bgr", "gray")
# Of the pictures that most published networks for images were trained on, red, green, blue, where
# 255 is 1.0 (Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", 2015; the
# numbers are those of torchvision's models).
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_SIDE = 224  # where the network takes any size
_DTYPES = {
    "tensor(uint8)": np.uint8,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}
_AHEAD = 4  # blocks per thread that wait to be taken


class Features:
    """Frozen features: a network in an ONNX file, and how pictures are prepared for it.

    ONNX Runtime runs the network (``pip install "nncore[onnx]"``), one image at a time and each
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
        the other is 0 or 1. Not for networks that take uint8. By default ImageNet's for NCHW
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
        _check_choice("layout", layout, LAYOUTS)
        _check_choice("color", color, COLORS)
        self.path = Path(path)
        self.name = self.path.name
        model = _read(self.path)
        self.sha256 = hashlib.sha256(model).hexdigest()
        self.cache = cache
        self.images_run = 0
        self.notes: list[str] = []
        self._store: FeatureStore | None = None
        self._store_cache: object = None
        guessed: list[str] = []

        session = _session(self.path, model)
        given = session.get_inputs()
        if len(given) != 1:
            names = ", ".join(one.name for one in given)
            raise ModelFileError(
                f"{self.path}: takes {len(given)} inputs ({names}); a network for images takes one"
            )
        self._input = given[0].name
        if given[0].type not in _DTYPES:
            raise ModelFileError(
                f"{self.path}: its input {self._input!r} is a {given[0].type}; known are uint8 and "
                "floating-point images"
            )
        self.dtype = np.dtype(_DTYPES[given[0].type]).name
        shape = _image_axes(self.path, self._input, given[0].shape)
        self.layout = layout or _layout(shape, guessed)
        batch, height, width, channels = (
            shape if self.layout == "NHWC" else (shape[0], shape[2], shape[3], shape[1])
        )
        self._batch = batch or 1
        self.color = _color(self.path, color, channels, self.layout, guessed)
        self.size = _size(self.path, size, (height, width), guessed)
        prepared = self._prepared(mean, std, guessed)
        self.mean, self.std = prepared.mean, prepared.std
        self.image_shape = prepared.input_shape
        self.guessed = tuple(guessed)

        outputs = [one.name for one in session.get_outputs()]
        if output is None:
            output = outputs[-1]
        elif output not in outputs:
            _check_tensor(self.path, model, output, outputs)
            session = _session(self.path, with_output(model, output))
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
        check_sha256(record, path, hashlib.sha256(_read(Path(path))).hexdigest())
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
        unknown = store.find(digests) < 0
        first = {digest: i for i, digest in reversed(list(enumerate(digests))) if unknown[i]}
        positions = sorted(first.values())
        done: list[F32] = []
        try:
            for block in self._run_all(images, positions, progress):
                done.append(block)
        finally:
            # After Ctrl-C, too: what was computed need not be computed again.
            if done:
                self._remember(store, [digests[i] for i in positions], np.concatenate(done))
        return store.take(store.find(digests))

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

    def _prepared(self, mean: Any, std: Any, guessed: list[str]) -> Preprocessing:
        """Size, mean and deviation, checked."""
        height, width = self.size
        channels = 1 if self.color == "gray" else 3
        if self.dtype == "uint8":
            if mean is not None or std is not None:
                raise ValueError(
                    f"mean and std are not for {self.path}: it takes uint8 pixels as they are"
                )
        elif mean is None and std is None:
            guessed += ["mean", "std"]
            mean, std = 0.0, 1.0
            if channels == 3 and self.layout == "NCHW":
                order = 1 if self.color == "rgb" else -1
                mean, std = IMAGENET_MEAN[::order], IMAGENET_STD[::order]
        else:
            mean, std = 0.0 if mean is None else mean, 1.0 if std is None else std

        def per_channel(value: Any) -> Any:
            single = isinstance(value, (int, float)) and not isinstance(value, bool)
            return (value,) * channels if single else value

        return Preprocessing(
            height, width, self.data_color, mean=per_channel(mean), std=per_channel(std)
        )

    def _features_store(self) -> FeatureStore:
        if self._store is None or self._store_cache != self.cache:
            import onnxruntime

            way = {**self.to_dict(), "file": None, "onnxruntime": onnxruntime.__version__}
            place: Any = default_cache_folder() if self.cache is True else self.cache or None
            self._store = FeatureStore(way, self.count, place)
            self._store_cache = self.cache
        return self._store

    def _remember(self, store: FeatureStore, digests: Sequence[bytes], rows: F32) -> None:
        try:
            store.add(digests[: len(rows)], rows)
        except CacheError as error:
            if str(error) not in self.notes:
                self.notes.append(str(error))

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
            chosen = positions[start : start + self._batch]
            return self._run(np.stack([np.asarray(images[i]) for i in chosen]))

        starts = range(0, len(positions), self._batch)
        threads = min(_core.get_num_threads(), len(starts))
        if threads <= 1:
            for start in starts:
                yield start, run(start)
            return
        from concurrent.futures import Future, ThreadPoolExecutor

        executor = ThreadPoolExecutor(threads, "nncore-features")
        waiting: deque[tuple[int, Future[F32]]] = deque()
        try:
            for start in starts:
                waiting.append((start, executor.submit(run, start)))
                if len(waiting) > _AHEAD * threads:
                    first, task = waiting.popleft()
                    yield first, task.result()
            while waiting:
                first, task = waiting.popleft()
                yield first, task.result()
        finally:
            executor.shutdown(cancel_futures=True)

    def _run(self, images: NDArray[np.uint8]) -> F32:
        """Features (n, F) of n images, at most as many as the network takes at once."""
        inputs: NDArray[Any] = images[..., ::-1] if self.color == "bgr" else images
        if self.mean is not None and self.std is not None:
            mean, std = np.array([self.mean, self.std], np.float32)
            inputs = ((inputs / np.float32(255) - mean) / std).astype(self.dtype)
        if self.layout == "NCHW":
            inputs = inputs.transpose(0, 3, 1, 2)
        missing = self._batch - len(images)
        if missing:
            inputs = np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)])
        try:
            (found,) = self._session.run([self.output], {self._input: np.ascontiguousarray(inputs)})
        except Exception as error:
            raise DataError(
                f"{self.path}: cannot be run on {images.shape[1:]} images: {_reason(error)}"
            ) from error
        return self._pooled(found)[: len(images)]

    def _pooled(self, found: Any) -> F32:
        """What the network gave as rows of numbers."""
        if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
            kind = found.dtype if isinstance(found, np.ndarray) else type(found).__name__
            raise ModelFileError(
                f"{self.path}: {self.output!r} is {kind} and no floating-point numbers; name "
                "another output"
            )
        if not found.size:
            found = found.reshape(0, 0)
        if found.ndim == 1:
            found = found[:, np.newaxis]
        if found.ndim == 3:
            found = found.mean(axis=1, dtype=np.float64)
        elif found.ndim == 4:
            found = found.mean(axis=self._pixel_axes(found.shape), dtype=np.float64)
        if found.ndim != 2 or found.shape[0] != self._batch or not found.size:
            raise ModelFileError(
                f"{self.path}: {self.output!r} has the shape {found.shape}, which is no row of "
                "features per image; name another output"
            )
        rows: F32 = found.astype(np.float32, copy=False)
        return rows

    def _pixel_axes(self, shape: Sequence[int]) -> tuple[int, int]:
        """Height and width among the four axes of a tensor.

        ONNX's convolutions are NCHW. A network that takes NHWC transposes at its beginning, and
        again at its end or not at all: there, the axes whose ratio is nearest to the images' are
        height and width.
        """
        if self.layout == "NCHW":
            return 2, 3
        aspect = math.log(self.size[0] / self.size[1])

        def error(axes: tuple[int, int]) -> float:
            return abs(math.log(shape[axes[0]] / shape[axes[1]]) - aspect)

        return min((1, 2), (2, 3), key=error)


def check_sha256(record: Mapping[str, Any], path: str | os.PathLike[str], found: str) -> None:
    """ModelFileError unless `found` is the SHA-256 that was recorded."""
    if found != record["sha256"]:
        raise ModelFileError(
            f"trained on the features of {record['file']} with the SHA-256 {record['sha256']}, but "
            f"{os.fspath(path)} has {found}: give the same file"
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError(f"{path}: there is no such ONNX file") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error


def _session(path: Path, model: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            f"features of an ONNX file need ONNX Runtime, which cannot be imported ({error}): "
            'run `python -m pip install "nncore[onnx]"`'
        ) from error
    options = onnxruntime.SessionOptions()
    # Images run in parallel, each on one thread: see `Features`.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors become exceptions; nothing else is for our reader
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelFileError(f"{path}: {_why_no_session(model, error)}") from error


def _why_no_session(model: bytes, error: Exception) -> str:
    try:
        if has_external_data(model):
            return "keeps its weights in other files; save it as one file"
        if tensor_names(model):
            return f"ONNX Runtime refuses it: {_reason(error)}"
    except ValueError:
        pass
    return "no whole ONNX file; it may be truncated or of another kind"


def _reason(error: Exception) -> str:
    """ONNX Runtime's message on one line, without its prefix."""
    text = " ".join(str(error).split())
    return text.removeprefix("[ONNXRuntimeError] : ")


def _check_choice(name: str, value: object, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        raise ValueError(f"{name} is {value!r}; known: {', '.join(known)}")


def _image_axes(path: Path, name: str, shape: Sequence[Any]) -> list[int | None]:
    """The four axes of the input; None for those that may have any length."""
    if len(shape) != 4:
        axes = ", ".join(str(axis) for axis in shape)
        raise ModelFileError(
            f"{path}: its input {name!r} has the shape ({axes}); images have four axes, NCHW or "
            "NHWC"
        )
    return [axis if isinstance(axis, int) and axis > 0 else None for axis in shape]


def _layout(shape: Sequence[int | None], guessed: list[str]) -> str:
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first == last:
        guessed.append("layout")
    return "NHWC" if last and not first else "NCHW"


def _color(
    path: Path, color: str | None, channels: int | None, layout: str, guessed: list[str]
) -> str:
    known = {1: ("gray",), 3: ("rgb", "bgr"), None: COLORS}
    if channels not in known:
        raise ModelFileError(f"{path}: takes {channels} channels ({layout}); pictures have 1 or 3")
    if color is None:
        if channels != 1:
            guessed.append("color")
        return "gray" if channels == 1 else "rgb"
    if color not in known[channels]:
        raise ValueError(f"color is {color!r}, but {path} takes {channels} channel(s)")
    return color


def _size(
    path: Path,
    size: int | tuple[int, int] | None,
    fixed: tuple[int | None, int | None],
    guessed: list[str],
) -> tuple[int, int]:
    from nncore.data.loading import check_size

    asked = check_size(size)
    if asked is None:
        if None in fixed:
            guessed.append("size")
        return fixed[0] or _SIDE, fixed[1] or _SIDE
    if any(side not in (None, want) for side, want in zip(fixed, asked, strict=True)):
        shown = "x".join("any" if side is None else str(side) for side in fixed)
        raise ValueError(f"size is {asked[0]}x{asked[1]}, but {path} takes {shown}")
    return asked


def _check_tensor(path: Path, model: bytes, name: object, outputs: Sequence[str]) -> None:
    """ValueError that helps unless `name` is a tensor inside the network."""
    if not isinstance(name, str):
        raise TypeError(f"output must be the name of a tensor, not {name!r}")
    inner = tensor_names(model)
    if name in inner:
        return
    close = difflib.get_close_matches(name, inner, 3) or inner[-4:]
    raise ValueError(
        f"output is {name!r}, but {path} has no such tensor; its outputs: {', '.join(outputs)}; "
        f"inner ones: {', '.join(close)} and {max(len(inner) - len(close), 0)} more"
    )
