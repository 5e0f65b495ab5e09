"""Normalization and residual blocks in the engine: float64 gradients and steps, and bits."""

from __future__ import annotations

import numpy as np
import pytest

from engine_checks import check_fused_update
from nncore import _core
from reference_network import SGD, ReferenceNetwork

BATCH_NORM = ("batch_normalization", {"momentum": 0.9, "epsilon": 1e-3})
LAYER_NORM = ("layer_normalization", {"epsilon": 1e-3})
FLATTEN = ("flatten", {})
POOL = ("max_pool2d", {"pool_size": (2, 2), "strides": (2, 2)})
OUTPUT = ("dense", {"units": 5})
SHORTCUT = ("shortcut", {})
BEGIN = ("residual", {})


def conv(filters, size=3, stride=1, activation="linear", use_bias=False):
    return "conv2d", {
        "filters": filters,
        "kernel_size": (size, size),
        "strides": (stride, stride),
        "padding": "same",
        "activation": activation,
        "use_bias": use_bias,
    }


def activation(name):
    return "activation", {"activation": name}


def dense(units, name="linear", use_bias=True):
    return "dense", {"units": units, "activation": name, "use_bias": use_bias}


def end(name="linear"):
    return "end", {"activation": name}


NETWORKS = {
    "convolutions": (
        (8, 7, 3),
        [conv(17), BATCH_NORM, activation("relu"), POOL, conv(6), BATCH_NORM, FLATTEN],
    ),
    "rows": (
        (20,),
        [
            BATCH_NORM,
            activation("sigmoid"),
            dense(33, use_bias=False),
            BATCH_NORM,
            activation("tanh"),
            dense(16, "relu"),
            LAYER_NORM,
        ],
    ),
    "pixels": (
        (6, 5, 7),
        [LAYER_NORM, conv(9, activation="relu"), LAYER_NORM, activation("tanh"), FLATTEN],
    ),
    "identity": (
        (7, 6, 4),
        [
            BEGIN,
            conv(6, activation="tanh"),
            conv(4, use_bias=True),
            end("relu"),
            ("global_average_pool2d", {}),
            BEGIN,
            dense(9, "tanh"),
            dense(4),
            end(),
        ],
    ),
    "projection": (
        (9, 8, 3),
        [
            conv(8, activation="relu"),
            BEGIN,
            conv(20, 3, 2),
            BATCH_NORM,
            activation("relu"),
            conv(20),
            BATCH_NORM,
            SHORTCUT,
            conv(20, 1, 2),
            BATCH_NORM,
            end("relu"),
            ("global_average_pool2d", {}),
        ],
    ),
    "nested": (
        (5, 6, 6),
        [
            activation("tanh"),
            BEGIN,
            BEGIN,
            conv(6, activation="sigmoid"),
            end("tanh"),
            LAYER_NORM,
            SHORTCUT,
            BEGIN,
            conv(6),
            BATCH_NORM,
            end(),
            end("relu"),
            FLATTEN,
        ],
    ),
}


def build(network, layers):
    """Layers are called layer0, layer1, ...; a block by the number of its beginning.

    A block without a shortcut has the input itself for that.
    """
    shortcuts = []  # whether the open blocks have one
    for i, (kind, arguments) in enumerate([*layers, OUTPUT]):
        if kind == "residual":
            network.begin_block(f"layer{i}", "add")
            shortcuts.append(False)
        elif kind == "shortcut":
            network.next_branch()
            shortcuts[-1] = True
        elif kind == "end":
            if not shortcuts.pop():
                network.next_branch()
            network.end_block(**arguments)
        else:
            getattr(network, f"add_{kind}")(f"layer{i}", **arguments)
    return network.build(1)


def twins(shape, layers):
    core, reference = build(_core.Builder(shape), layers), build(ReferenceNetwork(shape), layers)
    assert core.layer_names() == reference.layer_names()
    assert core.parameter_names() == reference.parameter_names()
    rng = np.random.default_rng(0)
    for name in core.parameter_names():
        value = core.get_parameter(name)
        if not name.endswith("kernel"):
            around = 1.0 if name.endswith(("gamma", "variance")) else 0.0
            value = rng.uniform(around - 0.3, around + 0.3, value.shape).astype(np.float32)
            core.set_parameter(name, value)
        reference.set_parameter(name, value)
    return core, reference


