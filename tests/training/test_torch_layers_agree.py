"""Activations, penalties and initializers against PyTorch, where it is installed; it uses float64.

Bounds are relative to the size of each gradient: the longest chain of float32 sums here has a few
hundred terms.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import nncore as nn

torch = pytest.importorskip("torch")

ACTIVATIONS = {
    "relu6": torch.nn.functional.relu6,
    "hard_swish": torch.nn.functional.hardswish,
    "hard_sigmoid": torch.nn.functional.hardsigmoid,
    "leaky_relu": lambda x: torch.nn.functional.leaky_relu(x, 0.2),
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
}


def tensors(model):
    """The model's weights for PyTorch: images there are (N, C, H, W), kernels (out, in, ...)."""
    return [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in model.get_weights()]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 8, 7, 3)).astype(np.float32)
    y = rng.integers(0, 4, 9)
    f = ACTIVATIONS[name]
    model = nn.Sequential(
        [
            nn.Rescaling((1.5, -2.0, 0.5), (0.25, 0.0, -1.0)),
            nn.Conv2D(17, 3, activation=name, padding="same", kernel_regularizer=nn.L2(0.01)),
            nn.MaxPool2D(),
            nn.Flatten(),
            nn.Dense(33, activation=name, kernel_regularizer=nn.L1(0.002)),
            nn.Activation(name),
            nn.Dense(4),
        ]
    )
    model.build((8, 7, 3))
    for view in model.layers:
        if "bias" in view.parameter_names:
            view.bias = rng.uniform(-0.3, 0.3, view.bias.shape)
    loss = model.compute_gradients(x, y)

    kernel, bias, dense, dense_bias, last, last_bias = weights = tensors(model)
    scale, offset = torch.tensor([1.5, -2.0, 0.5]), torch.tensor([0.25, 0.0, -1.0])
    images = (torch.tensor(x, dtype=torch.float64) * scale + offset).permute(0, 3, 1, 2)
    z = torch.nn.functional.conv2d(images, kernel.permute(3, 2, 0, 1), bias, padding=1)
    pooled = torch.nn.functional.max_pool2d(f(z), 2).permute(0, 2, 3, 1).reshape(9, -1)
    outputs = f(f(pooled @ dense + dense_bias)) @ last + last_bias
    exact = torch.nn.functional.cross_entropy(outputs, torch.tensor(y))
    exact = exact + 0.01 * (kernel**2).sum() + 0.002 * dense.abs().sum()
    exact.backward()

    assert loss == pytest.approx(exact.item(), rel=1e-6)
    network = model._built_network()
    for parameter, weight in zip(network.parameter_names(), weights, strict=True):
        expected = weight.grad.numpy()
        error = np.abs(network.get_gradient(parameter) - expected).max()
        assert error <= 1e-5 * np.abs(expected).max(), parameter


@pytest.mark.parametrize("name", ["he_uniform", "glorot_uniform", "he_normal", "glorot_normal"])
def test_initializers_have_the_spread_of_theirs(name):
    """PyTorch's normal ones are not cut off; with the standard deviation the same, that shows in
    the largest values alone."""
    theirs = torch.empty(300, 200, dtype=torch.float64)
    init = {
        "he_uniform": lambda: torch.nn.init.kaiming_uniform_(theirs, nonlinearity="relu"),
        "glorot_uniform": lambda: torch.nn.init.xavier_uniform_(theirs),
        "he_normal": lambda: torch.nn.init.kaiming_normal_(theirs, nonlinearity="relu"),
        "glorot_normal": lambda: torch.nn.init.xavier_normal_(theirs),
    }[name]
    torch.manual_seed(0)
    init()
    model = nn.Sequential([nn.Dense(300, kernel_initializer=name)])
    model.build(200)
    ours = model.get_weights()[0]
    # 60,000 draws each: a standard error of the deviation of about 1 / sqrt(2 * 60,000).
    assert ours.std() == pytest.approx(float(theirs.std()), rel=6 / math.sqrt(60_000))
    assert abs(ours.mean()) < 4 * ours.std() / math.sqrt(60_000)
