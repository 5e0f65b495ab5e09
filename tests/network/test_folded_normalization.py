"""Fixed normalizations, which training folds into the weights of the layer before, too."""

from __future__ import annotations

import numpy as np
import pytest

from engine_checks import check_fused_update
from nncore import _core

SHAPE = (7, 6, 4)
PADDED = {"kernel_size": (3, 3), "padding": "same"}


def conv(builder, name, filters, **more):
    builder.add_conv2d(name, filters, **(PADDED | more))


def fixed(builder, name, rescaled, channels):
    """A normalization that is not trained, or the rescaling that it is; with numbers of its own."""
    rng = np.random.default_rng(len(name))
    gamma, variance = rng.uniform(0.5, 2, (2, channels)).astype(np.float32)
    beta, mean = rng.normal(size=(2, channels)).astype(np.float32)
    if rescaled:
        scale = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + 1e-3)
        builder.add_rescaling(name, scale.tolist(), (beta - mean * scale).tolist())
        return {}
    outside = builder.trainable
    builder.trainable = False
    builder.add_batch_normalization(name, 0.9, 1e-3)
    builder.trainable = outside
    numbers = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
    return {f"{name}/{short}": value for short, value in numbers.items()}


def network(rescaled, *, frozen=(), seed=4):
    """Folded into convolutions of all kinds, in blocks, and dense layers; `frozen`: not trained."""
    builder, numbers = _core.Builder(SHAPE), {}

    def layer(name, channels, add, **arguments):
        builder.trainable = name not in frozen
        add(name, **arguments)
        builder.trainable = True
        numbers.update(fixed(builder, f"{name}_norm", rescaled, channels))

    layer("a", 18, builder.add_conv2d, filters=18, **PADDED)
    builder.add_activation("relu6", "relu6")
    layer("bb", 18, builder.add_conv2d, filters=18, groups=18, use_bias=False, **PADDED)
    builder.add_activation("tanh", "tanh")
    builder.begin_block("block", "add")
    layer("ccc", 32, builder.add_conv2d, filters=32, kernel_size=(1, 1))
    builder.add_activation("sigmoid", "sigmoid")
    layer("dddd", 18, builder.add_conv2d, filters=18, groups=2, **PADDED)
    builder.next_branch()
    builder.end_block("relu")
    builder.begin_block("weighted", "multiply")
    builder.next_branch()
    builder.add_global_average_pool2d("average")
    layer("eeeee", 18, builder.add_dense, units=18)
    builder.add_activation("gate", "sigmoid")
    builder.end_block()
    builder.add_flatten("flatten")
    layer("ffffff", 5, builder.add_dense, units=5, use_bias=False)
    builder.add_dense("dense", 3)
    net = builder.build(seed)
    for name, value in numbers.items():
        net.set_parameter(name, value)
    return net


def data(images=13):
    rng = np.random.default_rng(0)
    return rng.random((images, *SHAPE), np.float32), rng.integers(0, 3, images, np.int32)


def trained(net):
    return [name for name in net.parameter_names() if net.is_trained(name)]


FROZEN = [(), ("a",), ("ccc", "ffffff"), ("a", "bb", "ccc", "dddd", "eeeee", "ffffff")]


@pytest.mark.parametrize("frozen", FROZEN, ids=str)
def test_it_is_a_scale_and_an_offset(frozen):
    ours, theirs = network(False, frozen=frozen), network(True, frozen=frozen)
    assert sum(stage.endswith("; part of the stage before") for stage in ours.stages()) == 6
    x, y = data()
    for images in (x, x[:5]):
        assert ours.compute_gradients(images, y[: len(images)], "mse") == pytest.approx(
            theirs.compute_gradients(images, y[: len(images)], "mse"), rel=1e-5
        )
        for name in ours.layer_names():
            expected = theirs.layer_output(name)
            error = np.abs(ours.layer_output(name) - expected).max()
            assert error < 1e-5 * np.abs(expected).max(), name
        assert trained(ours) == trained(theirs)
        for name in trained(ours):
            expected = theirs.get_gradient(name)
            error = np.abs(ours.get_gradient(name) - expected).max()
            assert error < 3e-5 * np.abs(expected).max(), name
    np.testing.assert_allclose(ours.forward(x), theirs.forward(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "optimizer",
    [_core.Optimizer(0.02), _core.Optimizer(0.02, momentum=0.9, weight_decay=0.01)],
    ids=["plain", "momentum"],
)
def test_steps_are_those_with_a_rescaling(optimizer):
    ours, theirs = network(False, frozen=("ccc",)), network(True, frozen=("ccc",))
    x, y = data(29)
    before = {name: ours.get_parameter(name) for name in ours.parameter_names()}
    for epoch in range(3):
        order = _core.shuffled_indices(1, epoch, len(x))
        losses, _ = ours.train_steps(x, y, order, 8, "cross_entropy", optimizer)
        expected, _ = theirs.train_steps(x, y, order, 8, "cross_entropy", optimizer)
        assert losses == pytest.approx(expected, rel=1e-4)
    for name, value in before.items():
        if not ours.is_trained(name):
            np.testing.assert_array_equal(ours.get_parameter(name), value)
            continue
        exact = theirs.get_parameter(name)
        moved = np.abs(exact - value).max()
        assert moved > 1e-5, name
        assert np.abs(ours.get_parameter(name) - exact).max() < 1e-3 * moved, name


def test_new_statistics_count_at_once():
    net, x, y = network(False), *data()
    before = net.compute_gradients(x, y, "mse")
    net.set_parameter("bb_norm/gamma", np.full(18, 3.0, np.float32))
    after = net.compute_gradients(x, y, "mse")
    assert after != before
    _, losses = net.evaluate(x, y, "mse")
    assert losses.mean() == pytest.approx(after, rel=1e-5)


@pytest.mark.parametrize("frozen", FROZEN, ids=str)
def test_fused_update_is_gradient_then_update(frozen):
    check_fused_update(network(False, frozen=frozen), network(False, frozen=frozen), *data())


def test_training_has_the_same_bits_everywhere(same_everywhere):
    x, y = data(21)

    def compute():
        net = network(False, frozen=("a",))
        for epoch in range(2):
            order = _core.shuffled_indices(2, epoch, len(x))
            net.train_steps(x, y, order, 8, "cross_entropy", _core.Optimizer(0.01, "adam"))
        outputs, _ = net.evaluate(x, y, "cross_entropy")
        weights = [net.get_parameter(name).tobytes() for name in net.parameter_names()]
        return (*weights, outputs.tobytes())

    same_everywhere(compute)
