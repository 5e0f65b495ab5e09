"""Initializers and regularizers of kernels, and Rescaling: arguments, files, the engine's names."""

from __future__ import annotations

import json

import pytest

import nncore as nn
from nncore import _core
from nncore.layers import INITIALIZERS, Conv2D, Dense, Rescaling, layer_from_dict
from nncore.regularizers import L1, L1L2, L2, as_regularizer, regularizer_from_dict

MAKERS = [lambda **options: Dense(3, **options), lambda **options: Conv2D(3, 2, **options)]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", INITIALIZERS)
def test_the_engine_knows_every_initializer(make, name):
    layer = make(kernel_initializer=name)
    builder = _core.Builder((4,) if isinstance(layer, Dense) else (4, 4, 2))
    layer.add_to(builder, "layer", builder.input_shape)
    network = builder.build(0)
    kernel = network.get_parameter("layer/kernel")
    assert (kernel == 0).all() == (name == "zeros")


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"kernel_initializer": "ones"},
            ValueError,
            "kernel_initializer 'ones'; known: zeros, he_",
        ),
        ({"kernel_initializer": 0.1}, TypeError, "kernel_initializer must be a name, not 0.1"),
        ({"kernel_regularizer": -1e-4}, ValueError, "kernel_regularizer must be .*, not -0.0001"),
        ({"kernel_regularizer": float("nan")}, ValueError, "kernel_regularizer"),
        ({"kernel_regularizer": "l2"}, TypeError, r"one such as L2\(1e-4\), or a number"),
        ({"kernel_regularizer": [1e-4]}, TypeError, "kernel_regularizer must be a number"),
        ({"kernel_regularizer": {"type": "L3"}}, ValueError, "'L3'; known: L1, L2, L1L2"),
    ],
)
def test_bad_fields(make, options, error, message):
    with pytest.raises(error, match=message):
        make(**options)


@pytest.mark.parametrize(
    ("regularizer", "rates"),
    [
        (L1(), (0.01, 0.0)),
        (L2(), (0.0, 0.01)),
        (L1L2(), (0.0, 0.0)),
        (L1(3), (3.0, 0.0)),
        (L2(1e-4), (0.0, 1e-4)),
        (L1L2(l1=0.1, l2=0.2), (0.1, 0.2)),
    ],
)
def test_rates_and_the_way_through_json(regularizer, rates):
    assert regularizer.rates == rates
    assert regularizer_from_dict(json.loads(json.dumps(regularizer.to_dict()))) == regularizer


def test_a_number_means_l2():
    assert Dense(3, kernel_regularizer=1e-4) == Dense(3, kernel_regularizer=nn.L2(1e-4))
    assert as_regularizer("r", None) is None


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: L1(-1), ValueError, "L1: l1 must be a finite number at least 0"),
        (lambda: L2(float("inf")), ValueError, "L2: l2"),
        (lambda: L1L2(l2="x"), TypeError, "L1L2: l2 must be a number"),
        (lambda: regularizer_from_dict({"type": "L2", "l1": 1.0}), ValueError, r"fields \['l2'\]"),
    ],
)
def test_bad_regularizers(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_files_of_before_these_fields_are_read():
    old = {"type": "Dense", "units": 3, "activation": "relu", "use_bias": True, "name": None}
    assert layer_from_dict(old) == Dense(3, "relu")
    # And files that do not use them can be read by an older nncore.
    assert Dense(3, "relu").to_dict() == old
    assert "kernel_initializer" not in Conv2D(3, 3).to_dict()


def test_the_first_weights_follow_the_activation_or_the_name():
    def kernel(**options):
        model = nn.Sequential([nn.Dense(7, **options)])
        model.build(5, seed=3)
        return model.get_weights()[0].tobytes()

    for activation in ("relu", "relu6", "leaky_relu", "gelu", "silu", "hard_swish"):
        assert kernel(activation=activation) == kernel(kernel_initializer="he_uniform")
    for activation in ("sigmoid", "hard_sigmoid", "tanh", "softmax", None):
        assert kernel(activation=activation) == kernel(kernel_initializer="glorot_uniform")
    assert len({kernel(kernel_initializer=name) for name in INITIALIZERS}) == len(INITIALIZERS)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Rescaling("x"), TypeError, "Rescaling: scale must be a number"),
        (lambda: Rescaling(None), TypeError, "Rescaling: scale must be a number"),
        (lambda: Rescaling(float("nan")), ValueError, "Rescaling: scale must be a finite number"),
        (lambda: Rescaling(1, 1e39), ValueError, "Rescaling: offset must be a finite number"),
        (lambda: Rescaling(()), ValueError, "one per channel, not empty"),
        (lambda: Rescaling((1.0, "b")), TypeError, "Rescaling: scale"),
        (lambda: Rescaling((1.0, 2.0)).output_shape((4, 4, 3)), ValueError, "has 2 values.*3 chan"),
    ],
)
def test_bad_rescaling(make, error, message):
    with pytest.raises(error, match=message):
        make()
