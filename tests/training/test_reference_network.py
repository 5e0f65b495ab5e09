"""The float64 oracle itself: against finite differences and the lesson's numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reference_activations import ACTIVATIONS
from reference_network import SGD, ReferenceNetwork

pytestmark = pytest.mark.every_isa


def network(activation, last, inputs=(3, 2, 2), use_bias=True):
    net = ReferenceNetwork(inputs)
    net.add_flatten("flatten")
    net.add_dense("dense", 7, activation, use_bias)
    net.add_dense("dense_1", 4)
    net.add_activation("activation", last)
    net.build(1)
    rng = np.random.default_rng(2)
    for name in net.parameter_names():
        net.set_parameter(name, rng.normal(size=net.get_parameter(name).shape))
    return net


@pytest.mark.parametrize("loss", ["mse", "sse", "cross_entropy"])
@pytest.mark.parametrize("last", ["linear", "softmax", "sigmoid"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_agree_with_finite_differences(activation, last, loss):
    rng = np.random.default_rng(0)
    net = network(activation, last)
    x = rng.normal(size=(5, 3, 2, 2))
    targets = [rng.integers(0, 4, 5)]
    if loss != "cross_entropy":
        targets.append(rng.normal(size=(5, 4)))
    for y in targets:
        net.compute_gradients(x, y, loss)
        gradients = {name: net.get_gradient(name) for name in net.parameter_names()}
        for name, gradient in gradients.items():
            value = net.get_parameter(name)
            for index in np.ndindex(value.shape):
                slope, step = 0.0, 1e-6
                for sign in (1, -1):
                    moved = value.copy()
                    moved[index] += sign * step
                    net.set_parameter(name, moved)
                    slope += sign * net.compute_gradients(x, y, loss) / (2 * step)
                assert gradient[index] == pytest.approx(slope, rel=1e-5, abs=1e-7)
            net.set_parameter(name, value)


def test_lesson_sse_and_mean_over_the_batch():
    net = ReferenceNetwork((3,))
    net.add_dense("dense", 3, use_bias=False)
    net.build(0)
    net.set_parameter("dense/kernel", np.eye(3))
    x = np.array([[0.37, 0.50, 0.13], [0.0, 1.0, 0.0]])
    outputs, losses = net.evaluate(x, np.array([0, 1]), "mse")
    assert losses == pytest.approx([0.6638, 0.0])
    assert net.compute_gradients(x, np.array([0, 1]), "mse") == pytest.approx(0.6638 / 2)
    assert net.compute_gradients(x, np.array([0, 1]), "sse") == pytest.approx(0.6638)
    assert outputs.argmax(axis=1).tolist() == [1, 1]


def test_lesson_weight_update():
    net = ReferenceNetwork((1,))
    net.add_dense("dense", 1, use_bias=False)
    net.build(0)
    net.set_parameter("dense/kernel", [[0.38]])
    # d/dW (W - y)^2 = 2 (W - y) = -0.55
    net.compute_gradients(np.ones((1, 1)), np.array([[0.38 + 0.275]]), "sse")
    net.apply_gradients(SGD(0.01))
    assert net.get_parameter("dense/kernel")[0, 0] == pytest.approx(0.3855)


def test_uint8_is_scaled_and_normalised():
    net = ReferenceNetwork((1, 1, 2))
    net.add_flatten("flatten")
    net.build(0)
    x = np.array([[[[255, 51]]]], np.uint8)
    assert net.forward(x) == pytest.approx(np.array([[1.0, 0.2]]))
    net.set_input_normalization(np.array([0.5, 0.2]), np.array([0.25, 2.0]))
    assert net.forward(x) == pytest.approx(np.array([[2.0, 0.0]]))
    assert net.forward(np.ones((1, 1, 1, 2), np.float32)).tolist() == [[1.0, 1.0]]


def test_train_steps_take_the_last_short_batch_and_stop_before_a_ruinous_update():
    net = network("relu", "linear")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3, 2, 2)), rng.integers(0, 4, 7).astype(np.int32)
    order = np.arange(7, dtype=np.int32)
    before = net.get_parameter("dense/kernel")
    losses, correct = net.train_steps(x, y, order, 3, "cross_entropy", SGD(0.1))
    assert len(losses) == len(correct) == 3
    assert correct.max() <= 3
    assert (net.get_parameter("dense/kernel") != before).any()

    x[4] = math.nan
    before = net.get_parameter("dense/kernel")
    losses, correct = net.train_steps(x, y, order[3:], 1, "cross_entropy", SGD(0.1))
    assert np.isfinite(losses).tolist() == [True, False]
    assert np.isfinite(net.get_parameter("dense/kernel")).all()
