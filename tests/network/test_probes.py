"""What a layer gives and the gradient of a score by it, and the heat map made of these."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest

from nncore import _core
from reference_network import ReferenceNetwork

CONV = {"kernel_size": (3, 3), "padding": "same"}


def plain(builder) -> None:
    """Convolutions that are fused with the pools behind them, and one that is not."""
    builder.add_conv2d("conv", 17, **CONV, activation="relu")
    builder.add_max_pool2d("pool", (2, 2), (2, 2))
    builder.add_conv2d("conv_1", 6, (2, 2), activation="tanh")
    builder.add_max_pool2d("pool_1", (2, 2), (2, 2))
    builder.add_conv2d("last", 5, (2, 1), activation="sigmoid")
    builder.add_dropout("dropout", 0.5)
    builder.add_flatten("flatten")
    builder.add_dense("hidden", 11, "relu")
    builder.add_dense("dense", 4, "softmax")


def normalized(builder) -> None:
    """Normalizations that inference folds into what stands before, and others."""
    builder.add_rescaling("rescaling", [2.0], [-1.0])
    builder.add_conv2d("conv", 9, **CONV, use_bias=False)
    builder.add_batch_normalization("norm", 0.9, 1e-3)
    builder.add_activation("relu", "relu")
    builder.add_conv2d("conv_1", 18, **CONV, strides=(2, 2), activation="silu")
    builder.add_batch_normalization("norm_1", 0.9, 1e-3)
    builder.add_layer_normalization("layer_norm", 1e-3)
    builder.add_conv2d("conv_2", 7, (2, 2), groups=1, dilation_rate=(2, 1))
    builder.add_batch_normalization("norm_2", 0.9, 1e-3)
    builder.add_activation("relu6", "relu6")
    builder.add_average_pool2d("pool", (2, 2), (1, 1))
    builder.add_global_average_pool2d("average")
    builder.add_dense("dense", 4, use_bias=False)
    builder.add_batch_normalization("norm_3", 0.9, 1e-3)


def branched(builder) -> None:
    """Depthwise convolutions, residual blocks, concatenations, and squeeze and excitation."""
    builder.add_conv2d("stem", 8, **CONV, activation="relu")
    builder.begin_block("residual", "add")
    builder.add_conv2d("residual/depthwise", 8, **CONV, groups=8, activation="relu6")
    builder.add_batch_normalization("residual/norm", 0.9, 1e-3)
    builder.begin_block("residual/excite", "multiply")
    builder.next_branch()
    builder.add_global_average_pool2d("residual/excite/squeeze")
    builder.add_dense("residual/excite/gate", 8, "sigmoid")
    builder.end_block()
    builder.add_conv2d("residual/project", 8, (1, 1))
    builder.next_branch()
    builder.end_block("relu")
    builder.begin_block("concatenate", "concatenate")
    builder.add_conv2d("concatenate/a", 5, (1, 1), activation="relu")
    builder.next_branch()
    builder.add_max_pool2d("concatenate/pool", (3, 3), (1, 1), "same")
    builder.add_conv2d("concatenate/b", 4, **CONV, groups=4, activation="tanh")
    builder.end_block()
    builder.add_flatten("flatten")
    builder.add_dense("dense", 4, "sigmoid")


NETWORKS = {"plain": plain, "normalized": normalized, "branched": branched}
SHAPE = (11, 9, 3)


def pair(make) -> tuple[_core.Network, ReferenceNetwork]:
    """The engine's network and the reference of it, with weights and averages like trained ones."""
    rng = np.random.default_rng(7)
    builder, reference = _core.Builder(SHAPE), ReferenceNetwork(SHAPE)
    make(builder)
    make(reference)
    network = builder.build(3)
    reference.build(3)
    for name in network.parameter_names():
        value = network.get_parameter(name)
        if not name.endswith("kernel"):
            value = rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
            value *= 1.0 if name.endswith(("gamma", "variance")) else rng.choice([-0.3, 0.3])
            network.set_parameter(name, value)
        reference.set_parameter(name, value)
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]
    network.set_input_normalization(mean, std)
    reference.set_input_normalization(mean, std)
    return network, reference


