"""The benchmark of imported networks: how it finds weights again and compares their gradients."""

from __future__ import annotations

import imported
import numpy as np
import pytest

import nncore as nn

SHAPE, CLASSES = (5, 4, 3), 4


@pytest.fixture
def network():
    model = nn.Sequential([nn.Conv2D(6, 3, padding="same"), nn.Flatten(), nn.Dense(CLASSES)])
    model.build(SHAPE, seed=1)
    return model._built_network()


def as_torch_has_it(conv, dense):
    """(out, in, kh, kw), and dense rows in the order of NCHW."""
    height, width, _ = SHAPE
    rows = dense.reshape(height, width, 6, CLASSES).transpose(2, 0, 1, 3)
    return {
        "conv.weight": np.ascontiguousarray(conv.transpose(3, 2, 0, 1)),
        "fc.weight": np.ascontiguousarray(rows.reshape(-1, CLASSES).T),
    }


def test_gradients_are_compared_number_by_number(network):
    images = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    labels = np.array([1, 3])
    x = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    network.compute_gradients(x, labels.astype(np.int32), "cross_entropy")
    names = [name for name in network.parameter_names() if name.endswith("/kernel")]
    weights = as_torch_has_it(*map(network.get_parameter, names))
    right = as_torch_has_it(*map(network.get_gradient, names))
    given = network, images, labels, weights
    differences, part = imported.gradient_differences(*given, right)
    assert differences == {"conv.weight": 0, "fc.weight": 0}
    assert part == 1

    right["fc.weight"][2, 7] += 0.01 * np.abs(right["fc.weight"]).max()
    differences, _ = imported.gradient_differences(*given, right)
    assert differences["conv.weight"] == 0
    assert differences["fc.weight"] == pytest.approx(0.01, rel=0.05)

    weights["fc.weight"] = weights["fc.weight"] * 1.01  # no kernel of ours has these numbers
    differences, part = imported.gradient_differences(*given, right)
    assert list(differences) == ["conv.weight"]
    assert part < 0.3


def test_of_each_tensor_the_draw_counts_that_agrees_best():
    assert imported._largest([{"a": 1e-6, "b": 0.2}, {"a": 0.1, "b": 2e-6}]) == 2e-6
    assert imported._largest([{"a": 1e-6, "b": 0.2}, {"a": 0.1, "b": 0.3}]) == 0.2


@pytest.mark.parametrize(
    ("outputs", "gradients", "by_torch", "compared", "agrees"),
    [
        (1e-6, 1e-5, 1e-6, 1.0, True),
        (1e-6, 1e-2, 6e-3, 1.0, True),
        (1e-6, 1e-2, 4e-3, 1.0, False),
        (2e-4, 1e-5, 1e-6, 1.0, False),
        (1e-6, 2e-4, 1e-6, 1.0, False),
        (1e-6, 1e-5, 1e-6, 0.4, False),
        (float("nan"), 1e-5, 1e-6, 1.0, False),
        (None, None, None, 0.0, False),
    ],
)
def test_what_agrees(outputs, gradients, by_torch, compared, agrees):
    facts = {"outputs": outputs, "gradients": gradients, "compared": compared}
    facts["torch_gradients"] = by_torch
    assert imported.Outcome("resnet18", "legacy", "97x75", **facts).agrees is agrees


def test_every_outcome_is_told_and_in_the_table():
    right = imported.Outcome("resnet18", "legacy", "97x75", 1e-6, 2e-6, 3e-6, 1.0)
    wrong = imported.Outcome("vgg11", "dynamo", "224x224", 1e-2, 2e-6, 3e-6, 1.0)
    refused = imported.Outcome("swin_t", "legacy", "224x224", refused="Mod 'x': no layer")
    shown = imported.summary([right, wrong, refused])
    assert [line.split("|")[-2].strip() for line in shown.split("\n")[2:]] == [
        "agrees",
        "DIFFERS",
        "not to be had",
    ]
    assert "DIFFERS" in imported.told(wrong)
    assert imported.told(refused).endswith("not to be had: Mod 'x': no layer")