def data(shape, count):
    rng = np.random.default_rng(2)
    return rng.random((count, *shape), np.float32), rng.integers(0, 5, count, np.int32)


@pytest.mark.parametrize("batch", [7, 16, 33])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_and_bits(name, batch, same_everywhere):
    shape, layers = NETWORKS[name]
    core, reference = twins(shape, layers)
    x, y = data(shape, batch)
    expected = reference.compute_gradients(x, y, "cross_entropy")

    def compute():
        loss = core.compute_gradients(x, y, "cross_entropy")
        arrays = [core.get_gradient(name) for name in core.parameter_names()]
        arrays += [core.layer_output(layer) for layer in core.layer_names()]
        arrays += [core.forward(x), core.sample_losses()]
        return (loss, *(array.tobytes() for array in arrays))

    assert same_everywhere(compute)[0] == pytest.approx(expected, rel=1e-5)
    for layer in core.layer_names():
        seen, exact = core.layer_output(layer), reference.outputs[layer]
        assert np.abs(seen - exact).max() <= 1e-5 * np.abs(exact).max(), layer
    for parameter in core.parameter_names():
        gradient, exact = core.get_gradient(parameter), reference.get_gradient(parameter)
        # Relative to the size of this parameter's update, not to the weights.
        assert np.abs(gradient - exact).max() <= 2e-5 * np.abs(exact).max() + 1e-9, parameter
        assert gradient.any() != ("moving" in parameter), parameter


def test_a_gradient_is_handed_on_through_normalizations_behind_each_other():
    """With a large epsilon, so that a gamma before another normalization has a gradient, too."""
    norm = ("batch_normalization", {"momentum": 0.9, "epsilon": 0.5})
    layers = [conv(8, activation="tanh"), norm, norm, norm, activation("relu"), conv(6), norm, norm]
    core, reference = twins((6, 5, 3), [*layers, FLATTEN])
    x, y = data((6, 5, 3), 17)
    reference.compute_gradients(x, y, "cross_entropy")
    core.compute_gradients(x, y, "cross_entropy")
    for parameter in core.parameter_names():
        gradient, exact = core.get_gradient(parameter), reference.get_gradient(parameter)
        # A beta before another normalization has none, but for the rounding of its sum.
        assert np.abs(gradient - exact).max() <= 2e-5 * np.abs(exact).max() + 3e-7, parameter
    assert np.abs(core.get_gradient("layer1/gamma")).max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_ten_steps(name):
    """Weights and moving averages after ten steps, and predictions with them."""
    shape, layers = NETWORKS[name]
    core, reference = twins(shape, layers)
    x, y = data(shape, 45)
    start = {parameter: core.get_parameter(parameter) for parameter in core.parameter_names()}
    for epoch in range(5):
        order = _core.shuffled_indices(3, epoch, len(x))
        losses, _ = core.train_steps(x, y, order, 30, "cross_entropy", _core.Optimizer(0.05))
        exact, _ = reference.train_steps(x, y, order, 30, "cross_entropy", SGD(0.05))
        assert losses == pytest.approx(exact, rel=1e-4)
    for parameter, before in start.items():
        exact = reference.get_parameter(parameter)
        moved = np.abs(exact - before).max()
        error = np.abs(core.get_parameter(parameter) - exact).max()
        # Relative to how far the steps went; each of ten rounds what it adds to.
        assert error <= 2e-4 * moved + 1e-6 * np.abs(exact).max(), parameter
        assert moved > 1e-4, parameter
    outputs = core.forward(x)
    exact = reference.forward(x)
    assert np.abs(outputs - exact).max() <= 1e-4 * np.abs(exact).max()
    if any("moving" in parameter for parameter in start):
        by_batch = reference.forward(x, training=True)
        assert np.abs(outputs - by_batch).max() > 1e-2 * np.abs(exact).max()