def probe(make, layer: str) -> _core.Probe:
    builder = _core.Builder(SHAPE, layer)
    make(builder)
    return builder.build_probe()


def image_layers(network: _core.Network) -> list[str]:
    return [name for name in network.layer_names() if len(network.layer_output_shape(name)) == 3]


def data(images: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (images, *SHAPE), dtype=np.uint8)
    return x, rng.integers(0, 4, images).astype(np.int32)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_values_and_gradients_are_those_of_the_reference(make):
    network, reference = pair(make)
    x, classes = data()
    layers = image_layers(network)
    assert len(layers) >= 5
    for layer in layers:
        looking = probe(make, layer)
        assert (looking.layer, looking.shape) == (layer, network.layer_output_shape(layer))
        for found, expected in zip(
            network.look(looking, x, classes), reference.look(layer, x, classes), strict=True
        ):
            # By the size of each image's own: some classes have small gradients.
            size = np.abs(expected).max(axis=(1, 2, 3), keepdims=True)
            assert (size > 1e-4).all(), layer
            assert (np.abs(found - expected) <= 2e-5 * size).all(), layer


def smooth(builder) -> None:
    """Without corners, so that differences come near to derivatives."""
    builder.add_conv2d("conv", 7, **CONV, activation="tanh")
    builder.add_conv2d("linear", 6, **CONV)
    builder.add_activation("silu", "silu")
    builder.add_average_pool2d("pool", (2, 2), (2, 2))
    builder.add_flatten("flatten")
    builder.add_dense("hidden", 9, "tanh")
    builder.add_dense("dense", 4)


def test_gradients_are_differences_of_the_scores():
    """By the bias of a layer, whose gradient is that by the layer's output, summed over pixels."""
    network, _ = pair(smooth)
    x, classes = data(3)
    _, gradients = network.look(probe(smooth, "linear"), x, classes)
    bias, step = network.get_parameter("linear/bias"), np.float32(2e-2)
    for channel in range(len(bias)):
        scores = []
        for sign in (-1, 1):
            moved = bias.copy()
            moved[channel] += sign * step
            network.set_parameter("linear/bias", moved)
            scores.append(network.forward(x)[np.arange(3), classes].astype(np.float64))
        found = gradients[..., channel].sum(axis=(1, 2))
        np.testing.assert_allclose(
            (scores[1] - scores[0]) / (2 * step), found, rtol=2e-3, atol=1e-4
        )


def test_the_heat_map_is_grad_cam():
    network, reference = pair(normalized)
    x, classes = data()
    values, gradients = reference.look("relu6", x, classes)
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    small = np.maximum((weights * values).sum(axis=3), 0)
    maps = network.explain(probe(normalized, "relu6"), x, classes)
    assert maps.shape == (7, *SHAPE[:2])
    assert maps.dtype == np.float32
    # There may be a score that nothing speaks for.
    assert (small.max(axis=(1, 2)) > 0).sum() >= 5
    for found, one in zip(maps, small, strict=True):
        large = bilinear(one, SHAPE[:2])
        np.testing.assert_allclose(found, large / (large.max() or 1), atol=1e-5)
        assert found.max() == bool(one.any())


