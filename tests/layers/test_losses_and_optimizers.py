"""Names of losses, settings of optimizers."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from nncore.losses import LOSSES, check_loss
from nncore.optimizers import SGD, default_optimizer, optimizer_from_dict


def test_known_losses():
    assert set(LOSSES) == {"mse", "sse", "cross_entropy", "focal"}
    assert [check_loss(name) for name in LOSSES] == list(LOSSES)


def test_unknown_loss_lists_the_known():
    with pytest.raises(ValueError, match="unknown loss 'mae'; known: mse, sse, cross_entropy"):
        check_loss("mae")
    with pytest.raises(TypeError, match="loss must be a name"):
        check_loss(None)


@pytest.mark.parametrize("name", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_losses_as_keras_calls_them(name):
    with pytest.raises(ValueError, match=f"unknown loss '{name}': here it is 'cross_entropy'"):
        check_loss(name)


@pytest.mark.parametrize("rate", [0, -0.1, float("nan"), float("inf"), -float("inf")])
def test_learning_rate_out_of_range(rate):
    with pytest.raises(ValueError, match=f"learning_rate must be a finite .* not {rate}"):
        SGD(rate)


@pytest.mark.parametrize("rate", ["0.1", None, True, 1j])
def test_learning_rate_of_a_wrong_type(rate):
    with pytest.raises(TypeError, match="learning_rate must be a number"):
        SGD(rate)


def test_sgd_is_a_frozen_description():
    assert SGD() == SGD(0.01)
    assert type(SGD(np.float32(0.5)).learning_rate) is float
    with pytest.raises(dataclasses.FrozenInstanceError):
        SGD().learning_rate = 1.0


def test_sgd_survives_json():
    assert optimizer_from_dict(json.loads(json.dumps(SGD(0.1).to_dict()))) == SGD(0.1)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"type": "Adagrad"}, "unknown optimizer 'Adagrad'; known: SGD, RMSprop, Adam, AdamW"),
        ({}, "unknown optimizer None"),
        ({"type": "SGD"}, r"must have the fields \['learning_rate'\]"),
        ({"type": "SGD", "learning_rate": 0.1, "speed": 1}, "may have others of"),
        ({"type": "SGD", "learning_rate": {"type": "Wave"}}, "unknown schedule 'Wave'"),
        ({"type": "SGD", "learning_rate": {"type": "CosineDecay"}}, "must have the fields"),
        ({"type": "SGD", "learning_rate": 0.0}, "learning_rate"),
    ],
)
def test_bad_descriptions(description, message):
    with pytest.raises(ValueError, match=message):
        optimizer_from_dict(description)


def test_default_optimizer_takes_the_same_steps_for_both_kinds_of_squares():
    assert default_optimizer("cross_entropy", 32, 784) == SGD(0.1)
    assert default_optimizer("mse", 32, 64) == SGD(0.01)
    assert default_optimizer("sse", 32, 64) == SGD(0.01 / 32)


def test_default_optimizer_takes_shorter_steps_for_more_inputs():
    assert default_optimizer("cross_entropy", 32, 10_000) == SGD(0.01)
    assert default_optimizer("mse", 32, 3_000) == SGD(0.001)
    assert default_optimizer("sse", 10, 3_000) == SGD(0.0001)
