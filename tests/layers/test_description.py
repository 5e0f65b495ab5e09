"""What all descriptions share: kinds by name, JSON as files hold it, fields that came later."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest

import nncore as nn
from nncore.description import Description
from nncore.layers import Layer
from nncore.optimizers import Optimizer
from nncore.regularizers import Regularizer
from nncore.schedules import Constant, Schedule

FAMILIES = [Layer, Optimizer, Regularizer, Schedule]

# The bytes that model files have held since these kinds exist; older and newer releases read them.
WRITTEN = [
    (
        nn.Dense(3, "relu", use_bias=False, name="hidden"),
        '{"type": "Dense", "units": 3, "activation": "relu", "use_bias": false, "name": "hidden"}',
    ),
    (
        nn.Dense(3, "gelu", kernel_initializer="he_normal", kernel_regularizer=nn.L1L2(1e-3, 1e-4)),
        '{"type": "Dense", "units": 3, "activation": "gelu", "use_bias": true, '
        '"kernel_initializer": "he_normal", "kernel_regularizer": {"type": "L1L2", "l1": 0.001, '
        '"l2": 0.0001}, "name": null}',
    ),
    (nn.Flatten(), '{"type": "Flatten", "name": null}'),
    (nn.Activation("tanh"), '{"type": "Activation", "activation": "tanh", "name": null}'),
    (nn.Dropout(0.25), '{"type": "Dropout", "rate": 0.25, "name": null}'),
    (
        nn.Rescaling((1.0, 2.5), -1),
        '{"type": "Rescaling", "scale": [1.0, 2.5], "offset": -1.0, "name": null}',
    ),
    (
        nn.Conv2D(8, (3, 5), strides=2, padding=(1, 2), activation="relu", name="first"),
        '{"type": "Conv2D", "filters": 8, "kernel_size": [3, 5], "strides": [2, 2], "padding": '
        '[1, 2], "activation": "relu", "use_bias": true, "name": "first"}',
    ),
    (
        nn.Conv2D(8, 3, kernel_regularizer=1e-4, dilation_rate=2, groups=4),
        '{"type": "Conv2D", "filters": 8, "kernel_size": [3, 3], "strides": [1, 1], "padding": '
        '"valid", "activation": "linear", "use_bias": true, "kernel_regularizer": {"type": "L2", '
        '"l2": 0.0001}, "name": null, "dilation_rate": [2, 2], "groups": 4}',
    ),
    (
        nn.DepthwiseConv2D((3, 2), depth_multiplier=2, padding="same"),
        '{"type": "DepthwiseConv2D", "kernel_size": [3, 2], "strides": [1, 1], "padding": "same", '
        '"depth_multiplier": 2, "activation": "linear", "use_bias": true, "kernel_initializer": '
        'null, "kernel_regularizer": null, "name": null, "dilation_rate": [1, 1]}',
    ),
    (
        nn.MaxPool2D(),
        '{"type": "MaxPool2D", "pool_size": [2, 2], "strides": [2, 2], "name": null}',
    ),
    (
        nn.AveragePool2D(3, strides=(2, 1)),
        '{"type": "AveragePool2D", "pool_size": [3, 3], "strides": [2, 1], "name": null}',
    ),
    (
        nn.MaxPool2D(3, 2, padding=1),
        '{"type": "MaxPool2D", "pool_size": [3, 3], "strides": [2, 2], "name": null, "padding": '
        "[1, 1]}",
    ),
    (
        nn.AveragePool2D(3, 1, padding=((0, 1), (2, 0)), count_padding=True, name="mean"),
        '{"type": "AveragePool2D", "pool_size": [3, 3], "strides": [1, 1], "name": "mean", '
        '"padding": [[0, 1], [2, 0]], "count_padding": true}',
    ),
    (nn.GlobalAveragePool2D(), '{"type": "GlobalAveragePool2D", "name": null}'),
    (
        nn.BatchNormalization(momentum=0.9, name="norm"),
        '{"type": "BatchNormalization", "momentum": 0.9, "epsilon": 0.001, "name": "norm"}',
    ),
    (
        nn.LayerNormalization(epsilon=1e-6),
        '{"type": "LayerNormalization", "epsilon": 1e-06, "name": null}',
    ),
    (
        nn.Residual([nn.Flatten("a"), nn.Residual([nn.Flatten()])], "relu", [nn.Flatten()]),
        '{"type": "Residual", "layers": [{"type": "Flatten", "name": "a"}, {"type": "Residual", '
        '"layers": [{"type": "Flatten", "name": null}], "activation": "linear", "shortcut": null, '
        '"name": null}], "activation": "relu", "shortcut": [{"type": "Flatten", "name": null}], '
        '"name": null}',
    ),
    (
        nn.Concatenate([[], [nn.Flatten("a"), nn.Flatten()]]),
        '{"type": "Concatenate", "branches": [[], [{"type": "Flatten", "name": "a"}, {"type": '
        '"Flatten", "name": null}]], "name": null, "trainable": true}',
    ),
    (
        nn.Multiply([[nn.Concatenate([[], []])], []], "block", trainable=False),
        '{"type": "Multiply", "branches": [[{"type": "Concatenate", "branches": [[], []], "name": '
        'null, "trainable": true}], []], "name": "block", "trainable": false}',
    ),
    (Constant(0.1), '{"type": "Constant", "learning_rate": 0.1}'),
    (
        nn.StepDecay(0.1, 3),
        '{"type": "StepDecay", "initial_learning_rate": 0.1, "step_size": 3, "factor": 0.1}',
    ),
    (
        nn.ExponentialDecay(0.1),
        '{"type": "ExponentialDecay", "initial_learning_rate": 0.1, "decay_steps": null, '
        '"decay_rate": 0.01, "staircase": false}',
    ),
    (
        nn.CosineDecay(0.1, alpha=0.5),
        '{"type": "CosineDecay", "initial_learning_rate": 0.1, "decay_steps": null, "alpha": 0.5}',
    ),
    (
        nn.Later(0.5, 7),
        '{"type": "Later", "schedule": {"type": "Constant", "learning_rate": 0.5}, "steps": 7}',
    ),
    (
        nn.OneCycle(0.1),
        '{"type": "OneCycle", "max_learning_rate": 0.1, "total_steps": null, "pct_start": 0.3, '
        '"div_factor": 25.0, "final_div_factor": 10000.0}',
    ),
    (
        nn.Warmup(0.5, 7),
        '{"type": "Warmup", "schedule": {"type": "Constant", "learning_rate": 0.5}, '
        '"warmup_steps": 7}',
    ),
    (nn.SGD(), '{"type": "SGD", "learning_rate": 0.01}'),
    (
        nn.SGD(0.5, momentum=0.9, nesterov=True, weight_decay=1e-4),
        '{"type": "SGD", "learning_rate": 0.5, "weight_decay": 0.0001, "momentum": 0.9, '
        '"nesterov": true}',
    ),
    (
        nn.RMSprop(momentum=0.3, clipnorm=2.0),
        '{"type": "RMSprop", "learning_rate": 0.001, "clipnorm": 2.0, "momentum": 0.3}',
    ),
    (
        nn.Adam(nn.Warmup(nn.CosineDecay(0.1)), beta_2=0.9, use_ema=True, ema_momentum=0.5),
        '{"type": "Adam", "learning_rate": {"type": "Warmup", "schedule": {"type": "CosineDecay", '
        '"initial_learning_rate": 0.1, "decay_steps": null, "alpha": 0.0}, "warmup_steps": null}, '
        '"use_ema": true, "ema_momentum": 0.5, "beta_2": 0.9}',
    ),
    (
        nn.AdamW(weight_decay=None),
        '{"type": "AdamW", "learning_rate": 0.001, "weight_decay": null}',
    ),
    (nn.L1(), '{"type": "L1", "l1": 0.01}'),
    (nn.L2(1e-4), '{"type": "L2", "l2": 0.0001}'),
    (nn.L1L2(0.1, 0.2), '{"type": "L1L2", "l1": 0.1, "l2": 0.2}'),
]


def test_every_kind_is_written_here():
    ours = {
        kind
        for family in FAMILIES
        for kind in family.kinds().values()
        if kind.__module__.startswith("nncore.")
    }
    assert {type(description) for description, _ in WRITTEN} == ours


@pytest.mark.parametrize(("description", "text"), WRITTEN, ids=lambda value: repr(value)[:60])
def test_files_hold_the_same_bytes_as_ever(description, text):
    assert json.dumps(description.to_dict()) == text
    assert type(description).from_dict(json.loads(text)) == description


@pytest.mark.parametrize("kind", [kind for family in FAMILIES for kind in family.kinds().values()])
def test_later_fields_can_be_left_out(kind):
    fields = {field.name: field for field in dataclasses.fields(kind)}
    assert kind.later_fields <= fields.keys()
    assert kind.nested.keys() <= fields.keys()
    for name in kind.later_fields:
        assert fields[name].default is not dataclasses.MISSING


# A family of our own, in which anything may be tried.


class Shape(Description, family="shape"):
    later_fields: ClassVar = frozenset({"color"})


class Round(Shape, kind=False):
    """No kind of its own."""


@dataclass(frozen=True)
class Circle(Round):
    later_fields: ClassVar = frozenset({"sharp"})

    radius: float
    color: str = "red"
    sharp: bool = False

    def __post_init__(self) -> None:
        self._check_number("radius", above=0)
        self._check_flag("sharp")


@dataclass(frozen=True)
class Group(Shape):
    nested: ClassVar = {"shapes": Shape}

    shapes: Sequence[Sequence[Shape]]
    color: str = "red"


def test_kinds_are_those_of_the_family_by_name():
    assert dict(Shape.kinds()) == {"Circle": Circle, "Group": Group}
    assert "Circle" not in Layer.kinds()


def test_fields_of_bases_may_be_left_out_as_well():
    assert Circle.later_fields == {"color", "sharp"}
    assert Circle(1.5).to_dict() == {"type": "Circle", "radius": 1.5}
    written = {"type": "Circle", "radius": 2.0, "color": "blue", "sharp": True}
    assert Circle(2, "blue", True).to_dict() == written
    assert Shape.from_dict(written) == Circle(2, "blue", True)
    assert Shape.from_dict({"type": "Circle", "radius": 3}) == Circle(3)


def test_descriptions_within_lists_of_any_depth():
    group = Group([[Circle(1)], [Circle(2, "blue"), Group([])]])
    described = json.loads(json.dumps(group.to_dict()))
    assert described["shapes"][1][0] == {"type": "Circle", "radius": 2.0, "color": "blue"}
    assert Shape.from_dict(described) == group


@pytest.mark.parametrize(
    ("description", "error", "message"),
    [
        (3, TypeError, "3 is no description of a shape"),
        (["Circle"], TypeError, "is no description of a shape"),
        ({}, ValueError, "unknown shape None; known: Circle, Group"),
        ({"type": "Round"}, ValueError, "unknown shape 'Round'"),
        ({"type": "Dense", "units": 3}, ValueError, "unknown shape 'Dense'"),
        ({"type": ["Circle"]}, ValueError, "unknown shape"),
        ({"type": "Circle"}, ValueError, r"fields \['radius'\] and may have others of \['color'"),
        ({"type": "Circle", "radius": 1, "size": 2}, ValueError, r"not \['radius', 'size'\]"),
        ({"type": "Circle", "radius": 0}, ValueError, "Circle: radius must be .* above 0, not 0"),
        ({"type": "Circle", "radius": 1, "sharp": 1}, TypeError, "sharp must be True or False"),
        ({"type": "Group", "shapes": [[{"type": "X"}]]}, ValueError, "unknown shape 'X'"),
    ],
)
def test_bad_descriptions(description, error, message):
    with pytest.raises(error, match=message):
        Shape.from_dict(description)


def test_a_name_stands_for_one_kind():
    with pytest.raises(TypeError, match=r"there is a shape Circle already, .*test_description\.Ci"):

        @dataclass(frozen=True)
        class Circle(Shape):
            pass

    assert Shape.from_dict({"type": "Circle", "radius": 1}).radius == 1


def test_a_kind_can_be_written_anew():
    def edited(side: float) -> type[Shape]:
        @dataclass(frozen=True)
        class Square(Shape):
            length: float = side

        return Square

    try:
        edited(1.0)
        assert edited(2.0)() == Shape.from_dict({"type": "Square", "length": 2.0})
    finally:
        Shape._kinds.pop("Square", None)
