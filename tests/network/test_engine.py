"""The engine through its binding: gradients against float64, bits, the lesson, bad input."""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore import _core
from reference_network import ReferenceNetwork

EPSILON = float(np.finfo(np.float32).eps)


def build(network, layers):
    for i, (units, activation) in enumerate(layers):
        network.add_dense(f"d{i}", units, activation)
    return network.build(7)


def twins(features, layers):
    """The engine and the float64 reference with the same weights, biases included."""
    rng = np.random.default_rng(0)
    core = build(_core.Builder((features,)), layers)
    reference = build(ReferenceNetwork((features,)), layers)
    for name in core.parameter_names():
        value = core.get_parameter(name)
        if name.endswith("bias"):
            value = rng.uniform(-0.2, 0.2, value.shape).astype(np.float32)
            core.set_parameter(name, value)
        reference.set_parameter(name, value)
    return core, reference


def data(features, classes, count, seed=1):
    rng = np.random.default_rng(seed)
    return rng.random((count, features), np.float32), rng.integers(0, classes, count, np.int32)


@pytest.mark.parametrize("batch", [1, 15, 16, 17, 33])
@pytest.mark.parametrize(
    ("features", "layers", "loss"),
    [
        (100, [(84, "relu"), (60, "relu"), (10, "linear")], "cross_entropy"),
        (100, [(84, "tanh"), (60, "sigmoid"), (10, "softmax")], "mse"),
        (7, [(5, "relu"), (3, "softmax")], "cross_entropy"),
        (7, [(5, "softmax"), (3, "relu")], "sse"),
        (33, [(17, "sigmoid"), (1, "linear")], "mse"),
        (100, [(84, "gelu"), (60, "silu"), (10, "leaky_relu")], "mse"),
        (100, [(84, "relu6"), (60, "hard_swish"), (10, "hard_sigmoid")], "mse"),
        (33, [(17, "hard_sigmoid"), (16, "relu6"), (3, "hard_swish")], "sse"),
        (33, [(17, "leaky_relu"), (16, "leaky_relu"), (3, "gelu")], "sse"),
    ],
)
def test_gradients(isa, batch, features, layers, loss):
    core, reference = twins(features, layers)
    x, y = data(features, layers[-1][0], batch)
    value = core.compute_gradients(x, y, loss)
    expected = reference.compute_gradients(x, y, loss)
    assert value == pytest.approx(expected, rel=1e-5)
    for name in core.parameter_names():
        exact = reference.get_gradient(name)
        error = np.abs(core.get_gradient(name) - exact).max()
        # Relative to the size of this layer's update; the chains are `features` long at most.
        assert error <= 2 * (features + batch) * EPSILON * np.abs(exact).max() + 1e-12, name


def test_a_batch_is_the_mean_of_its_samples(isa):
    core, _ = twins(20, [(13, "relu"), (4, "linear")])
    x, y = data(20, 4, 33)
    single = []
    for i in range(33):
        core.compute_gradients(x[i : i + 1], y[i : i + 1], "cross_entropy")
        single.append(core.get_gradient("d0/kernel"))
    core.compute_gradients(x, y, "cross_entropy")
    mean = np.mean(single, axis=0, dtype=np.float64)
    error = np.abs(core.get_gradient("d0/kernel") - mean).max()
    assert error <= 40 * EPSILON * np.abs(single).max()


def test_fused_update_is_gradient_then_update(isa):
    x, y = data(30, 5, 64)
    for loss in ("cross_entropy", "mse"):
        fused, _ = twins(30, [(19, "relu"), (5, "linear")])
        apart, _ = twins(30, [(19, "relu"), (5, "linear")])
        optimizer = _core.Optimizer(0.1)
        fused.train_steps(x, y, np.arange(64, dtype=np.int32), 64, loss, optimizer)
        apart.compute_gradients(x, y, loss)
        apart.apply_gradients(optimizer)
        for name in fused.parameter_names():
            assert (fused.get_parameter(name) == apart.get_parameter(name)).all()


