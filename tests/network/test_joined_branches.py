"""Blocks whose branches are added, concatenated or multiplied, and pools that reach beyond the
image: float64 gradients and steps, and bits."""

from __future__ import annotations

import numpy as np
import pytest

from engine_checks import check_fused_update
from nncore import _core
from reference_network import SGD, ReferenceNetwork

RNG = np.random.default_rng


def conv(filters, size=3, stride=1, activation="linear", use_bias=True):
    return "conv2d", {
        "filters": filters,
        "kernel_size": (size, size),
        "strides": (stride, stride),
        "padding": "same",
        "activation": activation,
        "use_bias": use_bias,
    }


def dense(units, activation="linear"):
    return "dense", {"units": units, "activation": activation}


def pool(kind, window, strides, padding="valid", pad=(0, 0), pad_after=(0, 0), **more):
    return f"{kind}_pool2d", {
        "pool_size": window,
        "strides": strides,
        "padding": padding,
        "pad": pad,
        "pad_after": pad_after,
        **more,
    }


def block(join, *branches, activation="linear"):
    layers = [("begin_block", {"join": join}), *branches[0]]
    for branch in branches[1:]:
        layers += [("next_branch", {}), *branch]
    return [*layers, ("end_block", {"activation": activation})]


FLATTEN = ("flatten", {})
GLOBAL = ("global_average_pool2d", {})
BATCH_NORM = ("batch_normalization", {"momentum": 0.9, "epsilon": 1e-3})
EXCITE = [GLOBAL, dense(5, "relu"), dense(17, "sigmoid")]

NETWORKS = {
    "sum of three": (
        (5, 6, 3),
        [
            *block("add", [conv(3, activation="tanh")], [], [conv(3, 5)], activation="relu6"),
            *block("add", [], [conv(3)], []),
            *block("add", [], []),
            FLATTEN,
        ],
    ),
    "inception": (
        (7, 6, 5),
        [
            conv(9, activation="tanh"),
            *block(
                "concatenate",
                [conv(3, 1, activation="relu")],
                [
                    conv(4, 1, use_bias=False),
                    BATCH_NORM,
                    ("activation", {"activation": "tanh"}),
                    conv(17, 3),
                ],
                [conv(2, 5, activation="sigmoid")],
                [pool("max", (3, 3), (1, 1), "same"), conv(1, 1)],
                activation="tanh",
            ),
            GLOBAL,
        ],
    ),
    "densely connected": (
        (6, 7, 4),
        [
            *block("concatenate", [], [BATCH_NORM, conv(3, activation="relu")]),
            *block("concatenate", [conv(5, activation="tanh")], [], []),
            *block("concatenate", [conv(2, 1, 2)], [pool("average", (2, 2), (2, 2), "same")]),
            FLATTEN,
            *block("concatenate", [dense(3, "tanh")], [], [dense(6, "relu")]),
        ],
    ),
    "squeeze and excite": (
        (7, 5, 3),
        [
            conv(17, activation="relu"),
            *block("multiply", [], EXCITE),
            *block("multiply", EXCITE, [], activation="tanh"),
            *block(
                "add",
                [conv(17, 1, activation="relu"), *block("multiply", [], EXCITE), conv(17, 1)],
                [],
            ),
            GLOBAL,
        ],
    ),
    "products": (
        (6, 5, 4),
        [
            # (6, 5, 4) by (6, 5, 1), by (1, 1, 4), by (4,), by (6, 1, 4).
            *block(
                "multiply",
                [conv(4, activation="tanh")],
                [conv(1, activation="sigmoid")],
                [pool("average", (6, 5), (1, 1))],
                [GLOBAL, dense(4, "hard_sigmoid")],
                [pool("max", (1, 5), (1, 1))],
                activation="tanh",
            ),
            *block("multiply", [], []),
            *block("multiply", [conv(1, activation="tanh")], [GLOBAL, dense(7, "tanh")]),
            FLATTEN,
            *block("multiply", [dense(9)], [dense(9, "sigmoid")], [dense(1, "tanh")]),
            *block("multiply", [], [dense(9, "sigmoid")]),
        ],
    ),
    "flattened branches": (
        (4, 5, 3),
        [
            conv(3, activation="relu"),
            *block("concatenate", [FLATTEN], [conv(2, activation="tanh"), FLATTEN], [GLOBAL]),
            *block("add", [FLATTEN], []),
        ],
    ),
    "padded pools": (
        (9, 8, 3),
        [
            conv(18, activation="tanh"),
            pool("max", (3, 3), (2, 2), "explicit", (1, 1), (1, 1)),
            conv(5, activation="relu"),
            pool("average", (3, 2), (1, 2), "same"),
            pool("max", (2, 2), (2, 2), "same"),
            pool("average", (3, 3), (1, 1), "explicit", (2, 0), (1, 2)),
            pool("average", (3, 3), (2, 1), "explicit", (1, 1), (1, 1), counts_padding=True),
            FLATTEN,
        ],
    ),
    "asymmetric padding": (
        (7, 8, 3),
        [
            (
                "conv2d",
                {
                    "filters": 5,
                    "kernel_size": (3, 3),
                    "strides": (2, 2),
                    "padding": "explicit",
                    "pad": (0, 2),
                    "pad_after": (1, 0),
                    "activation": "tanh",
                },
            ),
            (
                "conv2d",
                {
                    "filters": 10,
                    "kernel_size": (2, 3),
                    "padding": "explicit",
                    "pad": (1, 0),
                    "pad_after": (0, 2),
                    "groups": 5,
                },
            ),
            FLATTEN,
        ],
    ),
}


