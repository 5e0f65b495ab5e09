"""Descriptions of layers: validation, shapes, names, errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nncore.layers import (
    ACTIVATIONS,
    Activation,
    Dense,
    Flatten,
    layer_from_dict,
    unique_names,
)


def test_no_activation_is_linear():
    assert Dense(3) == Dense(3, "linear")
    assert Dense(3).activation == "linear"


def test_numpy_integer_units_become_int():
    assert type(Dense(np.int64(3)).units) is int


def test_descriptions_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Dense(3).units = 4


@pytest.mark.parametrize("units", [0, -1])
def test_too_few_units(units):
    with pytest.raises(ValueError, match=f"units must be at least 1, not {units}"):
        Dense(units)


@pytest.mark.parametrize("units", [2.0, "3", None, True])
def test_units_of_a_wrong_type(units):
    with pytest.raises(TypeError, match="units must be a whole number"):
        Dense(units)


@pytest.mark.parametrize("make", [lambda name: Dense(3, name), Activation])
def test_unknown_activation_lists_the_known(make):
    with pytest.raises(ValueError, match="unknown activation 'relo'") as error:
        make("relo")
    assert all(name in str(error.value) for name in ACTIVATIONS)


def test_activation_and_bias_of_a_wrong_type():
    with pytest.raises(TypeError, match="activation must be a name"):
        Dense(3, 7)
    with pytest.raises(TypeError, match="use_bias must be True or False"):
        Dense(3, use_bias=1)


@pytest.mark.parametrize("name", ["", "a/b", " a", "a\n"])
@pytest.mark.parametrize(
    "make",
    [lambda name: Dense(1, name=name), lambda name: Flatten(name), lambda n: Activation("relu", n)],
)
def test_bad_names(make, name):
    with pytest.raises(ValueError, match="name"):
        make(name)


def test_name_of_a_wrong_type():
    with pytest.raises(TypeError, match="name must be a text"):
        Flatten(3)


def test_shapes():
    assert Dense(5).output_shape((3,)) == (5,)
    assert Dense(5).parameter_shapes((3,)) == {"kernel": (3, 5), "bias": (5,)}
    assert Dense(5, use_bias=False).parameter_shapes((3,)) == {"kernel": (3, 5)}
    assert Flatten().output_shape((4, 5, 3)) == (60,)
    assert Flatten().parameter_shapes((4, 5, 3)) == {}
    assert Activation("relu").output_shape((4, 5, 3)) == (4, 5, 3)
    assert Activation("relu").parameter_shapes((4, 5, 3)) == {}


def test_dense_on_images_asks_for_flatten():
    with pytest.raises(ValueError, match=r"\(4, 5, 3\).*Flatten\(\)"):
        Dense(5).output_shape((4, 5, 3))


def test_output_activation():
    assert Dense(2, "softmax").output_activation() == "softmax"
    assert Activation("sigmoid").output_activation() == "sigmoid"
    assert Flatten().output_activation() is None


def test_default_names_count_up_as_in_keras():
    layers = [Flatten(), Dense(3), Activation("relu"), Dense(3), Dense(3)]
    assert unique_names(layers) == ["flatten", "dense", "activation", "dense_1", "dense_2"]


def test_default_names_avoid_the_given_ones():
    layers = [Dense(3), Dense(3, name="dense"), Dense(3), Dense(3, name="dense_2")]
    assert unique_names(layers) == ["dense_1", "dense", "dense_3", "dense_2"]


def test_same_name_twice():
    with pytest.raises(ValueError, match="same name: head"):
        unique_names([Dense(3, name="head"), Flatten(name="head")])


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"type": "Dens", "units": 3}, "unknown layer type 'Dens'; known: Dense"),
        ({"type": ["Dense"]}, "unknown layer type"),
        ({"units": 3}, "unknown layer type None"),
        (Dense(3).to_dict() | {"dropout": 1}, "dropout"),
        ({"type": "Dense", "units": 3}, "must have the fields"),
        (Dense(3).to_dict() | {"units": 0}, "at least 1, not 0"),
    ],
)
def test_bad_descriptions(description, message):
    with pytest.raises(ValueError, match=message):
        layer_from_dict(description)
