"""What the optimizers' descriptions take, refuse and write."""

from __future__ import annotations

import json

import pytest

from nncore.optimizers import SGD, Adam, AdamW, RMSprop, optimizer_from_dict
from nncore.schedules import CosineDecay


def test_arguments_and_defaults_are_those_of_keras():
    assert SGD(0.1, 0.9, True) == SGD(learning_rate=0.1, momentum=0.9, nesterov=True)
    assert RMSprop() == RMSprop(0.001, 0.9, 0.0, 1e-7)
    assert Adam() == Adam(
        *(0.001, 0.9, 0.999, 1e-7),
        weight_decay=None,
        clipnorm=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
    )
    with pytest.raises(TypeError):  # what all optimizers have goes by name
        Adam(0.001, 0.9, 0.999, 1e-7, 0.004)
    assert AdamW().weight_decay == 0.004
    assert Adam().weight_decay is None


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(),
        SGD(0.5, momentum=0.9, nesterov=True, weight_decay=1e-4),
        RMSprop(momentum=0.3, clipnorm=2.0),
        Adam(beta_2=0.9, global_clipnorm=1.0, use_ema=True, ema_momentum=0.5),
        AdamW(weight_decay=0.1),
        AdamW(weight_decay=None),
        Adam(CosineDecay(0.1)),
    ],
)
def test_json(optimizer):
    described = json.loads(json.dumps(optimizer.to_dict()))
    assert optimizer_from_dict(described) == optimizer


def test_only_what_is_not_the_default_is_written():
    assert SGD(0.1).to_dict() == {"type": "SGD", "learning_rate": 0.1}
    assert SGD(0.1, momentum=0.5).to_dict() == {
        "type": "SGD",
        "learning_rate": 0.1,
        "momentum": 0.5,
    }


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: SGD(momentum=1.0), ValueError, "SGD: momentum must be .* below 1, not 1.0"),
        (lambda: SGD(momentum=-0.1), ValueError, "momentum"),
        (lambda: SGD(nesterov=1), TypeError, "SGD: nesterov must be True or False, not 1"),
        (lambda: SGD(weight_decay=-1), ValueError, "weight_decay must be .* at least 0"),
        (lambda: SGD(clipnorm=0), ValueError, "clipnorm must be .* above 0"),
        (lambda: Adam(global_clipnorm=float("nan")), ValueError, "global_clipnorm"),
        (lambda: Adam(clipnorm=1, global_clipnorm=1), ValueError, "only one of clipnorm"),
        (lambda: Adam(ema_momentum=1.0), ValueError, "ema_momentum must be .* below 1"),
        (lambda: Adam(use_ema="yes"), TypeError, "use_ema must be True or False"),
        (lambda: Adam(beta_1=1.0), ValueError, "beta_1"),
        (lambda: Adam(beta_2="0.9"), TypeError, "Adam: beta_2 must be a number"),
        (lambda: Adam(epsilon=0.0), ValueError, "epsilon must be .* at least 1e-30"),
        (lambda: RMSprop(rho=1.0), ValueError, "RMSprop: rho"),
        (lambda: AdamW(learning_rate=0.0), ValueError, "AdamW: learning_rate"),
    ],
)
def test_bad_settings(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
