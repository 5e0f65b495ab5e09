"""Whoever waits for a network that another thread trains leaves all other Python threads alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nncore import _core

Network = _core.Network

X = np.zeros((1, 16, 16, 8), np.float32)
Y = np.zeros(1, np.int32)
ORDER = np.zeros(1, np.int32)
SGD = _core.Optimizer(0.1, momentum=0.9)
KERNEL = np.zeros((3, 3, 8, 32), np.float32)

# All that takes the network's lock. In `compute_gradients` of another thread each of them waits.
WAITING: dict[str, Callable[[Network], Any]] = {
    "set_input_normalization": lambda n: n.set_input_normalization([0.5] * 8, [0.5] * 8),
    "get_parameter": lambda n: n.get_parameter("c/kernel"),
    "set_parameter": lambda n: n.set_parameter("c/kernel", KERNEL),
    "get_gradient": lambda n: n.get_gradient("c/kernel"),
    "set_gradient": lambda n: n.set_gradient("c/kernel", KERNEL),
    "non_finite_parameter": lambda n: n.non_finite_parameter(),
    "penalty": lambda n: n.penalty(),
    "compute_gradients": lambda n: n.compute_gradients(X, Y, "mse"),
    "apply_gradients": lambda n: n.apply_gradients(SGD),
    "layer_output": lambda n: n.layer_output("d"),
    "sample_losses": lambda n: n.sample_losses(),
    "train_steps": lambda n: n.train_steps(X, Y, ORDER, 1, "mse", SGD),
    "optimizer_method": lambda n: n.optimizer_method,
    "optimizer_steps": lambda n: n.optimizer_steps,
    "optimizer_slots": lambda n: n.optimizer_slots(),
    "restart_optimizer": lambda n: n.restart_optimizer("sgd", ["velocity"], 1, False),
    "get_optimizer_slot": lambda n: n.get_optimizer_slot("velocity", "c/kernel"),
    "set_optimizer_slot": lambda n: n.set_optimizer_slot("velocity", "c/kernel", KERNEL),
    "show_average": lambda n: n.show_average(False),
    "shows_average": lambda n: n.shows_average,
    "forward": lambda n: n.forward(X),
    "forward_with_input_of": lambda n: n.forward_with_input_of("d", X),
    "probabilities": lambda n: n.probabilities(X, True, 1.0, -1e30, 1e30),
    "evaluate": lambda n: n.evaluate(X, Y, "mse"),
    "extract": lambda n: n.extract(X),
    "look": lambda n: n.look(probe(), X, Y),
    "explain": lambda n: n.explain(probe(), X, Y),
}
# What never changes.
FIXED = {
    "extracted_shape",
    "input_shape",
    "is_trained",
    "layer_names",
    "layer_output_shape",
    "multiply_adds",
    "output_size",
    "parameter_count",
    "parameter_names",
    "stages",
}


def layers(looked_at: str = "") -> _core.Builder:
    builder = _core.Builder((16, 16, 8), looked_at)
    builder.trainable = False
    builder.add_conv2d("fixed", 8, (1, 1))
    builder.trainable = True
    builder.add_conv2d("c", 32, (3, 3), padding="same", activation="relu", l2=1e-3)
    builder.add_conv2d("e", 32, (3, 3), padding="same", activation="relu")
    builder.add_flatten("f")
    builder.add_dense("d", 4)
    return builder


def probe() -> _core.Probe:
    return layers("c").build_probe()


@pytest.fixture(scope="module")
def network() -> Network:
    made = layers().build(0)
    made.train_steps(X, Y, ORDER, 1, "mse", SGD)
    return made


def ticks_while_waiting(network: Network, call: Callable[[Network], Any], images: int) -> int:
    """Rounds that this thread makes while one thread trains and another waits for it.

    Without the GIL there is no round between the begin of the wait and the end of the training.
    """
    x, y = np.zeros((images, *X.shape[1:]), np.float32), np.zeros(images, np.int32)
    trained, waiting, failures = threading.Event(), threading.Event(), []

    def train() -> None:
        network.compute_gradients(x, y, "mse")
        trained.set()

    def wait() -> None:
        waiting.set()
        try:
            call(network)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=train), threading.Thread(target=wait)]
    threads[0].start()
    time.sleep(0.01)  # the training has the lock
    threads[1].start()
    waiting.wait()
    ticks = 0
    while not trained.is_set():
        time.sleep(0.001)
        ticks += 1
    for thread in threads:
        thread.join()
    assert not failures
    return ticks


@pytest.mark.parametrize("name", WAITING)
def test_waiting_holds_up_no_other_thread(name, network):
    # More images where this machine has been too fast, or this thread had no CPU; few at first,
    # since some instruction sets are a hundred times slower.
    sizes = (2, 150, 600)
    assert any(ticks_while_waiting(network, WAITING[name], images) > 5 for images in sizes)


def test_every_binding_is_known_to_wait_or_not():
    bound = {name for name in vars(Network) if not name.startswith("_")}
    assert bound == set(WAITING) | FIXED
