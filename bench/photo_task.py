"""What the processes of `transfer.py` and `photos.py` work on: a network, its weights, photos.

A network is described as nncore's model files describe theirs, as a list of layers, so that every
contender builds the same one (`torch_layers.py`, `onnx_layers.py`) and loads the same weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import folders
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import nncore as nn

F32 = NDArray[np.float32]
Layers = list[dict[str, Any]]

CLASSES = 5
SIDE = 224
_MODEL, _ARRAYS = "model.safetensors", "task.npz"
# (x - 127) / 128 of a byte, which is what EfficientNet-Lite was trained on.
_MEAN, _STD = 127.0, 128.0
_MOMENTUM = 0.01  # of moving averages, so that a few steps settle them, however small they are


@dataclass(frozen=True)
class Task:
    """A network and photos for it, as every contender gets them.

    Attributes
    ----------
    model
        Of nncore, as a file.
    layers, weights
        The same network and weights for the others; the last layer gives logits.
    images, labels, orders
        float32 (N, H, W, 3), int32 (N,), and nncore's own shuffle, int32 (epochs, N).
    """

    model: Path
    layers: Layers
    weights: dict[str, F32]
    images: F32
    labels: NDArray[np.int32]
    orders: NDArray[np.int32]
    batch: int
    learning_rate: float
    threads: int

    @classmethod
    def load(cls, folder: Path) -> Task:
        with np.load(folder / _ARRAYS) as file:
            arrays = {name: file[name] for name in file.files if "/" not in name}
            weights = {name: file[name] for name in file.files if "/" in name}
        facts = json.loads(str(arrays.pop("facts")))
        return cls(folder / _MODEL, weights=weights, **arrays, **facts)


def write_task(
    folder: Path, model: nn.Sequential, images: F32, labels: NDArray[np.int32], **facts: Any
) -> None:
    """`facts`: batch, learning_rate, threads."""
    from safetensors.numpy import load_file

    from nncore import _core

    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / _MODEL)
    orders = np.stack([_core.shuffled_indices(0, epoch, len(images)) for epoch in range(16)])
    np.savez(
        folder / _ARRAYS,
        facts=json.dumps({"layers": described(model), **facts}),
        images=images,
        labels=labels,
        orders=orders,
        **load_file(folder / _MODEL),
    )


def described(model: nn.Sequential) -> Layers:
    """The layers of a model, those within blocks too, with the names that files give them."""
    return _named([view.description for view in model.layers])


def _named(layers: Sequence[nn.Layer]) -> Layers:
    from nncore.layers import unique_names

    found = []
    for layer, name in zip(layers, unique_names(layers), strict=True):
        record = {**layer.to_dict(), "name": name}
        for part in ("layers", "shortcut"):
            if record.get(part):
                record[part] = _named(getattr(layer, part))
        found.append(record)
    return found


def photos(count: int, side: int = SIDE, seed: int = 0) -> tuple[F32, NDArray[np.int32]]:
    """Parts of real photos, scaled as EfficientNet-Lite takes them, with labels.

    Raises
    ------
    NotInstalled
        There are no photos.
    """
    rng = np.random.default_rng(seed)
    found = list(folders.photos().values())
    images = np.empty((count, side, side, 3), np.float32)
    for number in range(count):
        photo = found[number % len(found)]
        top, left = (int(rng.integers(0, room - side + 1)) for room in photo.shape[:2])
        images[number] = (photo[top : top + side, left : left + side] - _MEAN) / _STD
    return images, rng.integers(0, CLASSES, count).astype(np.int32)


def lite0() -> nn.Sequential:
    """EfficientNet-Lite0 with ImageNet's weights; batch normalizations are part of them."""
    import nncore as nn

    return nn.backbone("efficientnet-lite0", CLASSES, trainable=True)


