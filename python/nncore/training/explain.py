"""One training step told in full: every quantity of the lesson, with its shape.

N images, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nncore.errors import TrainingError
from nncore.losses import LOSSES

if TYPE_CHECKING:
    from nncore import _core
    from nncore.optimizers import Optimizer

F32 = NDArray[np.float32]

# Of plain gradient descent; here the numbers are shown, too.
PLAIN = "W2 = W1 - gradient * learning_rate"

# Arrays with more numbers than this are shown by their corners.
_SHOWN_NUMBERS = 40


@dataclass(frozen=True, eq=False)
class ExplainedStep:
    """What one training step computed; `print(step)` shows it.

    Attributes
    ----------
    loss_name : str
        "mse", "sse" or "cross_entropy".
    learning_rate : float
        Length of the step.
    inputs : uint8 or float32 (N, *input_shape)
        The images.
    targets : float32 (N, K)
        One-hot rows, or the real numbers that were given.
    layer_outputs : dict of str to float32 (N, ...)
        Output of each layer by name, in order; the last one is the network's output.
    per_sample_loss : float64 (N,)
        SSE (for mse and sse) or cross-entropy of each image, before the step.
    loss : float
        Of the batch, before the step: mean of `per_sample_loss`, or its sum for sse; plus the
        penalty of the weights, where layers have a `kernel_regularizer`.
    gradients : dict of str to float32
        How the loss changes with each number of each parameter, "<layer>/<parameter>".
    weights_before, weights_after : dict of str to float32
        The parameters; for plain SGD, after = before - gradient * learning_rate.
    formula : str
        How the optimizer makes the one from the other.
    fixed : tuple of str
        Parameters that are not trained and stay as they are.
    """

    loss_name: str
    learning_rate: float
    inputs: _core.Images
    targets: F32
    layer_outputs: Mapping[str, F32]
    per_sample_loss: NDArray[np.float64]
    loss: float
    gradients: Mapping[str, F32]
    weights_before: Mapping[str, F32]
    weights_after: Mapping[str, F32]
    formula: str = PLAIN
    fixed: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def explain_step(
    network: _core.Network,
    images: _core.Images,
    targets: _core.Targets,
    loss: _core.LossName,
    optimizer: Optimizer,
) -> ExplainedStep:
    """Run one training step on the whole batch and keep every quantity of it.

    Raises
    ------
    TrainingError
        The loss is not finite; the weights are left as they were.
    """
    names = network.parameter_names()
    before = {name: network.get_parameter(name) for name in names}
    batch_loss = network.compute_gradients(images, targets, loss)
    if not math.isfinite(batch_loss):
        raise TrainingError(
            f"the loss of this batch is {batch_loss}, so no step was taken: inputs or weights are "
            "too large"
        )
    per_sample_loss = network.sample_losses()
    layer_outputs = {name: network.layer_output(name) for name in network.layer_names()}
    gradients = {name: network.get_gradient(name) for name in names}
    network.apply_gradients(optimizer.for_core())
    if targets.ndim == 1:
        shown_targets = np.eye(network.output_size, dtype=np.float32)[targets]
    else:
        shown_targets = targets.astype(np.float32)
    after = {name: network.get_parameter(name) for name in names}
    fixed = (name for name in names if not network.is_trained(name))  # or a moving average
    return ExplainedStep(
        loss_name=loss,
        learning_rate=optimizer.rate,
        inputs=images.copy(),
        targets=shown_targets,
        layer_outputs=layer_outputs,
        per_sample_loss=per_sample_loss,
        loss=batch_loss,
        gradients=gradients,
        weights_before=before,
        weights_after=after,
        formula=optimizer.formula,
        fixed=tuple(name for name in fixed if np.array_equal(before[name], after[name])),
    )


def _lines(step: ExplainedStep) -> list[str]:
    sample = {"cross_entropy": "cross-entropy", "focal": "focal loss"}.get(step.loss_name, "SSE")
    lines = [
        f"One training step, loss {step.loss_name}: {LOSSES[step.loss_name]}",
        "",
        *_array("inputs x", step.inputs),
        *_array("targets y", step.targets),
    ]
    for name, output in step.layer_outputs.items():
        lines += _array(f"output of {name}", output)
    lines += [
        *_array(f"{sample} of each image", step.per_sample_loss),
        f"loss of the batch: {step.loss:.6g}",
        "",
    ]
    fixed = set(step.fixed)
    for name, gradient in step.gradients.items():
        if name not in fixed:
            lines += _array(f"gradient of {name}", gradient)
    for name, before in step.weights_before.items():
        if name not in fixed:
            lines += _array(f"{name} before", before)
            lines += _array(f"{name} after", step.weights_after[name])
    if fixed:
        first, last = step.fixed[0], step.fixed[-1]
        lines += [f"not trained, and as before: {len(fixed)} parameters from {first} to {last}", ""]
    return lines + _formula(step)


def _formula(step: ExplainedStep) -> list[str]:
    """The optimizer's formula on the weight that has the largest gradient."""
    if not step.gradients:
        return ["This network has no weights, so the step changes nothing."]
    kernels = [name for name in step.gradients if not name.endswith("/bias")]
    name = max(kernels, key=lambda name: float(np.abs(step.gradients[name]).max()))
    gradient = step.gradients[name]
    index = np.unravel_index(int(np.abs(gradient).argmax()), gradient.shape)
    where = f"{name}[{', '.join(map(str, index))}]"
    before, after = step.weights_before[name][index], step.weights_after[name][index]
    rate = f"{step.learning_rate:.6g}"
    title = f"The weight with the largest gradient, {where}:"
    if step.formula != PLAIN:
        return [
            title,
            *(f"  {part}" for part in step.formula.split("; ")),
            f"  gradient {gradient[index]:.6g}, learning_rate {rate}: "
            f"{before:.6g} becomes {after:.6g}",
        ]
    return [
        title,
        f"  {PLAIN}",
        f"     = {before:.6g} - ({gradient[index]:.6g}) * {rate} = {after:.6g}",
    ]


def _array(title: str, values: NDArray) -> list[str]:  # type: ignore[type-arg]
    rows = ""
    shape = "(" + ", ".join(map(str, values.shape)) + ("," if values.ndim == 1 else "") + ")"
    if values.ndim > 2:
        values, rows = values.reshape(len(values), -1), ", one row per image"
    text = np.array2string(
        values,
        precision=4,
        suppress_small=bool(values.size and 1e-3 < _largest(values) < 1e4),
        threshold=_SHOWN_NUMBERS,
        edgeitems=2,
        max_line_width=96,
        prefix="  ",
    )
    return [f"{title}  {shape} {values.dtype}{rows}", "  " + text, ""]


def _largest(values: NDArray) -> float:  # type: ignore[type-arg]
    largest = max(abs(float(values.max())), abs(float(values.min())))
    return largest if math.isfinite(largest) else 0.0
