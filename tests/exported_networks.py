"""Small models that together have every kind of layer and of head, for the tests of exports."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

import nncore as nn
from nncore.data import ClassMap
from nncore.layers import ACTIVATIONS, Layer

SHAPE = (11, 10, 3)
CLASSES = 4
# Names that must not get out of strings, comments or JSON.
HOSTILE = ('cat" */ #error', "a\\", "\u00e9t\u00e9 \U0001f600 ??/", "%s}{ %0\x27")
IMAGES = np.random.default_rng(3).integers(0, 256, (40, *SHAPE)).astype(np.uint8)


def built(layers: Sequence[Layer], shape: Sequence[int] = SHAPE, seed: int = 0) -> nn.Sequential:
    """A model whose weights are drawn so that its answers differ from image to image."""
    model = nn.Sequential(layers)
    model.build(shape, seed)
    rng = np.random.default_rng(seed)
    for view in _all_layers(model.layers):
        for name in view.parameter_names:
            value = getattr(view, name)
            if name == "kernel":
                value = value * rng.uniform(0.5, 1.5)
            elif name in ("gamma", "moving_variance"):
                value = rng.uniform(0.5, 2.0, value.shape)
            else:
                value = rng.normal(0, 0.5, value.shape)
            setattr(view, name, value)
    model.classes = ClassMap.from_names(HOSTILE[: model.layers[-1].output_shape[0]])
    return model


def _all_layers(views):
    for view in views:
        yield view
        yield from _all_layers(view.layers)


def windows() -> nn.Sequential:
    """Convolutions and pools with every way of padding."""
    return built(
        [
            nn.Conv2D(8, 3, padding="same", strides=2, activation="relu"),
            nn.Conv2D(6, (2, 3), padding=((1, 0), (2, 1)), dilation_rate=(1, 2), use_bias=False),
            nn.MaxPool2D(3, 1, padding="same"),
            nn.Conv2D(8, 3, padding=1, groups=2, activation="leaky_relu"),
            nn.DepthwiseConv2D(3, padding="same", dilation_rate=2),
            nn.AveragePool2D(2, 1, padding=((1, 0), (0, 1)), count_padding=True),
            nn.DepthwiseConv2D(2, depth_multiplier=2, use_bias=False, activation="relu6"),
            nn.AveragePool2D((2, 3), (1, 2), padding="same"),
            nn.MaxPool2D(2, 1),
            nn.AveragePool2D((2, 1), 1),
            nn.Flatten(),
            nn.Dense(CLASSES),
        ]
    )


def pooled() -> nn.Sequential:
    """Pools directly behind convolutions, or behind their activation."""
    return built(
        [
            nn.Conv2D(6, 3, padding=((2, 0), (1, 1)), activation="leaky_relu"),
            nn.MaxPool2D((2, 1), (2, 1)),
            # Falls before it rises: the largest of its values is not that of the largest.
            nn.Conv2D(8, 2, strides=(1, 2), activation="gelu"),
            nn.MaxPool2D(2),
            nn.Residual([nn.Conv2D(8, 1, groups=2, use_bias=False), nn.MaxPool2D(1)]),
            nn.Conv2D(4, 1, activation="relu"),
            nn.Concatenate([[nn.MaxPool2D(2)], [nn.AveragePool2D(2)]]),
            nn.Flatten(),
            nn.Dense(CLASSES),
        ]
    )


def blocks() -> nn.Sequential:
    """Blocks in blocks, normalizations with and without a layer that they fold into."""
    squeeze = [nn.GlobalAveragePool2D(), nn.Dense(3, "silu"), nn.Dense(12, "sigmoid")]
    inner = nn.Residual([nn.Conv2D(6, 3, padding="same"), nn.BatchNormalization()], "relu")
    model = built(
        [
            nn.Rescaling((1.5, 2.0, 0.5), (-0.1, 0.2, 0.3)),
            nn.BatchNormalization(),
            nn.Conv2D(6, 3, use_bias=False),
            nn.BatchNormalization(),
            nn.Residual([nn.Conv2D(6, 3, padding="same", strides=2), inner], "hard_sigmoid"),
            # The input of these branches has a use beside the one that could take the scale in.
            nn.Conv2D(6, 1),
            nn.Concatenate([[], [nn.BatchNormalization(), nn.Activation("tanh")]]),
            nn.LayerNormalization(),
            nn.Concatenate([[nn.Multiply([[], squeeze])], []]),
            nn.Multiply([[nn.Conv2D(1, 1)], [nn.Conv2D(12, (5, 4))]]),
            nn.Dropout(0.3),
            nn.GlobalAveragePool2D(),
            nn.Residual([nn.Dense(12, "tanh")]),
            nn.Residual([nn.Dense(7)]),
            nn.LayerNormalization(),
            nn.Dense(CLASSES),
        ]
    )
    model.temperature = 1.7
    return model


def activations() -> nn.Sequential:
    """Each activation on the same rows, which are multiplied and put side by side."""
    names = [name for name in ACTIVATIONS if name != "softmax"]
    layers = [
        nn.Rescaling(2.0, -1.0),
        nn.Flatten(),
        nn.Dense(16),
        nn.Rescaling(4.0),  # so that every piece of every curve is reached
        nn.Concatenate([[nn.Activation(name)] for name in names]),
        nn.Multiply([[], [nn.Dense(1, "sigmoid")]]),
        nn.Dense(CLASSES, "softmax"),
    ]
    model = built(layers)
    model.temperature = 0.6
    return model


def without_softmax() -> nn.Sequential:
    """Trained by squared errors: its probabilities are the distribution nearest to its outputs."""
    model = built([nn.Conv2D(5, 4, strides=3), nn.Flatten(), nn.Rescaling(0.7, 0.1), nn.Dense(4)])
    model.loss = "mse"
    return model


def normalized() -> nn.Sequential:
    """Gray, with mean and deviation, and read from files."""
    model = built([nn.Conv2D(4, 3, activation="relu"), nn.Flatten(), nn.Dense(3)], (9, 12, 1))
    prepared = nn.Preprocessing(9, 12, "gray", fit="pad", mean=(0.4,), std=(0.2,))
    model._set_preprocessing(prepared)
    return model


MAKERS: dict[str, Callable[[], nn.Sequential]] = {
    maker.__name__: maker
    for maker in (windows, pooled, blocks, activations, without_softmax, normalized)
}


def _spread(model: nn.Sequential, images: NDArray[np.uint8]) -> None:
    """Scale and shift the outputs, so that each class is some image's."""
    outputs = model._built_network().forward(images)
    last = model.layers[-1]
    if last.description.activation == "softmax":
        outputs = np.log(outputs)
    centred = outputs - outputs.mean(axis=0)
    factor = 1.0 / centred.std()
    last.bias = (last.bias - outputs.mean(axis=0)) * factor + 0.25
    last.kernel = last.kernel * factor


@functools.cache
def network(name: str) -> tuple[nn.Sequential, NDArray[np.uint8], NDArray[np.float32]]:
    """A model, images for it and its probabilities of them."""
    model = MAKERS[name]()
    images = IMAGES if model.input_shape == SHAPE else IMAGES[:, :9, :, :1].repeat(2, 2)[:, :, :12]
    images = np.ascontiguousarray(images)
    _spread(model, images)
    expected = model.predict_proba(images)
    # Else a network that forgets half of its layers would do.
    assert len({*expected.argmax(axis=1).tolist()}) > 1
    assert expected.std(axis=0).min() > 0.05
    return model, images, expected