def build(network, layers, seed=1):
    for i, (kind, arguments) in enumerate([*layers, dense(5)]):
        if kind == "begin_block":
            network.begin_block(f"layer{i}", **arguments)
        elif kind in ("next_branch", "end_block"):
            getattr(network, kind)(**arguments)
        else:
            getattr(network, f"add_{kind}")(f"layer{i}", **arguments)
    return network.build(seed)


def twins(shape, layers):
    core, reference = build(_core.Builder(shape), layers), build(ReferenceNetwork(shape), layers)
    assert core.layer_names() == reference.layer_names()
    assert core.parameter_names() == reference.parameter_names()
    rng = RNG(0)
    for name in core.parameter_names():
        value = core.get_parameter(name)
        if not name.endswith("kernel"):
            around = 1.0 if name.endswith(("gamma", "variance")) else 0.0
            value = rng.uniform(around - 0.3, around + 0.3, value.shape).astype(np.float32)
            core.set_parameter(name, value)
        reference.set_parameter(name, value)
    return core, reference


def data(shape, count):
    rng = RNG(2)
    return rng.random((count, *shape), np.float32), rng.integers(0, 5, count, np.int32)


@pytest.mark.parametrize("batch", [7, 33])
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
        assert seen.shape == exact.shape
        assert np.abs(seen - exact).max() <= 1e-5 * np.abs(exact).max(), layer
    for parameter in core.parameter_names():
        gradient, exact = core.get_gradient(parameter), reference.get_gradient(parameter)
        assert np.abs(gradient - exact).max() <= 3e-5 * np.abs(exact).max() + 1e-9, parameter
        assert gradient.any() != ("moving" in parameter), parameter


@pytest.mark.parametrize("name", NETWORKS)
def test_steps(name):
    shape, layers = NETWORKS[name]
    core, reference = twins(shape, layers)
    x, y = data(shape, 45)
    for epoch in range(2):
        order = _core.shuffled_indices(3, epoch, len(x))
        losses, _ = core.train_steps(x, y, order, 30, "cross_entropy", _core.Optimizer(0.02))
        exact, _ = reference.train_steps(x, y, order, 30, "cross_entropy", SGD(0.02))
        assert losses == pytest.approx(exact, rel=1e-4)
    outputs, exact = core.forward(x), reference.forward(x)
    assert np.abs(outputs - exact).max() <= 1e-4 * np.abs(exact).max()


@pytest.mark.parametrize("name", NETWORKS)
def test_training_has_the_same_bits_everywhere(name, same_everywhere):
    shape, layers = NETWORKS[name]
    x, y = data(shape, 53)

    def compute():
        network = build(_core.Builder(shape), [("dropout", {"rate": 0.1}), *layers])
        order = _core.shuffled_indices(4, 0, len(x))
        optimizer = _core.Optimizer(0.01, "adam")
        network.train_steps(x, y, order, 24, "cross_entropy", optimizer, 4, 0)
        outputs, _ = network.evaluate(x, y, "cross_entropy")
        weights = [network.get_parameter(p).tobytes() for p in network.parameter_names()]
        return (*weights, outputs.tobytes())

    same_everywhere(compute)


