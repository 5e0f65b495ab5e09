"""Optimizers and schedules against PyTorch, where it is installed.

Both are given the same gradients for ten steps; PyTorch computes in float64. The bound is that of
float32: 16 roundings a step, relative to the weights and the way they went (2e-5 with clipping,
where PyTorch adds 1e-6 to the norm).
"""

from __future__ import annotations

import numpy as np
import pytest

import nncore as nn
from nncore.schedules import Constant

torch = pytest.importorskip("torch")

STEPS = 10
ROUNDINGS = 16 * STEPS * 2.0**-24


def make_model():
    model = nn.Sequential([nn.Dense(33, activation="tanh"), nn.Dense(5)])
    model.build(20, seed=3)
    return model


def random_gradients(model, seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=w.shape).astype(np.float32) for w in model.get_weights()]


# PyTorch's RMSprop adds epsilon to the root, Keras's and this one under it: both are made small.
CASES = {
    "sgd": (nn.SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    "momentum": (nn.SGD(0.1, momentum=0.9), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
    "nesterov": (
        nn.SGD(0.1, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    ),
    "rmsprop": (
        nn.RMSprop(0.01, rho=0.99, epsilon=1e-20),
        lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.99, eps=1e-20),
    ),
    "rmsprop_momentum": (
        nn.RMSprop(0.01, rho=0.9, momentum=0.5, epsilon=1e-20),
        lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9, momentum=0.5, eps=1e-20),
    ),
    "adam": (nn.Adam(0.01), lambda p: torch.optim.Adam(p, 0.01, eps=1e-7)),
    "adam_with_a_large_epsilon": (
        nn.Adam(0.01, beta_1=0.8, beta_2=0.9, epsilon=0.1),
        lambda p: torch.optim.Adam(p, 0.01, betas=(0.8, 0.9), eps=0.1),
    ),
    "adamw": (
        nn.AdamW(0.01, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1, eps=1e-7),
    ),
    "clipping": (nn.SGD(0.1, global_clipnorm=0.5), lambda p: torch.optim.SGD(p, 0.1)),
}


@pytest.mark.parametrize("name", CASES)
def test_ten_steps(name):
    optimizer, make = CASES[name]
    model = make_model()
    network = model._built_network()
    parameters = [torch.tensor(w, dtype=torch.float64) for w in model.get_weights()]
    peer = make(parameters)
    way = [np.abs(p.numpy()) for p in parameters]
    for seed in range(STEPS):
        before = [p.clone() for p in parameters]
        for key, parameter, gradient in zip(
            network.parameter_names(), parameters, random_gradients(model, seed), strict=True
        ):
            network.set_gradient(key, gradient)
            parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        if optimizer.global_clipnorm:
            torch.nn.utils.clip_grad_norm_(parameters, optimizer.global_clipnorm)
        peer.step()
        model.apply_gradients(optimizer)
        for total, now, old in zip(way, parameters, before, strict=True):
            total += np.abs((now - old).numpy())
    bound = 2e-5 if optimizer.global_clipnorm else ROUNDINGS
    for actual, exact, magnitude in zip(model.get_weights(), parameters, way, strict=True):
        assert (np.abs(actual - exact.numpy()) <= bound * (magnitude + 0.01)).all()


def test_average():
    optimizer, model = nn.SGD(0.1, use_ema=True, ema_momentum=0.9), make_model()
    network = model._built_network()
    inner = torch.nn.ParameterList(
        [torch.nn.Parameter(torch.tensor(w, dtype=torch.float64)) for w in model.get_weights()]
    )
    peer = torch.optim.SGD(inner, 0.1)
    averaged = torch.optim.swa_utils.AveragedModel(
        inner, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    for seed in range(STEPS):
        for key, parameter, gradient in zip(
            network.parameter_names(), inner, random_gradients(model, seed), strict=True
        ):
            network.set_gradient(key, gradient)
            parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        peer.step()
        averaged.update_parameters(inner)
        model.apply_gradients(optimizer)
    network.show_average(True)
    for actual, exact in zip(model.get_weights(), averaged.module, strict=True):
        assert np.abs(actual - exact.detach().numpy()).max() <= 3 * ROUNDINGS


SCHEDULES = {
    "constant": (Constant(0.1), lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)),
    "step": (nn.StepDecay(0.1, 7, 0.5), lambda o: torch.optim.lr_scheduler.StepLR(o, 7, 0.5)),
    "exponential": (
        nn.ExponentialDecay(0.1, 1, 0.9),
        lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
    ),
    "cosine": (
        nn.CosineDecay(0.1, 40),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 40),
    ),
    "one_cycle": (
        nn.OneCycle(0.1),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, 40, cycle_momentum=False),
    ),
    "warmup": (
        nn.Warmup(0.1, 9),
        lambda o: torch.optim.lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=9),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    schedule, make = SCHEDULES[name]
    peer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    scheduler = make(peer)
    for step in range(40):
        assert schedule.rate(step, 40) == pytest.approx(peer.param_groups[0]["lr"], rel=1e-9)
        peer.step()
        scheduler.step()
