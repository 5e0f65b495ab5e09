"""Whether an imported network gives what ONNX Runtime gives, on one picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nncore.errors import MissingExtraError, ModelFileError
from nncore.extras import pip_command
from nncore.interop.onnx_graph import has_external_data, with_output
from nncore.interop.onnx_import.network_of_graph import Imported
from nncore.interop.onnx_import.steps import Value
from nncore.interop.onnx_session import open_session, reason

F32 = NDArray[np.float32]
TOLERANCE = 1e-4  # of the range of the outputs


def compare(
    path: Path, model: bytes, imported: Imported, forward: Callable[[F32], F32]
) -> str | None:
    """Compare with ONNX Runtime; what to tell where that cannot be done.

    `forward` gives the outputs (N, K) for inputs (N, H, W, C).

    Raises
    ------
    ModelFileError
        They do not agree.
    """
    picture = _picture(imported)
    batch = np.repeat(picture, imported.batch or 1, axis=0)
    given = batch.astype(imported.input.dtype)
    if imported.layout == "NCHW" and given.ndim == 4:
        given = np.ascontiguousarray(given.transpose(0, 3, 1, 2))
    try:
        outputs = _run(path, model, imported, given)
    except MissingExtraError:
        return (
            f"{path}: not compared with ONNX Runtime, which is not installed "
            f"({pip_command('onnx', 'onnxruntime')}; the extra nncore[onnx])"
        )
    except ModelFileError as error:
        return f"{path}: not compared with ONNX Runtime: {str(error).removeprefix(f'{path}: ')}"
    found = forward(picture)[0].astype(np.float64)
    expected = _row(outputs[:1].astype(np.float64), imported.result)
    difference = np.inf
    with np.errstate(all="ignore"):
        span = np.ptp(expected) or np.abs(expected).max() or 1.0
        if found.size == expected.size:
            difference = float(np.abs(found - expected).max() / span)
    if not difference <= TOLERANCE * _slack(imported):
        raise ModelFileError(
            f"{path}: nncore gives another result than ONNX Runtime, by {difference:.2g} of its "
            "range; please report it. As frozen features (nn.Features, --features) it can be used"
        )
    return None


def _row(found: NDArray[np.float64], result: Value) -> NDArray[np.float64]:
    """The first image's numbers in our order; of an image their means over the pixels."""
    if result.is_image:
        sides = tuple(i for i, axis in enumerate(result.axes) if axis in "HW")
        found = found.mean(axis=sides)
    return result.per_channel(found.ravel())


def _slack(imported: Imported) -> float:
    """Networks in half precision are computed in single precision here."""
    return 100.0 if imported.input.dtype == np.float16 else 1.0


def _run(path: Path, model: bytes, imported: Imported, given: NDArray[np.generic]) -> F32:
    content: bytes | str = model
    if imported.output not in imported.graph.outputs:
        content = with_output(model, imported.output)
        if has_external_data(model):
            raise ModelFileError("an inner tensor of a file whose weights are in other files")
    elif has_external_data(model):
        content = str(path)
    session = open_session(path, content)
    try:
        (found,) = session.run([imported.output], {imported.input.name: given})
    except Exception as error:
        raise ModelFileError(reason(error)) from error
    result: F32 = np.asarray(found)
    return result


def _picture(imported: Imported) -> F32:
    """Something like a picture, (1, H, W, C): large spots, and noise; mean 0 and deviation 1."""
    rng = np.random.default_rng(0)
    shape = imported.input_shape
    noise = rng.normal(size=(1, *shape))
    if len(shape) == 3:
        rows, columns = (np.arange(side) * 5 // side for side in shape[:2])
        noise = 0.3 * noise + rng.normal(size=(1, 5, 5, shape[2]))[:, rows][:, :, columns]
    if imported.input.dtype == np.uint8:
        noise = np.clip(127 + 50 * noise, 0, 255).round()
    return np.ascontiguousarray(noise, np.float32)