@pytest.mark.parametrize("name", NETWORKS)
def test_fused_update_is_gradient_then_update(name):
    shape, layers = NETWORKS[name]
    (fused, _), (apart, _) = twins(shape, layers), twins(shape, layers)
    check_fused_update(fused, apart, *data(shape, 24))


@pytest.mark.parametrize("join", ["add", "concatenate", "multiply"])
@pytest.mark.parametrize("fixed", [{0}, {1}, {2}, {0, 1}, {1, 2}])
@pytest.mark.parametrize("stem", [False, True], ids=["input", "trained stem"])
def test_branches_that_are_not_trained(join, fixed, stem):
    """The others get the gradients that they get anyway, and the fixed ones stay."""

    def network(fixed):
        builder = _core.Builder((6, 5, 3))
        if stem:
            builder.add_conv2d("stem", 3, (3, 3), padding="same", activation="tanh")
        builder.begin_block("block", join)
        for branch in range(3):
            if branch > 0:
                builder.next_branch()
            builder.trainable = branch not in fixed
            builder.add_conv2d(f"a{branch}", 4, (3, 3), padding="same", activation="tanh")
            builder.add_conv2d(f"b{branch}", 4, (1, 1))
        builder.trainable = True
        builder.end_block("relu6")
        builder.add_flatten("flatten")
        builder.add_dense("dense", 5)
        return builder.build(0)

    x, y = data((6, 5, 3), 13)
    free, part = network(set()), network(fixed)
    assert free.compute_gradients(x, y, "mse") == part.compute_gradients(x, y, "mse")
    still = {f"{letter}{branch}" for branch in fixed for letter in "ab"}
    before = {name: part.get_parameter(name).tobytes() for name in part.parameter_names()}
    for name in part.parameter_names():
        if name.split("/")[0] in still:
            assert not part.get_gradient(name).any()
        else:
            np.testing.assert_array_equal(part.get_gradient(name), free.get_gradient(name))
            assert part.get_gradient(name).any()
    part.train_steps(x, y, np.arange(13, dtype=np.int32), 5, "mse", _core.Optimizer(0.1))
    changed = {n for n in before if before[n] != part.get_parameter(n).tobytes()}
    assert changed == {n for n in before if n.split("/")[0] not in still}


@pytest.mark.parametrize("join", ["add", "concatenate", "multiply"])
def test_a_fixed_block_is_extracted(join):
    def network():
        builder = _core.Builder((6, 5, 3))
        builder.trainable = False
        builder.begin_block("block", join)
        builder.add_conv2d("a", 3, (3, 3), padding="same")
        builder.add_batch_normalization("norm", 0.9, 1e-3)
        builder.next_branch()
        if join == "multiply":
            builder.add_global_average_pool2d("average")
            builder.add_dense("weights", 3, "sigmoid")
        builder.end_block("relu")
        builder.trainable = True
        builder.add_flatten("flatten")
        builder.add_dense("dense", 5)
        return builder.build(0)

    x, y = data((6, 5, 3), 21)
    whole, part = network(), network()
    assert whole.extracted_shape == (6, 5, 6 if join == "concatenate" else 3)
    order = np.arange(21, dtype=np.int32)[::-1].copy()
    arguments = (y, order, 8, "cross_entropy", _core.Optimizer(0.1))
    whole.train_steps(x, *arguments)
    part.train_steps(part.extract(x), *arguments, extracted=True)
    assert np.abs(whole.forward(x) - part.forward(x)).max() < 1e-5


def test_a_normalization_in_a_branch_is_folded_in_inference():
    """Moving averages far from the batch's: only the folded weights give what they should."""
    shape, layers = NETWORKS["inception"]
    core, reference = twins(shape, layers)
    x, _ = data(shape, 9)
    outputs, exact = core.forward(x), reference.forward(x)
    assert np.abs(outputs - exact).max() <= 1e-5 * np.abs(exact).max()
    assert any("part of the stage before" in stage for stage in core.stages())
