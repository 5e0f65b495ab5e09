"""From the outputs of the last layer to probabilities over the classes.

N images, K classes; outputs and probabilities are (N, K).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nncore import kernels
from nncore.losses import SOFTMAX_LOSSES

F32 = NDArray[np.float32]


def to_probabilities(
    outputs: F32, *, last_activation: str, loss: str, first: int = 0, temperature: float = 1.0
) -> F32:
    """Probabilities (N, K) that add up to 1 in each row, in the order of the outputs.

    - A last layer with softmax: its outputs are probabilities already.
    - Trained with cross-entropy or focal loss: softmax of the outputs, as in the loss.
    - Otherwise (mse, sse), the outputs were trained to equal one-hot rows but may leave [0, 1]:
      the nearest point of the probability simplex, at any temperature.

    Outputs before a softmax are divided by `temperature`; of probabilities that is their logarithm.

    Raises
    ------
    ValueError
        An output is NaN or infinite; the message gives the first such row, counted from `first`.
    """
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"the network's outputs for x[{first + int(np.argmin(finite))}] are not finite: its "
            "weights or the inputs are too large"
        )
    if last_activation != "softmax" and loss not in SOFTMAX_LOSSES:
        return project_on_simplex(outputs)
    if temperature != 1.0:
        return kernels.softmax(logits_of(outputs, last_activation) * np.float32(1 / temperature))
    return outputs if last_activation == "softmax" else kernels.softmax(outputs)


def logits_of(outputs: F32, last_activation: str) -> F32:
    """What stands before a softmax, up to a number per row."""
    if last_activation != "softmax":
        return outputs
    result: F32 = np.log(np.maximum(outputs, np.finfo(np.float32).tiny))
    return result


def project_on_simplex(outputs: F32) -> F32:
    """The point of {p >= 0, sum p = 1} nearest to each row of outputs, (N, K).

    Duchi et al. (2008), figure 1: subtract from every output the one number that leaves, after
    negative results are cut to 0, a sum of 1. A row that is a distribution stays as it is.
    """
    # Without its maximum a row keeps its projection, and huge outputs their differences.
    y = outputs.astype(np.float64)
    y = y - y.max(axis=1, keepdims=True)
    descending = -np.sort(-y, axis=1)
    excess = np.cumsum(descending, axis=1) - 1.0
    counts = np.arange(1, y.shape[1] + 1)
    kept = (descending - excess / counts > 0).sum(axis=1, keepdims=True)
    threshold = np.take_along_axis(excess, kept - 1, axis=1) / kept
    result: F32 = np.maximum(y - threshold, 0.0).astype(np.float32)
    return result