@pytest.mark.parametrize(
    ("layers", "loss"),
    [
        ([(96, "relu"), (80, "tanh"), (10, "linear")], "cross_entropy"),
        ([(96, "sigmoid"), (10, "softmax")], "mse"),
        ([(96, "gelu"), (80, "leaky_relu"), (10, "silu")], "mse"),
    ],
)
def test_weights_have_the_same_bits_everywhere(layers, loss, same_everywhere):
    """Three epochs with a smaller last batch."""
    # 200 features and batches of 48 put a step above the size from which threads are used.
    x, y = data(200, 10, 48 * 4 + 11)
    pixels = (x * 255).astype(np.uint8)

    def compute():
        network = build(_core.Builder((200,)), layers)
        for epoch in range(3):
            order = _core.shuffled_indices(5, epoch, len(x))
            losses, correct = network.train_steps(pixels, y, order, 48, loss, _core.Optimizer(0.05))
        outputs, each = network.evaluate(pixels, y, loss)
        weights = [network.get_parameter(p) for p in network.parameter_names()]
        return [array.tobytes() for array in (*weights, losses, correct, outputs, each)]

    same_everywhere(compute)


def test_inference_bits_do_not_depend_on_the_batch(isa):
    core, _ = twins(30, [(19, "tanh"), (5, "softmax")])
    x, _ = data(30, 5, 200)
    together = core.forward(x)
    for i in (0, 1, 63, 64, 199):
        assert (core.forward(x[i : i + 1]) == together[i]).all()
    assert (core.forward(x[:65]) == together[:65]).all()


def test_bytes_are_scaled_like_numpy_would():
    values = np.arange(256, dtype=np.uint8).reshape(1, 256)
    core = build(_core.Builder((256,)), [(256, "linear")])
    core.set_parameter("d0/kernel", np.eye(256, dtype=np.float32))
    assert (core.forward(values) == values.astype(np.float32) / np.float32(255)).all()


def test_normalization_per_channel(isa):
    builder = _core.Builder((2, 3, 3))
    builder.add_flatten("flatten")
    builder.add_dense("d", 18)
    network = builder.build(0)
    network.set_parameter("d/kernel", np.eye(18, dtype=np.float32))
    mean, std = [0.1, 0.2, 0.5], [0.3, 0.5, 0.25]
    network.set_input_normalization(mean, std)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 2, 3, 3), np.uint8)
    expected = (pixels / 255.0 - mean) / std
    np.testing.assert_allclose(
        network.forward(pixels).reshape(pixels.shape), expected, rtol=1e-5, atol=1e-6
    )


def test_shuffles_are_permutations_that_differ():
    orders = [_core.shuffled_indices(seed, epoch, 1000) for seed in (0, 1) for epoch in (0, 1)]
    for order in orders:
        assert (np.sort(order) == np.arange(1000)).all()
    assert len({order.tobytes() for order in orders}) == 4
    assert (_core.shuffled_indices(0, 0, 1000) == orders[0]).all()
    # Fixed for ever: saved runs are resumed by it.
    assert _core.shuffled_indices(0, 0, 8).tolist() == SHUFFLE_0_0_8
    assert _core.shuffled_indices(0, 0, 0).tolist() == []
    # Every element reaches every place: a chi-square far from both tails.
    places = np.zeros((5, 5))
    for epoch in range(5000):
        places[_core.shuffled_indices(3, epoch, 5), np.arange(5)] += 1
    chi_square = ((places - 1000) ** 2 / 1000).sum()
    assert 3 < chi_square < 45


SHUFFLE_0_0_8 = [5, 1, 6, 2, 0, 7, 4, 3]


def test_training_stops_before_a_step_with_a_loss_that_is_not_finite(isa):
    core, _ = twins(4, [(2, "linear")])
    x = np.ones((6, 4), np.float32)
    x[3] = np.inf
    y = np.zeros(6, np.int32)
    order = np.arange(6, dtype=np.int32)
    expected, _ = twins(4, [(2, "linear")])
    expected.train_steps(x, y, order[:3], 1, "mse", _core.Optimizer(0.1))
    losses, correct = core.train_steps(x, y, order, 1, "mse", _core.Optimizer(0.1))
    assert len(losses) == len(correct) == 4
    assert np.isfinite(losses[:3]).all()
    assert not np.isfinite(losses[3])
    assert (core.get_parameter("d0/kernel") == expected.get_parameter("d0/kernel")).all()


def test_the_lessons_one_weight_network(isa):
    """W = 0.38, gradient -0.55, learning rate 0.01: W becomes 0.3855."""
    builder = _core.Builder((1,))
    builder.add_dense("neuron", 1, "linear", use_bias=False)
    network = builder.build(0)
    network.set_parameter("neuron/kernel", np.array([[0.38]], np.float32))
    x, target = np.ones((1, 1), np.float32), np.array([[0.655]], np.float32)
    network.compute_gradients(x, target, "mse")
    assert network.get_gradient("neuron/kernel")[0, 0] == pytest.approx(-0.55, abs=1e-6)
    network.train_steps(x, target, np.zeros(1, np.int32), 1, "mse", _core.Optimizer(0.01))
    assert network.get_parameter("neuron/kernel")[0, 0] == pytest.approx(0.3855, abs=1e-6)


