"""What an optimizer remembers between steps, to read, set and save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import check_int

if TYPE_CHECKING:
    from nncore import _core

F32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class OptimizerState:
    """A copy of the state; the engine owns the original.

    Attributes
    ----------
    method : str
        "sgd", "rmsprop" or "adam" (AdamW is Adam). An optimizer of another method starts afresh.
    steps : int
        Taken since the state began; Adam's corrections depend on it.
    arrays : dict of str to float32
        By "<layer>/<parameter>/<slot>", in the shape of the parameter, of those parameters that are
        trained. The slots are `velocity`
        (momentum), `mean` and `mean_square` (of the gradient) and `average` (of the weights).
    shows_average : bool
        With `use_ema`, whether the model's weights are the averages at the moment; the slot
        `average` then holds the weights from which training goes on.
    """

    method: str = "sgd"
    steps: int = 0
    arrays: Mapping[str, F32] = field(default_factory=dict)
    shows_average: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        """The kinds of arrays in this state."""
        return tuple(dict.fromkeys(name.rpartition("/")[2] for name in self.arrays))


def read_optimizer_state(network: _core.Network) -> OptimizerState:
    """Copy the state out of the engine."""
    return OptimizerState(
        network.optimizer_method,
        network.optimizer_steps,
        {
            f"{name}/{slot}": network.get_optimizer_slot(slot, name)
            for name in _trained(network)
            for slot in network.optimizer_slots()
        },
        network.shows_average,
    )


def write_optimizer_state(network: _core.Network, state: OptimizerState) -> None:
    """Copy a state into the engine.

    Raises
    ------
    ValueError, TypeError
        Steps, a name, a shape or a number is wrong; the message names it, and nothing is changed.
    """
    steps = check_int("optimizer state: steps", state.steps, 0)
    names = [f"{name}/{slot}" for name in _trained(network) for slot in state.slots]
    # Of parameters that are not trained, too, in the files of nncore 0.1.
    all_names = [f"{name}/{slot}" for name in network.parameter_names() for slot in state.slots]
    if sorted(state.arrays) not in (sorted(names), sorted(all_names)):
        raise ValueError(
            f"optimizer state: expected the arrays {', '.join(sorted(names))}; "
            f"got {', '.join(sorted(state.arrays))}"
        )
    arrays = {}
    for name in names:
        parameter, _, slot = name.rpartition("/")
        array = np.ascontiguousarray(state.arrays[name], dtype=np.float32)
        shape = network.get_parameter(parameter).shape
        if array.shape != shape:
            raise ValueError(f"optimizer state: {name} has shape {shape}, not {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"optimizer state: {name} holds NaN or infinity")
        arrays[slot, parameter] = array
    network.restart_optimizer(state.method, state.slots, steps, state.shows_average)
    for (slot, parameter), array in arrays.items():
        network.set_optimizer_slot(slot, parameter, array)


def _trained(network: _core.Network) -> list[str]:
    return [name for name in network.parameter_names() if network.is_trained(name)]
