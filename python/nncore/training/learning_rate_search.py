"""Which learning rate suits: a short training with one that grows from step to step."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.arguments import check_int, check_number, check_seed
from nncore.errors import TrainingError
from nncore.losses import check_loss
from nncore.optimizers import Optimizer
from nncore.training.images.prepared import prepare
from nncore.training.optimizer_state import OptimizerState

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nncore.data.dataset import ImageDataset
    from nncore.training.model import Sequential

F64 = NDArray[np.float64]

# Losses are averaged over this part of the steps to both sides.
_REACH = 20
# Where the average is this many times the lowest one, training has failed.
_FAILED = 4.0


@dataclass(frozen=True, eq=False)
class LearningRates:
    """What `lr_find` saw, up to the step at which training failed.

    Attributes
    ----------
    rates : float64 (S,)
        Learning rate of each step.
    losses : float64 (S,)
        Loss of each step's batch.
    smoothed : float64 (S,)
        Average of the losses over a twentieth of the steps to both sides.
    suggestion : float
        Where the smoothed loss falls fastest, per step.
    """

    rates: F64
    losses: F64
    smoothed: F64
    suggestion: float

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Loss over learning rate; see `nncore.plots.learning_rates`."""
        from nncore import plots

        return plots.learning_rates(self, path)


def lr_find(
    model: Sequential,
    x: ImageDataset | ArrayLike,
    y: ArrayLike | None = None,
    *,
    loss: str = "cross_entropy",
    optimizer: Optimizer | str | None = None,
    batch_size: int = 32,
    start: float = 1e-6,
    end: float = 10.0,
    steps: int = 200,
    seed: int = 0,
) -> LearningRates:
    """Train for some steps while the learning rate grows, and see where the loss falls fastest.

    The range test of Smith (2017). A model that is built keeps its weights and its optimizer state;
    one that is not is built from `seed`, as `fit` does it.

    Parameters
    ----------
    model, x, y, loss, batch_size, seed
        As of `Sequential.fit`.
    optimizer
        Whose learning rate is sought; its own rate is not looked at. By default SGD.
    start, end
        First and last learning rate, in equal ratios.
    steps
        Number of steps, at least 10.

    Raises
    ------
    TrainingError
        Training failed before there was anything to see: `start` is too high.
    DataError, ValueError, TypeError
        Data or settings are wrong.
    """
    loss_name, seed = check_loss(loss), check_seed(seed)
    batch_size = check_int("batch_size", batch_size, 1)
    steps = check_int("steps", steps, 10)
    start = check_number("start", start, above=0)
    end = check_number("end", end, above=start)
    prepared = prepare(model._known(), x, y).in_memory()
    optimizer = model._optimizer(optimizer, loss_name, batch_size, prepared.input_shape)
    model._take(prepared, seed)
    data = prepared.train
    network = model._built_network()
    weights, state = model.get_weights(), model.optimizer_state
    model.optimizer_state = OptimizerState()
    rates = np.geomspace(start, end, steps)
    averaging_would_hide = dataclasses.replace(optimizer, use_ema=False)
    array, rows = data.in_memory()
    try:
        losses, _ = network.train_steps(
            array,
            data.targets,
            _batches(len(data), batch_size, steps, seed),
            min(batch_size, len(data)),
            loss_name,
            averaging_would_hide.for_core(),
            seed,
            0,
            learning_rates=rates,
            rows=rows,
        )
    finally:
        model.set_weights(weights)
        model.optimizer_state = state
    return _judged(rates, losses)


def _batches(images: int, batch_size: int, steps: int, seed: int) -> NDArray[np.int32]:
    """Indices of `steps` whole batches: shuffle after shuffle, without the rest of each."""
    from nncore import _core

    size = min(batch_size, images)
    whole = images // size * size
    epochs = math.ceil(steps * size / whole)
    orders = [_core.shuffled_indices(seed, epoch, images)[:whole] for epoch in range(epochs)]
    return np.concatenate(orders)[: steps * size]


def _judged(rates: F64, losses: F64) -> LearningRates:
    finite = int(np.argmin(np.append(np.isfinite(losses), False)))
    reach = max(1, len(rates) // _REACH)
    # Centred: an average over past steps alone would lag and suggest too much.
    curve = np.array(
        [losses[max(0, i - reach) : min(finite, i + reach + 1)].mean() for i in range(finite)]
    )
    failed = np.append(curve > _FAILED * np.minimum.accumulate(curve), True) if finite else [True]
    count = int(np.argmax(failed))
    if count < 3 * reach:
        raise TrainingError(
            f"training failed at once, with the learning rate {rates[max(count - 1, 0)]:g}; try a "
            "lower start"
        )
    curve = curve[:count]
    # Slopes over the same reach, and not those after the lowest loss, however steep.
    places = np.arange(reach, max(count - reach, reach + 1))
    places = places[places <= max(int(np.argmin(curve)), reach)]
    slopes = curve[np.minimum(places + reach, count - 1)] - curve[places - reach]
    suggestion = float(rates[places[int(np.argmin(slopes))]])
    return LearningRates(rates[:count], losses[:count], curve, suggestion)
