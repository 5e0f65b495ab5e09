"""Layers that are not trained: what stays, what is left out, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore import _core

CONV = {"kernel_size": (3, 3), "padding": "same", "activation": "relu6"}


def network(fixed: bool, *, normalized: bool = False, seed: int = 3) -> _core.Network:
    """Convolution, residual block and pool, perhaps fixed; then what is trained."""
    builder = _core.Builder((9, 8, 3))
    builder.trainable = not fixed
    builder.add_conv2d("stem", 17, **CONV)
    builder.begin_block("block", "add")
    builder.add_conv2d("block/conv", 17, **CONV)
    builder.next_branch()
    builder.end_block()
    builder.add_max_pool2d("pool", (2, 2), (2, 2))
    if normalized:
        builder.add_batch_normalization("norm", 0.9, 1e-3)
    builder.trainable = True
    builder.add_conv2d("conv", 19, **CONV)
    builder.add_global_average_pool2d("average")
    builder.add_dropout("dropout", 0.25)
    builder.add_dense("dense", 5)
    return builder.build(seed)


def data(images: int = 37) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (images, 9, 8, 3), dtype=np.uint8)
    return x, rng.integers(0, 5, images).astype(np.int32)


def weights(net: _core.Network) -> dict[str, bytes]:
    return {name: net.get_parameter(name).tobytes() for name in net.parameter_names()}


def train(net: _core.Network, x: np.ndarray, y: np.ndarray, optimizer=None, extracted=False):
    order = np.random.default_rng(1).permutation(len(x)).astype(np.int32)
    given = net.extract(x) if extracted else x
    optimizer = optimizer or _core.Optimizer(0.05)
    return net.train_steps(
        given, y, order, 8, "cross_entropy", optimizer, 1, 0, extracted=extracted
    )


OPTIMIZERS = {
    "plain": _core.Optimizer(0.05),
    "momentum": _core.Optimizer(0.05, momentum=0.9, weight_decay=0.01),
    "adam": _core.Optimizer(0.01, method="adam", weight_decay=0.1, global_clipnorm=1.0),
    "average": _core.Optimizer(0.01, method="rmsprop", use_ema=True),
}


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fixed_weights_stay_and_the_others_learn(optimizer, normalized):
    net = network(True, normalized=normalized)
    before = weights(net)
    train(net, *data(), OPTIMIZERS[optimizer])
    after = weights(net)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"conv/kernel", "conv/bias", "dense/kernel", "dense/bias"}
    assert {name for name in before if net.is_trained(name)} == changed


def test_what_is_trained_gets_the_gradients_that_it_gets_anyway():
    x, y = data()
    fixed, free = network(True), network(False)
    assert fixed.compute_gradients(x, y, "mse") == free.compute_gradients(x, y, "mse")
    for name in ("conv/kernel", "conv/bias", "dense/kernel", "dense/bias"):
        np.testing.assert_array_equal(fixed.get_gradient(name), free.get_gradient(name))
        assert np.abs(free.get_gradient(name)).max() > 0
    assert np.abs(free.get_gradient("stem/kernel")).max() > 0
    assert not fixed.get_gradient("stem/kernel").any()


def test_training_on_what_the_fixed_layers_gave_is_the_same():
    x, y = data()
    whole, part = network(True), network(True)
    assert whole.extracted_shape == (4, 4, 17)
    found = train(whole, x, y)
    same = train(part, x, y, extracted=True)
    np.testing.assert_array_equal(found[0], same[0])
    assert weights(whole) == weights(part)
    outputs, losses = whole.evaluate(x, y, "cross_entropy")
    again, same_losses = part.evaluate(part.extract(x), y, "cross_entropy", True)
    np.testing.assert_array_equal(outputs, again)
    np.testing.assert_array_equal(losses, same_losses)


def test_the_same_bits_everywhere(same_everywhere):
    def run() -> tuple[bytes, ...]:
        net = network(True, normalized=True)
        train(net, *data(), OPTIMIZERS["adam"])
        return net.extract(data()[0]).tobytes(), *weights(net).values()

    same_everywhere(run)


def test_a_fixed_normalization_is_a_scale_and_an_offset():
    rng = np.random.default_rng(5)
    values = {
        "gamma": rng.uniform(0.5, 2, 4),
        "beta": rng.normal(size=4),
        "moving_mean": rng.normal(size=4),
        "moving_variance": rng.uniform(0.5, 2, 4),
    }
    scale = values["gamma"] / np.sqrt(values["moving_variance"] + 1e-3)
    offset = values["beta"] - values["moving_mean"] * scale

    def build(normalization: bool) -> _core.Network:
        builder = _core.Builder((6, 5, 3))
        builder.add_conv2d("conv", 4, (3, 3))
        builder.trainable = False
        if normalization:
            builder.add_batch_normalization("norm", 0.9, 1e-3)
        else:
            builder.add_rescaling("norm", scale.tolist(), offset.tolist())
        builder.trainable = True
        builder.add_activation("relu", "relu")
        builder.add_flatten("flatten")
        builder.add_dense("dense", 3)
        net = builder.build(2)
        if normalization:
            for name, value in values.items():
                net.set_parameter(f"norm/{name}", value.astype(np.float32))
        return net

    x = rng.integers(0, 256, (9, 6, 5, 3), dtype=np.uint8)
    y = rng.integers(0, 3, 9).astype(np.int32)
    ours, theirs = build(True), build(False)
    assert ours.compute_gradients(x, y, "mse") == pytest.approx(
        theirs.compute_gradients(x, y, "mse"), rel=1e-5
    )
    for name in ("conv/kernel", "conv/bias", "dense/kernel", "dense/bias"):
        expected = theirs.get_gradient(name)
        error = np.abs(ours.get_gradient(name) - expected).max()
        assert error < 1e-5 * np.abs(expected).max(), name
    # In inference it is folded into the convolution: the same but for rounding.
    np.testing.assert_allclose(ours.forward(x), theirs.forward(x), rtol=1e-4, atol=1e-4)


def test_the_border_is_not_between_a_convolution_and_what_is_folded_into_it():
    builder = _core.Builder((6, 5, 3))
    builder.trainable = False
    builder.add_conv2d("first", 4, (3, 3))
    builder.add_conv2d("second", 6, (1, 1))
    builder.trainable = True
    builder.add_batch_normalization("norm", 0.9, 1e-3)
    builder.add_flatten("flatten")
    builder.add_dense("dense", 3)
    assert builder.build(0).extracted_shape == (4, 3, 4)


def test_a_shortcut_that_is_trained_beside_a_branch_that_is_not():
    def build(fixed: bool) -> _core.Network:
        builder = _core.Builder((6, 5, 3))
        builder.begin_block("block", "add")
        builder.trainable = not fixed
        builder.add_conv2d("block/branch", 4, (1, 1))
        builder.next_branch()
        builder.trainable = True
        builder.add_conv2d("block/shortcut", 4, (1, 1))
        builder.end_block("relu")
        builder.add_flatten("flatten")
        builder.add_dense("dense", 3)
        return builder.build(0)

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 6, 5, 3)).astype(np.float32), np.arange(7, dtype=np.int32) % 3
    fixed, free = build(True), build(False)
    fixed.compute_gradients(x, y, "mse")
    free.compute_gradients(x, y, "mse")
    for name in ("block/shortcut/kernel", "dense/kernel"):
        np.testing.assert_array_equal(fixed.get_gradient(name), free.get_gradient(name))
    assert fixed.extracted_shape is None


def test_what_is_refused():
    builder = _core.Builder((4,))
    builder.trainable = False
    builder.add_dense("dense", 3)
    with pytest.raises(ValueError, match="no layer is trainable"):
        builder.build(0)
    free, fixed = network(False), network(True)
    x, y = data()
    assert free.extracted_shape is None
    with pytest.raises(ValueError, match="no part of this network is fixed"):
        free.extract(x)
    given = fixed.extract(x)
    with pytest.raises(ValueError, match=r"must have shape \(N, \*\(4, 4, 17\)\)"):
        fixed.evaluate(x, y, "mse", True)
    with pytest.raises(TypeError, match="extracted images must have dtype float32"):
        fixed.evaluate(given.astype(np.uint8), y, "mse", True)
    order, changed = np.arange(37, dtype=np.int32), nn.Augmentation(shift=0.1).for_core()
    with pytest.raises(ValueError, match="augmentation changes images"):
        fixed.train_steps(
            given, y, order, 8, "mse", _core.Optimizer(0.1), 0, 0, changed, extracted=True
        )


def test_what_is_extracted_is_there_though_the_next_layer_makes_it_line_by_line():
    """An expansion leaves its output to a depthwise layer: extraction ends right between them."""

    def build() -> _core.Network:
        builder = _core.Builder((9, 8, 3))
        builder.trainable = False
        builder.add_conv2d("stem", 12, **CONV)
        builder.add_conv2d("expansion", 32, (1, 1), activation="relu6")
        builder.trainable = True
        builder.add_conv2d("depthwise", 32, groups=32, **CONV)
        builder.add_global_average_pool2d("average")
        builder.add_dense("dense", 5)
        return builder.build(3)

    whole, part = build(), build()
    x, y = data()
    assert whole.extracted_shape == (9, 8, 32)
    extracted = whole.extract(x)
    whole.compute_gradients(x, y, "cross_entropy")
    assert np.array_equal(whole.layer_output("expansion"), extracted)
    train(whole, x, y)
    train(part, x, y, extracted=True)
    assert weights(whole) == weights(part)
    assert np.array_equal(part.forward(x), whole.forward(x))
    again, _ = part.evaluate(part.extract(x), y, "cross_entropy", True)
    np.testing.assert_array_equal(whole.evaluate(x, y, "cross_entropy")[0], again)
