"""Names of other libraries are errors that say what to write instead."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import numpy as np
import pytest

import nncore as nn
from nncore import habits

X = np.zeros((9, 4, 4, 1), np.uint8)
Y = np.arange(9) % 3
TABLES = (
    habits.OF_PACKAGE,
    habits.OF_MODEL,
    habits.OF_FIT,
    habits.OF_EVALUATE,
    habits.OF_DESCRIPTION,
)


def small() -> nn.Sequential:
    return nn.Sequential([nn.Flatten(), nn.Dense(3)])


@pytest.mark.parametrize(
    ("write", "error", "told"),
    [
        (lambda m: m.compile(optimizer="adam"), AttributeError, "model.fit takes what compile"),
        (lambda m: m.add(nn.Dense(3)), AttributeError, "a model has no add: all layers are given"),
        (lambda m: nn.Input((4, 4)), AttributeError, "nncore has no Input: the network takes"),
        (lambda m: nn.layers.Input, AttributeError, "nncore.layers has no Input: the network"),
        (lambda m: nn.layers.Conv2d, AttributeError, "nncore.layers has no Conv2d: nn.Conv2D("),
        (lambda m: nn.Linear(3, 4), AttributeError, "nncore has no Linear: nn.Dense(units)"),
        (
            lambda m: m.fit(X, Y, validation_split=0.2),
            TypeError,
            "argument validation_split: split",
        ),
        (lambda m: m.fit(X, Y, epoch=2), TypeError, "no argument epoch; did you mean epochs?"),
        (lambda m: m.fit(X, Y, zzz=2), TypeError, "model.fit has no argument zzz"),
        (
            lambda m: m.evaluate(X, Y, verbose=0),
            TypeError,
            "model.evaluate has no argument verbose",
        ),
        (
            lambda m: m.predict(X, batch_size=2),
            TypeError,
            "model.predict has no argument batch_size",
        ),
        (
            lambda m: nn.Dense(3, input_shape=(4,)),
            TypeError,
            "nn.Dense has no argument input_shape",
        ),
        (lambda m: nn.Adam(lr=0.1), TypeError, "nn.Adam has no argument lr: learning_rate"),
        (lambda m: nn.Sequential(nn.Flatten(), nn.Dense(3)), TypeError, "the layers are one list"),
    ],
)
def test_the_answer_is_in_the_error(write, error, told):
    with pytest.raises(error, match=re.escape(told)):
        write(small())


def test_other_names_are_answered_as_ever():
    model = small()
    for owner in (nn, nn.layers, model):
        with pytest.raises(AttributeError, match=r"attribute '?no_such_name"):
            owner.no_such_name  # noqa: B018
    assert not hasattr(model, "compile")
    assert not hasattr(nn, "Input")
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        nn.Dense(3, size=4)


def test_what_raises_within_a_property_is_told():
    class Odd(nn.Sequential):
        @property
        def odd(self):
            return self.compile

    with pytest.raises(AttributeError, match=r"model\.fit takes what compile does"):
        Odd([nn.Dense(3)]).odd  # noqa: B018


def test_methods_and_descriptions_are_what_they_were():
    assert list(inspect.signature(nn.Sequential.fit).parameters)[:4] == [
        "self",
        "x",
        "y",
        "validation_data",
    ]
    assert nn.Sequential.fit.__doc__.startswith("Train from the current weights")
    dense = nn.Dense(3, name="one")
    assert pickle.loads(pickle.dumps(dense)) == copy.deepcopy(dense) == dense
    model = small()
    model.fit(X, Y, epochs=1, verbose=0)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.get_weights()[0], model.get_weights()[0])


def test_what_is_advised_is_there():
    advised = " ".join(text for table in TABLES for text in table.values())
    for room, name in re.findall(r"\b(nn|model)\.(?!safetensors)(\w+)", advised):
        assert hasattr(nn if room == "nn" else nn.Sequential, name), f"{room}.{name}"


def test_none_of_the_names_is_taken_from_nncore():
    assert not [name for name in habits.OF_PACKAGE if hasattr(nn, name)]
    assert not [name for name in habits.OF_MODEL if hasattr(nn.Sequential, name)]
    fit = set(inspect.signature(nn.Sequential.fit).parameters)
    assert not fit & set(habits.OF_FIT)
