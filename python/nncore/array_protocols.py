"""Arrays of other libraries as NumPy's, without a copy where their memory can be shared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.arguments import listed


def native(values: Any, name: str) -> Any:
    """What NumPy can read, of whatever is given.

    An array of another library (anything with ``__dlpack__``: PyTorch, JAX, CuPy, ...) as a NumPy
    array of the same memory, and a list of such as a list of these; a list of what can be gone
    through once, see `listed`; anything else as it is, things with ``__array__`` among them.

    Raises
    ------
    TypeError
        The memory of such an array cannot be read: it is on a GPU, or of a type that NumPy lacks.
    """
    if _is_foreign(values):
        return _shared(values, name)
    values = listed(values)
    if isinstance(values, (list, tuple)) and any(map(_is_foreign, values)):
        return [_shared(one, name) if _is_foreign(one) else one for one in values]
    return values


def _is_foreign(values: object) -> bool:
    return hasattr(values, "__dlpack__") and not isinstance(values, (np.ndarray, np.generic))


def _shared(values: Any, name: str) -> NDArray[Any]:
    if getattr(values, "requires_grad", False):
        values = values.detach()  # PyTorch's word for: nothing will be derived through this
    try:
        shared: NDArray[Any] = np.from_dlpack(values)
        return shared
    except (TypeError, ValueError, RuntimeError, BufferError, AttributeError) as error:
        reason = error
    if hasattr(values, "__array__"):  # such as pyarrow's columns of texts
        try:
            return np.asarray(values)
        except (TypeError, ValueError, RuntimeError) as error:
            reason = error
    raise TypeError(
        f"{name} is a {type(values).__module__}.{type(values).__qualname__} whose memory NumPy "
        f"cannot read ({reason}): bring it to the CPU, as float32, uint8 or whole numbers"
    )
