"""The kernels: float32 array functions, the arithmetic under every layer, loss and update.

Arrays must be float32; other dtypes are refused with a TypeError instead of being converted in
silence. Lists and scalars are read as float32. What is written in place (`out`, the weights of
`sgd_update`) must be a writable, C-contiguous array (`out` of `matmul`: contiguous rows).
Results are the same bits for any number of threads and on every instruction set.

Shapes: N samples, K classes (or features), M x K times K x N in `matmul`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore import _core

F32 = NDArray[np.float32]

__all__ = [
    "add_bias",
    "bias_grad",
    "matmul",
    "mse",
    "mse_grad",
    "relu",
    "relu_grad",
    "sgd_update",
    "sigmoid",
    "sigmoid_grad",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_grad",
    "softmax_grad",
    "sse",
    "tanh",
    "tanh_grad",
]


def _array(value: Any, name: str) -> F32:
    """Return `value` as a float32 array of any strides; refuse other dtypes and empty arrays."""
    if isinstance(value, np.ndarray):
        array = value
    else:
        array = np.asarray(value)
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{name} must hold numbers, got {type(value).__name__}: {value!r:.60}")
        array = array.astype(np.float32)
    if array.dtype != np.float32:
        raise TypeError(
            f"{name} must have dtype float32, got {array.dtype} with shape {array.shape}; "
            f"pass {name}.astype(np.float32)"
        )
    if array.size == 0:
        raise ValueError(f"{name} is empty: shape {array.shape}")
    return array


def _contiguous(value: Any, name: str) -> F32:
    return np.ascontiguousarray(_array(value, name))


def _destination(out: F32 | None, shape: tuple[int, ...]) -> F32:
    """Return `out` if given (the core checks it), else a new array."""
    if out is None:
        return np.empty(shape, np.float32)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, got {type(out).__name__}")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}, the result has {shape}")
    return out


def _finite(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    return float(value)


def matmul(
    a: Any,
    b: Any,
    out: F32 | None = None,
    *,
    alpha: float = 1.0,
    accumulate: bool = False,
) -> F32:
    """Multiply matrices: ``alpha * a @ b``, added to `out` if `accumulate`.

    Parameters
    ----------
    a : array, float32, (..., M, K)
    b : array, float32, (..., K, N)
        Leading (batch) dimensions broadcast as NumPy's do. Transposed views (``w.T``) and any other
        strides are read in place, without a copy.
    out : array, float32, (..., M, N), optional
        Receives the result; its rows must be contiguous, their distance is free.
    alpha : float
        Scales `a`.
    accumulate : bool
        Add to `out` instead of overwriting it; needs `out`.

    Returns
    -------
    array, float32, (..., M, N)
        `out` if given.

    Raises
    ------
    TypeError
        A dtype is not float32.
    ValueError
        Shapes do not fit, an array is empty, `out` is read-only, overlaps an input or has gaps
        within its rows; the message holds all shapes.

    Notes
    -----
    Each element is one chain of fused multiply-adds over K in ascending order, starting from 0 or,
    with `accumulate`, from the element of `out`; with N = 1 it is 16 interleaved chains, added at
    the end. Algorithm: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication",
    ACM TOMS 34(3), 2008.
    """
    if out is not None and alpha == 1.0 and not accumulate and _core.matmul_plain(a, b, out):
        return out
    a, b = _array(a, "a"), _array(b, "b")
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError(
            f"matmul needs at least 2 dimensions, got a {a.shape} and b {b.shape}; "
            "write a vector as (1, K) or (K, 1)"
        )
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul: the inner dimensions differ: a {a.shape}, b {b.shape}")
    try:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ValueError(
            f"matmul: the batch dimensions do not broadcast: a {a.shape}, b {b.shape}"
        ) from None
    if accumulate and out is None:
        raise ValueError("matmul: accumulate=True needs out")
    result = _destination(out, (*batch, a.shape[-2], b.shape[-1]))
    _core.matmul(a, b, result, _finite(alpha, "alpha"), bool(accumulate))
    return result


def add_bias(x: Any, bias: Any, out: F32 | None = None) -> F32:
    """Add `bias` (K,) to every row of `x` (N, K)."""
    x, bias = _contiguous(x, "x"), _contiguous(bias, "bias")
    result = _destination(out, x.shape)
    _core.add_bias(x, bias, result)
    return result


def bias_grad(dy: Any) -> F32:
    """Gradient of a bias: the sum of `dy` (N, K) over its rows, shape (K,)."""
    dy = _contiguous(dy, "dy")
    if dy.ndim != 2:
        raise ValueError(f"dy must have shape (N, K), got {dy.shape}")
    result = np.empty(dy.shape[1], np.float32)
    _core.bias_gradient(dy, result)
    return result


def _activation(name: str, x: Any, out: F32 | None) -> F32:
    x = _contiguous(x, "x")
    result = _destination(out, x.shape)
    _core.activation(name, x, result)
    return result


def _activation_grad(name: str, y: Any, dy: Any, out: F32 | None) -> F32:
    y, dy = _contiguous(y, "y"), _contiguous(dy, "dy")
    result = _destination(out, y.shape)
    _core.activation_gradient(name, y, dy, result)
    return result


def relu(x: Any, out: F32 | None = None) -> F32:
    """``max(x, 0)``, any shape; NaN stays NaN. `out` may be `x`."""
    return _activation("relu", x, out)


def relu_grad(y: Any, dy: Any, out: F32 | None = None) -> F32:
    """Gradient of `relu` by its input, from its *output* `y`: dy where y > 0, else 0."""
    return _activation_grad("relu", y, dy, out)


def sigmoid(x: Any, out: F32 | None = None) -> F32:
    """``1 / (1 + exp(-x))``, any shape; within 4 units in the last place. `out` may be `x`.

    Results that would be subnormal (x below -88) may be 0.
    """
    return _activation("sigmoid", x, out)


def sigmoid_grad(y: Any, dy: Any, out: F32 | None = None) -> F32:
    """Gradient of `sigmoid` by its input, from its *output* `y`: dy * y * (1 - y)."""
    return _activation_grad("sigmoid", y, dy, out)


def tanh(x: Any, out: F32 | None = None) -> F32:
    """Hyperbolic tangent, any shape; within 3 units in the last place. `out` may be `x`."""
    return _activation("tanh", x, out)


def tanh_grad(y: Any, dy: Any, out: F32 | None = None) -> F32:
    """Gradient of `tanh` by its input, from its *output* `y`: dy * (1 - y * y)."""
    return _activation_grad("tanh", y, dy, out)


def _rows(x: F32, name: str) -> F32:
    """Return (K,) as (1, K), (N, K) as it is."""
    if x.ndim not in (1, 2):
        raise ValueError(f"{name} must have shape (N, K) or (K,), got {x.shape}")
    return x.reshape(-1, x.shape[-1])


def softmax(x: Any, out: F32 | None = None) -> F32:
    """Softmax over the last axis of `x` (N, K) or (K,), computed from ``x - max(x)``."""
    x = _contiguous(x, "x")
    result = _destination(out, x.shape)
    _core.softmax(_rows(x, "x"), _rows(result, "out"))
    return result


def softmax_grad(y: Any, dy: Any, out: F32 | None = None) -> F32:
    """Gradient of `softmax` by its input, from its *output* `y`: y * (dy - sum(y * dy))."""
    y, dy = _contiguous(y, "y"), _contiguous(dy, "dy")
    result = _destination(out, y.shape)
    _core.softmax_gradient(_rows(y, "y"), _rows(dy, "dy"), _rows(result, "out"))
    return result


def _outputs_and_targets(outputs: Any, targets: Any) -> tuple[F32, F32]:
    outputs = _contiguous(outputs, "outputs")
    rows = _rows(outputs, "outputs")
    if isinstance(targets, np.ndarray) and targets.dtype.kind in "iu":
        labels = np.atleast_1d(targets)
        if labels.shape != rows.shape[:1]:
            raise ValueError(
                f"integer targets must have one label per row of outputs {outputs.shape}, "
                f"got shape {targets.shape}"
            )
        if labels.size and (labels.min() < 0 or labels.max() >= rows.shape[1]):
            raise ValueError(
                f"labels must be from 0 to {rows.shape[1] - 1}, got {labels.min()} to "
                f"{labels.max()}"
            )
        one_hot = np.zeros(rows.shape, np.float32)
        one_hot[np.arange(len(labels)), labels] = 1.0
        return rows, one_hot
    targets = _contiguous(targets, "targets")
    if targets.shape != outputs.shape:
        raise ValueError(
            f"outputs and targets must have the same shape, got {outputs.shape} and {targets.shape}"
        )
    return rows, _rows(targets, "targets")


def sse(outputs: Any, targets: Any) -> F32 | float:
    """Sum of squared errors of each sample: sum over classes of ``(y - y')**2``.

    Parameters
    ----------
    outputs : array, float32, (N, K) or (K,)
    targets : array, float32, of the same shape, or integer labels (N,)

    Returns
    -------
    array, float32, (N,), or a float for one sample (K,)
    """
    rows, target_rows = _outputs_and_targets(outputs, targets)
    losses = np.empty(len(rows), np.float32)
    _core.squared_error(rows, target_rows, losses, None, 1.0)
    return float(losses[0]) if np.ndim(outputs) == 1 else losses


def mse(outputs: Any, targets: Any) -> float:
    """Mean of the samples' SSEs over the batch.

    The sum over classes is not divided by the number of classes: [1, 0, 0] against
    [.37, .50, .13] gives 0.6638, where a framework that averages over classes too gives a third.
    """
    rows, target_rows = _outputs_and_targets(outputs, targets)
    losses = np.empty(len(rows), np.float32)
    _core.squared_error(rows, target_rows, losses, None, 1.0)
    return float(losses.mean(dtype=np.float64))


def mse_grad(outputs: Any, targets: Any) -> F32:
    """Gradient of `mse` by `outputs`: ``2 * (outputs - targets) / N``, same shape."""
    rows, target_rows = _outputs_and_targets(outputs, targets)
    losses, gradient = np.empty(len(rows), np.float32), np.empty(rows.shape, np.float32)
    _core.squared_error(rows, target_rows, losses, gradient, 1.0 / len(rows))
    return gradient if np.ndim(outputs) == 2 else gradient[0]


def softmax_cross_entropy(logits: Any, targets: Any) -> float:
    """Mean over the batch of ``-sum(targets * log(softmax(logits)))``.

    Parameters
    ----------
    logits : array, float32, (N, K) or (K,)
    targets : array, float32, of the same shape (one-hot or soft), or integer labels (N,)
    """
    rows, target_rows = _outputs_and_targets(logits, targets)
    losses = np.empty(len(rows), np.float32)
    _core.softmax_cross_entropy(rows, target_rows, losses, None, 1.0)
    return float(losses.mean(dtype=np.float64))


def softmax_cross_entropy_grad(logits: Any, targets: Any) -> F32:
    """Gradient of `softmax_cross_entropy`: ``(softmax(logits) * sum(targets) - targets) / N``."""
    rows, target_rows = _outputs_and_targets(logits, targets)
    losses, gradient = np.empty(len(rows), np.float32), np.empty(rows.shape, np.float32)
    _core.softmax_cross_entropy(rows, target_rows, losses, gradient, 1.0 / len(rows))
    return gradient if np.ndim(logits) == 2 else gradient[0]


def sgd_update(w: F32, grad: Any, learning_rate: float) -> None:
    """Gradient descent in place: ``w -= learning_rate * grad``, rounded once per element.

    Parameters
    ----------
    w : array, float32, any shape
        Changed in place, so it must be a writable, C-contiguous float32 array.
    grad : array, float32, of the same shape
    learning_rate : float
        Finite and positive.
    """
    if not isinstance(w, np.ndarray):
        raise TypeError(f"w is changed in place: pass a float32 array, got {type(w).__name__}")
    rate = _finite(learning_rate, "learning_rate")
    if rate <= 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}")
    _core.sgd_update(w, _contiguous(grad, "grad"), rate)