def mobilenet_v2(side: int = SIDE) -> nn.Sequential:
    """MobileNetV2 (Sandler et al., 2018) with batch normalizations and first weights."""
    import nncore as nn

    def conv(name: str, filters: int, kernel: int, stride: int = 1) -> list[nn.Layer]:
        wide = nn.Conv2D(filters, kernel, stride, "same", use_bias=False, name=name)
        return [wide, nn.BatchNormalization(_MOMENTUM, name=f"{name}_norm")]

    def relu6(name: str) -> nn.Layer:
        return nn.Activation("relu6", name=f"{name}_relu6")

    def block(name: str, channels: int, filters: int, stride: int, expansion: int):  # type: ignore[no-untyped-def]
        depthwise = nn.DepthwiseConv2D(3, stride, "same", use_bias=False, name=f"{name}_depthwise")
        expand = [*conv(f"{name}_expand", channels * expansion, 1), relu6(f"{name}_expand")]
        return [
            *(expand if expansion > 1 else []),
            depthwise,
            nn.BatchNormalization(_MOMENTUM, name=f"{name}_depthwise_norm"),
            relu6(f"{name}_depthwise"),
            *conv(f"{name}_project", filters, 1),
        ]

    layers = [*conv("stem", 32, 3, 2), relu6("stem")]
    channels, number = 32, 0
    for expansion, filters, blocks, stride in (
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
        *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
    ):
        for place in range(blocks):
            name, step = f"block{number}", stride if place == 0 else 1
            inner = block(name, channels, filters, step, expansion)
            keeps_shape = step == 1 and channels == filters
            layers += [nn.Residual(inner, name=name)] if keeps_shape else inner
            channels, number = filters, number + 1
    layers += [*conv("head", 1280, 1), relu6("head"), nn.GlobalAveragePool2D(name="features")]
    model = nn.Sequential([*layers, nn.Dense(CLASSES, name="head_dense")], "mobilenet-v2")
    model.build((side, side, 3), seed=0)
    return model


def settled(
    make: Callable[[], nn.Sequential], images: F32, labels: NDArray[np.int32], batch: int
) -> nn.Sequential:
    """A model whose moving averages, if it has any, are about those of these photos.

    With those it begins with, a deep network answers the same to every photo. Nothing else is
    changed, and its first epoch is still to come.
    """
    import nncore as nn

    model = make()
    if not any(isinstance(view.description, nn.BatchNormalization) for view in model.layers):
        return model
    model.fit(images, labels, epochs=1, batch_size=batch, optimizer=nn.SGD(1e-12), verbose=0)
    fresh = make()
    fresh.set_weights(model.get_weights())
    return fresh


def resnet18(side: int = SIDE) -> nn.Sequential:
    """ResNet18 (He et al., 2016) with batch normalizations and first weights."""
    import nncore as nn

    def conv(name: str, filters: int, kernel: int, stride: int) -> list[nn.Layer]:
        wide = nn.Conv2D(filters, kernel, stride, "same", use_bias=False, name=name)
        return [wide, nn.BatchNormalization(_MOMENTUM, name=f"{name}_norm")]

    def block(name: str, filters: int, stride: int) -> nn.Layer:
        first, second = (conv(f"{name}_{i}", filters, 3, step) for i, step in ((1, stride), (2, 1)))
        inner = [*first, nn.Activation("relu", name=f"{name}_relu"), *second]
        shortcut = conv(f"{name}_shortcut", filters, 1, stride) if stride > 1 else None
        return nn.Residual(inner, "relu", shortcut, name=name)

    layers = [*conv("stem", 64, 7, 2), nn.Activation("relu", name="stem_relu")]
    layers.append(nn.MaxPool2D(3, 2, padding="same", name="stem_pool"))
    for number, filters in enumerate((64, 128, 256, 512)):
        for place in range(2):
            stride = 2 if number > 0 and place == 0 else 1
            layers.append(block(f"block{2 * number + place}", filters, stride))
    layers += [nn.GlobalAveragePool2D(name="features"), nn.Dense(CLASSES, name="head_dense")]
    model = nn.Sequential(layers, "resnet18")
    model.build((side, side, 3), seed=0)
    return model


NETWORKS: Mapping[str, Callable[[], nn.Sequential]] = {
    "lite0": lite0,
    "mobilenetv2": mobilenet_v2,
    "resnet18": resnet18,
}
# Deep networks with first weights make differences of rounding grow step by step: by these rates
# the losses of two frameworks stay together for the four steps that are compared.
RATES = {"lite0": 1e-3, "mobilenetv2": 1e-6, "resnet18": 1e-4}
