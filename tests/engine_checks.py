"""What must hold for every network of the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore import _core


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