@pytest.mark.parametrize("name", NETWORKS)
def test_training_has_the_same_bits_everywhere(name, same_everywhere):
    shape, layers = NETWORKS[name]
    layers = [("dropout", {"rate": 0.1}), *layers]
    x, y = data(shape, 53)
    optimizer = _core.Optimizer(0.01, "adam", use_ema=True, ema_momentum=0.5)

    def compute():
        network = build(_core.Builder(shape), layers)
        for epoch in range(2):
            order = _core.shuffled_indices(4, epoch, len(x))
            network.train_steps(x, y, order, 24, "cross_entropy", optimizer, 4, epoch)
        raw, _ = network.evaluate(x, y, "cross_entropy")
        network.show_average(True)
        averaged, _ = network.evaluate(x, y, "cross_entropy")
        assert raw.tobytes() != averaged.tobytes()
        weights = [network.get_parameter(p).tobytes() for p in network.parameter_names()]
        return (*weights, raw.tobytes(), averaged.tobytes())

    same_everywhere(compute)


@pytest.mark.parametrize("name", NETWORKS)
def test_fused_update_is_gradient_then_update(name):
    shape, layers = NETWORKS[name]
    x, y = data(shape, 24)
    (fused, _), (apart, _) = twins(shape, layers), twins(shape, layers)
    check_fused_update(fused, apart, x, y)


def test_sample_losses_are_those_of_the_pass():
    shape, layers = NETWORKS["convolutions"]
    core, reference = twins(shape, layers)
    x, y = data(shape, 12)
    with pytest.raises(ValueError, match="sample_losses needs a call of compute_gradients"):
        core.sample_losses()
    loss = core.compute_gradients(x, y, "cross_entropy")
    outputs = reference.forward(x, training=True)
    exact = reference.sample_losses(outputs, reference.true_outputs(y), "cross_entropy")
    assert core.sample_losses() == pytest.approx(exact, rel=1e-5)
    assert core.sample_losses().mean() == pytest.approx(loss, rel=1e-12)
    _, by_moving = core.evaluate(x, y, "cross_entropy")
    assert by_moving != pytest.approx(exact, rel=1e-2)
    core.train_steps(x, y, np.arange(12, dtype=np.int32), 12, "mse", _core.Optimizer(0.1))
    with pytest.raises(ValueError, match="sample_losses needs a call of compute_gradients"):
        core.sample_losses()


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("batch_normalization", {"momentum": 1.0, "epsilon": 1e-3}, "momentum must be at least 0"),
        ("batch_normalization", {"momentum": 0.9, "epsilon": 0.0}, "epsilon must be above 0"),
        ("layer_normalization", {"epsilon": float("nan")}, "epsilon must be above 0"),
    ],
)
def test_bad_layers(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(_core.Builder((8, 8, 3)), f"add_{kind}")("layer", **arguments)


def test_what_is_measured_has_no_gradient():
    network = build(_core.Builder((4,)), [BATCH_NORM])
    with pytest.raises(ValueError, match="layer0/moving_mean is measured, not trained"):
        network.set_gradient("layer0/moving_mean", np.zeros(4, np.float32))


def test_blocks_that_do_not_fit():
    builder = _core.Builder((8, 8, 3))
    with pytest.raises(RuntimeError, match="no block to end"):
        builder.end_block()
    with pytest.raises(RuntimeError, match="a branch needs a block"):
        builder.next_branch()
    with pytest.raises(ValueError, match='unknown join "sum"; known: add, concatenate, multiply'):
        builder.begin_block("block", "sum")
    builder.begin_block("block", "add")
    builder.add_conv2d("conv", 5, (3, 3), padding="same")
    with pytest.raises(RuntimeError, match='block "block" needs at least two branches'):
        builder.end_block()
    builder.next_branch()
    with pytest.raises(ValueError, match=r"give \(8, 8, 5\) and \(8, 8, 3\); they must be equal"):
        builder.end_block()
    with pytest.raises(RuntimeError, match=r"block.* has no end"):
        builder.build(0)
