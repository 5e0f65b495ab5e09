"""What must hold for every network of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nncore as nn
from nncore import _core


def same_everywhere(compute: Callable[[], Any]) -> Any:
    """The one result of compute() on all instruction sets and 1, 2, 3 threads.

    The caller restores the number of threads (the fixture `restore_threads`).
    """
    before, results = nn.info()["isa"], {}
    try:
        for isa in nn.info()["isas"]:
            _core.select_isa(isa)
            for threads in (1, 2, 3):
                nn.set_num_threads(threads)
                results[isa, threads] = compute()
    finally:
        _core.select_isa(before)
    first = next(iter(results.values()))
    assert {key for key, result in results.items() if result != first} == set()
    return first


def check_fused_update(
    fused: _core.Network, apart: _core.Network, x: NDArray[Any], y: NDArray[Any]
) -> None:
    """A fused training step of one network is gradients, then an update, of its twin."""
    optimizer = _core.Optimizer(0.1)
    order = np.arange(len(x), dtype=np.int32)
    fused.train_steps(x, y, order, len(x), "cross_entropy", optimizer)
    apart.compute_gradients(x, y, "cross_entropy")
    apart.apply_gradients(optimizer)
    for parameter in fused.parameter_names():
        assert (fused.get_parameter(parameter) == apart.get_parameter(parameter)).all()
