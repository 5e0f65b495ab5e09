"""Activations, softmax, losses and the update against float64 formulas, on each instruction set."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore import kernels

EPSILON = float(np.finfo(np.float32).eps)


def one_hot_rows(rng, n, k):
    return np.eye(k, dtype=np.float32)[rng.integers(0, k, n)]


def assert_within(result, exact, units):
    """Within `units` units in the last place, or of the smallest normal number."""
    error = np.abs(result.astype(np.float64) - exact)
    bound = units * EPSILON * np.maximum(np.abs(exact), np.finfo(np.float32).tiny)
    assert (error <= bound).all(), (error / bound).max() * units


SPREAD = np.concatenate(
    [np.linspace(-110, 110, 20011), np.linspace(-1, 1, 4003), np.geomspace(1e-30, 1, 999)]
).astype(np.float32)


def test_activations(isa):
    x = SPREAD.astype(np.float64)
    assert (kernels.relu(SPREAD) == np.maximum(SPREAD, 0)).all()
    with np.errstate(over="ignore"):
        exact = 1 / (1 + np.exp(-x))
    # Below -88.7 the exponential overflows and the result is 0 instead of a subnormal number.
    normal = exact >= np.finfo(np.float32).tiny
    assert_within(kernels.sigmoid(SPREAD)[normal], exact[normal], 4)
    assert (kernels.sigmoid(SPREAD)[~normal] <= np.finfo(np.float32).tiny).all()
    assert_within(kernels.tanh(SPREAD), np.tanh(x), 3)
    special = np.array([np.nan, np.inf, -np.inf], np.float32)
    np.testing.assert_array_equal(kernels.relu(special), [np.nan, np.inf, 0])
    np.testing.assert_array_equal(kernels.sigmoid(special), [np.nan, 1, 0])
    np.testing.assert_array_equal(kernels.tanh(special), [np.nan, 1, -1])


def test_activation_gradients(isa):
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 7, 13)).astype(np.float32)
    for name, derivative in [
        ("relu", lambda y: y > 0),
        ("sigmoid", lambda y: y * (1 - y)),
        ("tanh", lambda y: 1 - y * y),
    ]:
        y = getattr(kernels, name)(x)
        result = getattr(kernels, f"{name}_grad")(y, dy)
        exact = dy.astype(np.float64) * derivative(y.astype(np.float64))
        assert np.abs(result - exact).max() <= 4 * EPSILON * np.abs(dy).max()


@pytest.mark.parametrize("shape", [(1, 1), (1, 10), (15, 3), (16, 16), (33, 17), (70, 100)])
def test_softmax_and_its_gradient(isa, shape):
    rng = np.random.default_rng(1)
    x = (10 * rng.standard_normal(shape)).astype(np.float32)
    exact = np.exp(x.astype(np.float64) - x.max(1, keepdims=True))
    exact /= exact.sum(1, keepdims=True)
    y = kernels.softmax(x)
    # The argument of exp is rounded too: an absolute error of half a unit of |x - max|.
    assert (np.abs(y - exact) <= (shape[1] + 100) * EPSILON * exact + 1e-38).all()
    dy = rng.standard_normal(shape).astype(np.float32)
    dx = kernels.softmax_grad(y, dy)
    y64, dy64 = y.astype(np.float64), dy.astype(np.float64)
    expected = y64 * (dy64 - (y64 * dy64).sum(1, keepdims=True))
    bound = (shape[1] + 4) * EPSILON * y64 * np.abs(dy64).max()
    assert (np.abs(dx - expected) <= bound + 1e-38).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (5, 10), (17, 16), (33, 40)])
def test_losses_and_gradients(isa, shape):
    rng = np.random.default_rng(2)
    n, k = shape
    outputs = (3 * rng.standard_normal(shape)).astype(np.float32)
    targets = one_hot_rows(rng, n, k)
    x, t = outputs.astype(np.float64), targets.astype(np.float64)
    np.testing.assert_allclose(
        kernels.sse(outputs, targets), ((x - t) ** 2).sum(1), rtol=(k + 2) * EPSILON
    )
    assert kernels.mse(outputs, targets) == pytest.approx(
        ((x - t) ** 2).sum(1).mean(), rel=(k + 2) * EPSILON
    )
    np.testing.assert_allclose(kernels.mse_grad(outputs, targets), 2 * (x - t) / n, rtol=1e-6)
    shifted = x - x.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    assert kernels.softmax_cross_entropy(outputs, targets) == pytest.approx(
        -(t * log_p).sum(1).mean(), rel=1e-5, abs=1e-6
    )
    np.testing.assert_allclose(
        kernels.softmax_cross_entropy_grad(outputs, targets), (np.exp(log_p) - t) / n, atol=1e-6
    )


def test_cross_entropy_is_stable_for_huge_logits(isa):
    logits = np.array([[1e30, 0.0], [-1e30, 1e30], [1000.0, 999.0]], np.float32)
    labels = np.array([0, 1, 1])
    assert kernels.softmax_cross_entropy(logits, labels) == pytest.approx(
        (0 + 0 + np.log1p(np.e)) / 3, rel=1e-6
    )
    assert np.isfinite(kernels.softmax_cross_entropy_grad(logits, labels)).all()
    assert kernels.softmax_cross_entropy(logits[:1], np.array([1])) == pytest.approx(1e30)


def test_gradients_agree_with_finite_differences():
    rng = np.random.default_rng(3)
    outputs = rng.standard_normal((4, 5)).astype(np.float32)
    targets = one_hot_rows(rng, 4, 5)
    for loss, gradient in [
        (kernels.mse, kernels.mse_grad),
        (kernels.softmax_cross_entropy, kernels.softmax_cross_entropy_grad),
    ]:
        analytic = gradient(outputs, targets)
        step = np.float32(2.0**-6)
        for i, j in np.ndindex(outputs.shape):
            up, down = outputs.copy(), outputs.copy()
            up[i, j] += step
            down[i, j] -= step
            numeric = (loss(up, targets) - loss(down, targets)) / float(up[i, j] - down[i, j])
            assert analytic[i, j] == pytest.approx(numeric, abs=2e-4)


def test_bias_and_its_gradient(isa):
    rng = np.random.default_rng(4)
    x = rng.standard_normal((19, 21)).astype(np.float32)
    bias = rng.standard_normal(21).astype(np.float32)
    assert (kernels.add_bias(x, bias) == x + bias).all()
    exact = x.astype(np.float64).sum(0)
    assert (np.abs(kernels.bias_grad(x) - exact) <= 19 * EPSILON * np.abs(x).sum(0)).all()


# ---- the lesson's own numbers


def test_lesson_squared_error():
    truth, output = [1, 0, 0], [0.37, 0.50, 0.13]
    assert nn.kernels.sse(output, truth) == pytest.approx(0.6638, abs=1e-6)
    assert nn.kernels.sse(truth, output) == pytest.approx(0.6638, abs=1e-6)
    batch = np.array([[0.37, 0.50, 0.13], [0.1, 0.8, 0.1]], np.float32)
    targets = nn.one_hot([0, 1], num_classes=3)
    errors = nn.kernels.sse(batch, targets)
    np.testing.assert_allclose(errors, [0.6638, 0.06], atol=1e-6)
    assert nn.kernels.mse(batch, targets) == pytest.approx((0.6638 + 0.06) / 2, abs=1e-6)
    assert nn.kernels.mse(batch, np.array([0, 1])) == nn.kernels.mse(batch, targets)


def test_lesson_update(isa):
    w = np.array([0.38], np.float32)
    nn.kernels.sgd_update(w, [-0.55], 0.01)
    assert w[0] == pytest.approx(0.3855, abs=1e-7)


# ---- bad input


def strided(shape):
    return np.ones((*shape[:-1], shape[-1] * 2), np.float32)[..., ::2]


def test_update_in_place_never_works_on_a_copy():
    gradient = np.ones(4, np.float32)
    for bad in (np.ones(4), np.ones(4, np.float16), np.ones(4, np.int32)):
        with pytest.raises(TypeError, match="float32"):
            kernels.sgd_update(bad, gradient, 0.1)
        assert (bad == 1).all()
    with pytest.raises(TypeError, match="changed in place"):
        kernels.sgd_update([1.0, 2.0], [1.0, 1.0], 0.1)
    view = strided((4,))
    with pytest.raises(ValueError, match="C-contiguous"):
        kernels.sgd_update(view, gradient, 0.1)
    assert (view == 1).all()
    frozen = np.ones(4, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        kernels.sgd_update(frozen, gradient, 0.1)
    with pytest.raises(ValueError, match=r"same shape, got \(3,\) and \(4,\)"):
        kernels.sgd_update(np.ones(4, np.float32), np.ones(3, np.float32), 0.1)
    with pytest.raises(ValueError, match="weights is empty"):
        kernels.sgd_update(np.empty(0, np.float32), gradient, 0.1)
    for rate in (float("nan"), float("inf"), 0.0, -0.1):
        with pytest.raises(ValueError, match="learning_rate"):
            kernels.sgd_update(np.ones(4, np.float32), gradient, rate)
    memory = np.ones(5, np.float32)
    with pytest.raises(ValueError, match="shares memory"):
        kernels.sgd_update(memory[:4], memory[1:], 0.1)


ONE_ARGUMENT = [kernels.relu, kernels.sigmoid, kernels.tanh, kernels.softmax, kernels.bias_grad]
TWO_ARGUMENTS = [
    kernels.relu_grad, kernels.sigmoid_grad, kernels.tanh_grad, kernels.softmax_grad,
    kernels.sse, kernels.mse, kernels.mse_grad,
    kernels.softmax_cross_entropy, kernels.softmax_cross_entropy_grad,
]  # fmt: skip


@pytest.mark.parametrize("kernel", ONE_ARGUMENT)
def test_one_argument_kernels_refuse_bad_arrays(kernel):
    with pytest.raises(TypeError, match="must have dtype float32, got float64"):
        kernel(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"is empty: shape \(0, 3\)"):
        kernel(np.ones((0, 3), np.float32))
    with pytest.raises(TypeError, match="must hold numbers"):
        kernel("text")
    # A strided input is only read: it gives what its copy gives.
    x = np.random.default_rng(5).standard_normal((4, 6)).astype(np.float32)[:, ::2]
    np.testing.assert_array_equal(kernel(x), kernel(x.copy()))


@pytest.mark.parametrize("kernel", TWO_ARGUMENTS)
def test_two_argument_kernels_refuse_bad_arrays(kernel):
    good = np.full((2, 3), 0.5, np.float32)
    with pytest.raises(TypeError, match="must have dtype float32, got float64"):
        kernel(good, good.astype(np.float64))
    with pytest.raises(TypeError, match="must have dtype float32, got int64"):
        kernel(good.astype(np.int64), good)
    with pytest.raises(ValueError, match="same shape"):
        kernel(good, np.ones((3, 2), np.float32))
    with pytest.raises(ValueError, match="is empty"):
        kernel(good[:0], good[:0])


@pytest.mark.parametrize("kernel", [kernels.relu, kernels.sigmoid, kernels.tanh, kernels.softmax])
def test_out_is_checked(kernel):
    x = np.zeros((2, 3), np.float32)
    out = np.empty_like(x)
    assert kernel(x, out) is out
    with pytest.raises(ValueError, match=r"out has shape \(3, 2\), the result has \(2, 3\)"):
        kernel(x, np.empty((3, 2), np.float32))
    with pytest.raises(TypeError, match="out must have dtype float32"):
        kernel(x, np.empty((2, 3)))
    with pytest.raises(ValueError, match="out must be C-contiguous"):
        kernel(x, strided((2, 3)))
    frozen = np.empty_like(x)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        kernel(x, frozen)


def test_labels_are_checked():
    outputs = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match="labels must be from 0 to 2, got 0 to 3"):
        kernels.mse(outputs, np.array([0, 3]))
    with pytest.raises(ValueError, match="one label per row"):
        kernels.mse(outputs, np.array([0, 1, 2]))


def test_core_refuses_what_the_wrapper_would_coerce():
    from nncore import _core

    with pytest.raises(TypeError, match="weights must have dtype float32, got float64"):
        _core.sgd_update(np.ones(3), np.ones(3, np.float32), 0.1)
    with pytest.raises(TypeError):
        _core.sgd_update([1.0], [1.0], 0.1)
    swapped = np.ones(3, np.dtype(np.float32).newbyteorder())
    with pytest.raises(TypeError, match="float32"):
        _core.sgd_update(swapped, np.ones(3, np.float32), 0.1)
    raw = np.zeros(17, np.uint8)[1:].view(np.float32)
    with pytest.raises(ValueError, match="not aligned"):
        _core.sgd_update(raw, np.ones(4, np.float32), 0.1)
    with pytest.raises(ValueError, match=r"x must have 2 dimension\(s\)"):
        _core.softmax(np.ones(3, np.float32), np.ones(3, np.float32))