def bilinear(small: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Enlarged along one axis, then along the other."""
    for axis, count in enumerate(size):
        given = small.shape[axis]
        places = (np.arange(count) + 0.5) * given / count - 0.5
        small = np.apply_along_axis(
            lambda line, at=places, n=given: np.interp(at, np.arange(n), line), axis, small
        )
    return small


def test_a_score_that_nothing_speaks_for_has_an_empty_map():
    builder = _core.Builder((4, 4, 1))
    builder.add_conv2d("conv", 1, (1, 1), activation="relu")
    builder.add_global_average_pool2d("average")
    builder.add_dense("dense", 2)
    network = builder.build(0)
    network.set_parameter("conv/kernel", np.ones((1, 1, 1, 1), np.float32))
    network.set_parameter("dense/kernel", np.array([[1, -1]], np.float32))
    again = _core.Builder((4, 4, 1), "conv")
    again.add_conv2d("conv", 1, (1, 1), activation="relu")
    again.add_global_average_pool2d("average")
    again.add_dense("dense", 2)
    x = np.zeros((2, 4, 4, 1), np.float32)
    x[:, 1, 2] = 3
    maps = network.explain(again.build_probe(), x, np.array([0, 1], np.int32))
    np.testing.assert_array_equal(maps[0], x[0, ..., 0] / 3)
    np.testing.assert_array_equal(maps[1], 0)


def test_the_same_bits_everywhere_and_in_any_company(same_everywhere):
    network, _ = pair(branched)
    looking = probe(branched, "residual/depthwise")
    x, classes = data(37)

    def maps() -> bytes:
        together = network.explain(looking, x, classes).tobytes()
        alone = [network.explain(looking, x[i : i + 1], classes[i : i + 1]) for i in range(5)]
        assert together.startswith(np.concatenate(alone).tobytes())
        return together

    same_everywhere(maps)


def test_nothing_of_the_network_changes():
    network, _ = pair(normalized)
    x, classes = data()
    network.compute_gradients(x, classes, "cross_entropy")

    def state() -> list[bytes]:
        names = network.parameter_names()
        gradients = [network.get_gradient(name) for name in names]
        arrays = [network.get_parameter(name) for name in names]
        return [one.tobytes() for one in (*gradients, *arrays, network.forward(x))]

    before = state()
    network.explain(probe(normalized, "conv"), x, classes)
    assert state() == before


def test_several_threads_explain_and_predict_at_a_time():
    network, _ = pair(plain)
    looking, (x, classes) = probe(plain, "conv"), data(20)
    maps, outputs = network.explain(looking, x, classes), network.forward(x)
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(15):
            if number % 2:
                same = np.array_equal(network.explain(looking, x, classes), maps)
            else:
                same = np.array_equal(network.forward(x), outputs)
            if not same:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_weights_that_change_are_seen():
    network, _ = pair(plain)
    looking, (x, classes) = probe(plain, "conv_1"), data()
    before = network.explain(looking, x, classes)
    network.set_parameter("hidden/kernel", -network.get_parameter("hidden/kernel"))
    assert np.abs(network.explain(looking, x, classes) - before).max() > 0.1


def test_what_cannot_be_looked_at_is_refused():
    network, _ = pair(plain)
    x, classes = data()
    with pytest.raises(ValueError, match=r'no layer "cnv"; known: conv, pool, .*, dense'):
        probe(plain, "cnv")
    with pytest.raises(
        ValueError, match=r'layer "dense" gives \(4,\) for each image, and no image'
    ):
        probe(plain, "dense")
    with pytest.raises(ValueError, match='"stem" is not one of this network'):
        network.explain(probe(branched, "stem"), x, classes)
    looking = probe(plain, "conv")
    with pytest.raises(ValueError, match=re.escape("targets[0] is 4, outside 0..3")):
        network.explain(looking, x, np.full(7, 4, np.int32))
    with pytest.raises(TypeError, match="classes must have dtype int32, got int64"):
        network.explain(looking, x, np.zeros(7, np.int64))
    with pytest.raises(ValueError, match=r"one entry per image \(7\)"):
        network.look(looking, x, classes[:3])
    builder = _core.Builder(SHAPE, "conv")
    plain(builder)
    with pytest.raises(RuntimeError, match="use build_probe"):
        builder.build(0)