# ---- bad input


def test_refuses_bad_networks():
    with pytest.raises(ValueError, match=r"got \(0,\)"):
        _core.Builder((0,))
    with pytest.raises(ValueError, match="features"):
        _core.Builder((2, 2))
    with pytest.raises(ValueError, match="positive sizes"):
        _core.Builder((1 << 40, 1 << 40, 1 << 40))
    builder = _core.Builder((2, 2, 1))
    with pytest.raises(ValueError, match="add a Flatten layer"):
        builder.add_dense("d", 3)
    builder.add_flatten("flatten")
    with pytest.raises(ValueError, match='two layers are named "flatten"'):
        builder.add_flatten("flatten")
    for units in (0, -1, 1 << 40):
        with pytest.raises(ValueError, match="units must be from 1"):
            builder.add_dense("d", units)
    with pytest.raises(
        ValueError, match="known: linear, relu, relu6, leaky_relu, gelu, silu, hard_swish"
    ):
        builder.add_dense("d", 3, "swish")
    with pytest.raises(RuntimeError, match="no layer with weights"):
        builder.build(0)
    builder.add_dense("d", 3)
    network = builder.build(0)
    with pytest.raises(RuntimeError, match="too late"):
        builder.add_dense("e", 3)
    with pytest.raises(IndexError, match="known: d/kernel, d/bias"):
        network.get_parameter("d/weight")
    with pytest.raises(ValueError, match=r"shape \(4, 3\), got \(3, 4\)"):
        network.set_parameter("d/kernel", np.zeros((3, 4), np.float32))
    with pytest.raises(TypeError, match="float64"):
        network.set_parameter("d/kernel", np.zeros((4, 3)))


def test_refuses_bad_data():
    core, _ = twins(4, [(3, "linear")])
    x, y = data(4, 3, 6)
    order, sgd = np.arange(6, dtype=np.int32), _core.Optimizer(0.1)
    good = [x, y, order, 2, "mse", sgd]

    def train(position, value):
        arguments = list(good)
        arguments[position] = value
        core.train_steps(*arguments)

    for position, value, error, message in [
        (0, x.astype(np.float64), TypeError, "uint8 or float32, got float64"),
        (0, x[:, :3].copy(), ValueError, r"images must have shape \(N, \*\(4,\)\), got \(6, 3\)"),
        (0, x[:, ::-1], ValueError, "C-contiguous"),
        (0, x[:0], ValueError, "empty"),
        (1, y[:5], ValueError, "one entry per image"),
        (1, y.astype(np.int64), TypeError, "int32 labels or float32 rows"),
        (1, y + np.int32(2), ValueError, r"targets\[\d\] is \d, outside 0..2"),
        (1, -y - np.int32(1), ValueError, r"outside 0..2"),
        (1, np.zeros((6, 2), np.float32), ValueError, "3 columns"),
        (2, order + np.int32(1), ValueError, r"indices\[5\] is 6, outside 0..5"),
        (2, -order, ValueError, r"indices\[1\] is -1"),
        (2, order.astype(np.int64), TypeError, "int32"),
        (2, order[:0], ValueError, "empty"),
        (3, 0, ValueError, "batch_size must be at least 1"),
        (4, "mean", ValueError, "known: mse, sse, cross_entropy"),
    ]:
        with pytest.raises(error, match=message):
            train(position, value)
    for rate in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="learning_rate"):
            _core.Optimizer(rate)


def test_thread_counts_are_checked(restore_threads):
    nn.set_num_threads(3)
    assert nn.get_num_threads() == nn.info()["threads"] == 3
    for bad in (0, -1, 5000):
        with pytest.raises(ValueError, match="from 1 to 1024"):
            nn.set_num_threads(bad)


def test_a_forked_child_computes_the_same_bits(restore_threads):
    """Threads do not survive a fork; the child falls back to one thread instead of hanging."""
    import multiprocessing

    nn.set_num_threads(2)
    a = np.random.default_rng(0).random((300, 300), np.float32)
    expected = nn.kernels.matmul(a, a)
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        result = pool.apply_async(nn.kernels.matmul, (a, a)).get(timeout=30)
    assert (result == expected).all()
