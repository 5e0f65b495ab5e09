"""The networks that `--model` names."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.layers import Activation, Conv2D, MaxPool2D, Residual
from nncore.layers.presets import cnn, lenet, linear, mlp, resnet


def step(layers, shape, classes=3):
    """One training step; the loss before it, and whether each parameter moved."""
    model = nn.Sequential(layers)
    model.build(shape, seed=0)
    images = np.random.default_rng(0).random((6, *shape), dtype=np.float32)
    before = model.get_weights()
    loss = model.train_step(images, np.arange(6) % classes, optimizer=nn.SGD(0.1))
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    return model, loss, moved


def pools(layers) -> int:
    return sum(isinstance(layer, MaxPool2D) for layer in layers)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 1, 1), 0),
        ((3, 3, 3), 0),
        ((7, 7, 1), 0),
        ((8, 8, 1), 1),
        ((11, 11, 3), 1),
        ((12, 12, 1), 1),
        ((23, 23, 1), 1),
        ((24, 24, 1), 2),
        ((28, 28, 1), 2),
        ((48, 48, 3), 3),
        ((64, 64, 3), 3),
        ((96, 96, 3), 4),
        ((100, 100, 3), 4),
        ((3, 200, 1), 0),
        ((40, 9, 3), 1),
    ],
)
def test_a_resnet_fits_images_of_any_size(shape, expected):
    layers = resnet(3, shape, width=4)
    assert pools(layers) == expected
    model, loss, moved = step(layers, shape)
    assert model.layers[-1].output_shape == (3,)
    assert np.isfinite(loss)
    assert all(moved)
    side = min(shape[:2]) >> expected
    assert side <= 11
    if min(shape[:2]) >= 12:
        assert side >= 6


def test_a_resnet_without_a_pool_in_its_stem():
    layers = resnet(5, (28, 28, 1), width=8, stem_pool=False)
    kinds = [type(layer) for layer in layers]
    pooled = resnet(5, (28, 28, 1), width=8)
    assert kinds.index(MaxPool2D) > kinds.index(Activation)
    assert pools(layers) == pools(pooled) == 2
    sizes = [view.output_shape for view in step(layers, (28, 28, 1), 5)[0].layers]
    assert (28, 28, 16) in sizes
    assert (14, 14, 16) in sizes
    assert sizes[-3:] == [(7, 7, 32), (32,), (5,)]
    # Where no pool suits the image there is none to leave out.
    assert resnet(5, (7, 7, 1), stem_pool=False) == resnet(5, (7, 7, 1))


def test_width_and_blocks_of_a_resnet():
    layers = resnet(5, (28, 28, 1), width=8, blocks=2)
    filters = [layer.filters for layer in layers if isinstance(layer, Conv2D)]
    assert filters == [8, 16, 32]
    assert sum(isinstance(layer, Residual) for layer in layers) == 4
    assert not any(isinstance(layer, Residual) for layer in resnet(5, (28, 28, 1), blocks=0))
    assert resnet(5, (28, 28, 1)) == resnet(5, (28, 28, 1), width=16, blocks=1)
    # No bias where batch normalization adds its own.
    assert not any(layer.use_bias for layer in layers if isinstance(layer, Conv2D))


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        (linear(3), (5, 4, 1)),
        (mlp(3), (5, 4, 3)),
        (mlp(3, (7, 6)), (5, 4, 3)),
        (cnn(3), (8, 8, 3)),
        (lenet(3), (28, 28, 1)),
    ],
)
def test_textbook_networks_build_and_train(layers, shape):
    model, loss, moved = step(layers, shape)
    assert model.layers[-1].output_shape == (3,)
    assert np.isfinite(loss)
    assert all(moved)
