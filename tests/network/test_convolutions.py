"""Convolutions, pooling and dropout in the engine: gradients against float64, and bits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from convolutional_networks import BANDS, FLATTEN, NETWORKS, OUTPUT, conv, pool
from engine_checks import check_fused_update
from nncore import _core
from reference_network import ReferenceNetwork

EPSILON = float(np.finfo(np.float32).eps)


def build(network, layers):
    for i, (kind, arguments) in enumerate([*layers, OUTPUT]):
        getattr(network, f"add_{kind}")(f"layer{i}", **arguments)
    return network.build(1)


def twins(shape, layers):
    core, reference = build(_core.Builder(shape), layers), build(ReferenceNetwork(shape), layers)
    rng = np.random.default_rng(0)
    for name in core.parameter_names():
        value = core.get_parameter(name)
        if name.endswith("bias"):
            value = rng.uniform(-0.2, 0.2, value.shape).astype(np.float32)
            core.set_parameter(name, value)
        reference.set_parameter(name, value)
    return core, reference


def data(shape, count):
    rng = np.random.default_rng(2)
    return rng.random((count, *shape), np.float32), rng.integers(0, 5, count, np.int32)


@pytest.mark.parametrize("batch", [1, 15, 16, 17, 33])
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_and_bits(name, batch, same_everywhere):
    check_gradients_and_bits(*NETWORKS[name], batch, same_everywhere)


def test_gradients_and_bits_of_bands(same_everywhere):
    check_gradients_and_bits(*BANDS, 2, same_everywhere)


def check_gradients_and_bits(shape, layers, batch, same_everywhere):
    core, reference = twins(shape, layers)
    x, y = data(shape, batch)
    expected = reference.compute_gradients(x, y, "cross_entropy")
    outputs = [f"layer{i}" for i in range(len(layers) + 1)]

    def compute():
        loss = core.compute_gradients(x, y, "cross_entropy")
        arrays = [core.get_gradient(p) for p in core.parameter_names()]
        arrays += [core.layer_output(layer) for layer in outputs]
        return (loss, *(array.tobytes() for array in [*arrays, core.forward(x)]))

    loss = same_everywhere(compute)[0]
    assert loss == pytest.approx(expected, rel=1e-5)
    for layer in outputs:
        seen = core.layer_output(layer)
        np.testing.assert_allclose(seen, reference.outputs[layer], rtol=1e-4, atol=1e-5)
    for parameter in core.parameter_names():
        gradient, exact = core.get_gradient(parameter), reference.get_gradient(parameter)
        # Relative to the size of this parameter's update, not to the weights.
        assert np.abs(gradient - exact).max() <= 1e-5 * np.abs(exact).max() + 1e-9, parameter


@pytest.mark.parametrize("name", ["winners", "strides"])
def test_a_batch_is_the_mean_of_its_samples(name):
    shape, layers = NETWORKS[name]
    core, _ = twins(shape, layers)
    x, y = data(shape, 33)
    single = []
    for i in range(33):
        core.compute_gradients(x[i : i + 1], y[i : i + 1], "cross_entropy")
        single.append(core.get_gradient("layer0/kernel"))
    core.compute_gradients(x, y, "cross_entropy")
    error = np.abs(core.get_gradient("layer0/kernel") - np.mean(single, axis=0, dtype=np.float64))
    assert error.max() <= 1e-5 * np.abs(single).max()


def train(network, x, y, epochs=3):
    for epoch in range(epochs):
        order = _core.shuffled_indices(4, epoch, len(x))
        losses, correct = network.train_steps(
            x, y, order, 24, "cross_entropy", _core.Optimizer(0.05), 4, epoch
        )
    return losses, correct


@pytest.mark.parametrize(
    "name",
    [
        "winners",
        "wide channels",
        "strides",
        "lenet in small",
        "self-gated",
        "penalties",
        "dilated",
        "depthwise",
        "many groups",
        "few groups",
        "minimal filtering",
        "minimal filtering and pools",
        "phases",
        "phases of groups",
    ],
)
def test_training_has_the_same_bits_everywhere(name, same_everywhere):
    """Fused updates, dropout, a smaller last batch and the path back through inference."""
    shape, layers = NETWORKS[name]
    layers = [("dropout", {"rate": 0.1}), *layers, ("dropout", {"rate": 0.4})]
    x, y = data(shape, 53)
    pixels = (255 * x).astype(np.uint8)

    def compute():
        network = build(_core.Builder(shape), layers)
        losses, correct = train(network, pixels, y)
        outputs, _ = network.evaluate(pixels, y, "cross_entropy")
        weights = [network.get_parameter(p).tobytes() for p in network.parameter_names()]
        return (*weights, losses.tobytes(), correct.tobytes(), outputs.tobytes())

    same_everywhere(compute)


@pytest.mark.parametrize("name", NETWORKS)
def test_fused_update_is_gradient_then_update(name):
    shape, layers = NETWORKS[name]
    x, y = data(shape, 24)
    (fused, _), (apart, _) = twins(shape, layers), twins(shape, layers)
    check_fused_update(fused, apart, x, y)


def test_fused_pool_computes_what_a_separate_one_does():
    """The engine fuses 2x2 pools; the same pool behind an activation layer stays separate."""
    shape = (8, 8, 3)
    fused = build(_core.Builder(shape), [conv(16, (3, 3)), pool("max", (2, 2)), FLATTEN])
    linear = ("dropout", {"rate": 0.0})
    apart = build(_core.Builder(shape), [conv(16, (3, 3)), linear, pool("max", (2, 2)), FLATTEN])
    assert any("max pool 2x2" in stage for stage in fused.stages() if stage.startswith("conv"))
    assert len(apart.stages()) > len(fused.stages())
    x, _ = data(shape, 9)
    assert (fused.forward(x) == apart.forward(x)).all()


def test_a_fused_pool_behind_minimal_filtering_computes_what_a_separate_one_does():
    shape, filtered = (11, 10, 33), conv(40, (3, 3), padding="same")
    layers = [pool("max", (2, 2)), FLATTEN]
    fused = build(_core.Builder(shape), [filtered, *layers])
    apart = build(_core.Builder(shape), [filtered, ("dropout", {"rate": 0.0}), *layers])
    assert "max pool 2x2 by Winograd" in fused.stages()[0]
    assert "pool" not in apart.stages()[0]
    assert "by Winograd" in apart.stages()[0]
    x, _ = data(shape, 9)
    assert (fused.forward(x) == apart.forward(x)).all()


def test_many_channels_are_filtered_minimally():
    stages = build(_core.Builder((7, 6, 34)), NETWORKS["minimal filtering"][1]).stages()
    assert ["by Winograd" in stage for stage in stages] == [True] * 3 + [False]


@pytest.mark.parametrize("name", ["minimal filtering", "minimal filtering and pools"])
def test_what_inference_prepares_of_weights_follows_them(name):
    """Training transforms the weights at each step and must come to the same outputs."""
    shape, layers = NETWORKS[name]
    network = build(_core.Builder(shape), layers)
    x, y = data(shape, 5)

    def outputs():
        network.compute_gradients(x, y, "cross_entropy")
        assert (network.forward(x) == network.layer_output(f"layer{len(layers)}")).all()
        return network.forward(x)

    before = outputs()
    network.set_parameter("layer0/kernel", 2 * network.get_parameter("layer0/kernel"))
    doubled = outputs()
    network.apply_gradients(_core.Optimizer(0.1))
    moved = outputs()
    train(network, x, y)
    for one, other in itertools.pairwise([before, doubled, moved, outputs()]):
        assert (one != other).any()


def test_groups_are_computed_where_lanes_fill_best():
    stages = build(_core.Builder((7, 9, 36)), NETWORKS["many groups"][1]).stages()
    assert all("lanes over the groups" in stage for stage in stages[:2])
    stages = build(_core.Builder((8, 7, 6)), NETWORKS["few groups"][1]).stages()
    assert all("group by group" in stages[i] for i in (0, 1, 3))
    assert "in 4 groups" in stages[1]
    assert "dilation 2x1" in stages[1]
    assert stages[2].startswith("max pool 2x2")


def test_dropout_drops_the_right_share_and_scales_the_rest(isa):
    builder = _core.Builder((40_000,))
    builder.add_dropout("dropout", 0.3)
    builder.add_dense("sum", 1, "linear", use_bias=False)
    network = builder.build(0)
    network.set_parameter("sum/kernel", np.zeros((40_000, 1), np.float32))
    x, target = np.ones((2, 40_000), np.float32), np.ones((2, 1), np.float32)
    seen = []
    for index, seed, epoch in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)]:
        network.set_parameter("sum/kernel", np.zeros((40_000, 1), np.float32))
        order = np.array([index], np.int32)
        network.train_steps(x, target, order, 1, "sse", _core.Optimizer(0.5), seed, epoch)
        # The gradient of each weight is -2 times its input: the update shows the mask.
        mask = network.get_parameter("sum/kernel").ravel()
        assert set(np.unique(mask)) == {np.float32(0), np.float32(1) / np.float32(0.7)}
        assert abs((mask == 0).mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 40_000)
        seen.append(mask)
    assert (seen[0] == seen[4]).all()
    for i in range(4):
        for j in range(i):
            agreement = (seen[i] == seen[j]).mean()
            assert abs(agreement - (0.7**2 + 0.3**2)) < 0.02
    assert (network.forward(x) == x @ network.get_parameter("sum/kernel")).all() or np.allclose(
        network.forward(x), x @ network.get_parameter("sum/kernel"), rtol=1e-4
    )


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (conv(0, (3, 3)), "filters must be positive"),
        (conv(4, (0, 3)), "kernel must be from 1x1"),
        (conv(4, (3, 3), strides=(0, 1)), "strides must be from 1 to 1024"),
        (conv(4, (3, 3), padding="full"), "known: valid, same, explicit"),
        (conv(4, (3, 3), padding="explicit", pad=(-1, 0)), "padding must be from 0"),
        (conv(4, (9, 3)), r"kernel \(9, 3\) is larger than the padded image \(8, 8\)"),
        (conv(4, (3, 3), activation="softmax"), "must be a layer of its own"),
        (conv(1 << 40, (3, 3)), "filters must be positive and"),
        (conv(4, (3, 3), dilation_rate=(1, 0)), "dilation must be from 1 to 1024"),
        (conv(4, (3, 3), dilation_rate=(1, 600)), "reach over 1024x1024 pixels at most"),
        (conv(4, (3, 3), dilation_rate=(1, 4)), r"kernel \(3, 9\) is larger than the padded image"),
        (conv(4, (3, 3), groups=2), "groups must divide the channels of the image, 3"),
        (conv(4, (3, 3), groups=3), "and the filters, 4; got 3"),
        (conv(4, (3, 3), groups=0), "groups must divide"),
        (conv(3 << 40, (3, 3), groups=3), "filters must be positive and"),
        (pool("max", (9, 2)), "must fit into the image"),
        (pool("average", (2, 2), (0, 1)), "strides must be from 1 to 1024"),
        (("dropout", {"rate": 1.0}), "below 1"),
        (("dropout", {"rate": float("nan")}), "below 1"),
        (("activation", {"activation": "softmax"}), "softmax needs a flat input"),
        (("dense", {"units": 3}), "add a Flatten layer"),
        (
            conv(4, (3, 3), kernel_initializer="ones"),
            'unknown initializer "ones"; known: zeros, he_u',
        ),
        (conv(4, (3, 3), l2=-0.1), "layer/kernel must be finite and not negative, got -0.1"),
        (conv(4, (3, 3), l1=float("nan")), "must be finite"),
        (("rescaling", {"scale": [1.0, 2.0], "offset": [0.0]}), r"one per channel \(3\), got 2"),
        (("rescaling", {"scale": [1.0], "offset": [1e39]}), "offset must be finite"),
    ],
)
def test_bad_layers(layer, message):
    builder = _core.Builder((8, 8, 3))
    kind, arguments = layer
    with pytest.raises(ValueError, match=message):
        getattr(builder, f"add_{kind}")("layer", **arguments)


@pytest.mark.parametrize("layer", [conv(4, (3, 3)), pool("max", (2, 2))])
def test_images_are_needed(layer):
    builder = _core.Builder((64,))
    kind, arguments = layer
    with pytest.raises(ValueError, match="needs images"):
        getattr(builder, f"add_{kind}")("layer", **arguments)


@pytest.mark.parametrize("name", ["depthwise", "many groups", "few groups", "dilated"])
def test_batch_normalization_behind_groups(name, restore_threads):
    """Inference folds it into the weights, whatever their order; training computes it as such."""
    shape, layers = NETWORKS[name]
    builder = _core.Builder(shape)
    for i, (kind, arguments) in enumerate([*layers, OUTPUT]):
        getattr(builder, f"add_{kind}")(
            f"layer{i}", **(arguments | {"activation": "linear"} if kind == "conv2d" else arguments)
        )
        if kind == "conv2d":
            builder.add_batch_normalization(f"norm{i}", 0.0, 1e-3)
    network = builder.build(1)
    x, y = data(shape, 24)
    # With momentum 0 the moving statistics are those of the last batch.
    network.train_steps(
        x, y, np.arange(24, dtype=np.int32), 24, "cross_entropy", _core.Optimizer(1e-9)
    )
    network.compute_gradients(x, y, "cross_entropy")
    trained = network.layer_output(f"layer{len(layers)}")
    np.testing.assert_allclose(network.forward(x), trained, rtol=1e-4, atol=1e-5)
