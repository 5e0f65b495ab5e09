"""Batches that come one by one: from a generator, a PyTorch DataLoader, a list of batches.

B images in a batch, each batch of its own size. Whoever makes the batches decides on their order;
nothing is shuffled.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nncore.arguments import check_int
from nncore.data.dataset import ImageDataset
from nncore.errors import DataError

Batch = tuple[Any, Any, Any]


def gives_batches(x: Any) -> bool:
    """Whether `x`, without labels beside it, is something to take batches from."""
    if isinstance(x, (list, tuple)):
        return bool(x) and all(isinstance(one, tuple) and _is_batch(one) for one in x)
    if isinstance(x, (str, bytes, os.PathLike, Mapping, ImageDataset)):
        return False
    return isinstance(x, Iterable) and not (hasattr(x, "__array__") or hasattr(x, "__dlpack__"))


def _is_batch(one: tuple[Any, ...]) -> bool:
    return len(one) in (2, 3) and (hasattr(one[0], "shape") or isinstance(one[0], (list, tuple)))


class BatchStream:
    """The batches (x, y, weights) of a source, which is begun anew at its end if it can be.

    Parameters
    ----------
    source
        Gives (x, y) or (x, y, weights), as `Sequential.fit` takes them.
    steps
        Batches of an epoch; None: as many as the source says that it has.
    name, steps_name
        What the arguments are called, for messages.

    Attributes
    ----------
    steps : int
        Batches of an epoch.

    Raises
    ------
    ValueError, TypeError
        `steps` is no positive whole number, or not given where the source does not say it.
    """

    def __init__(self, source: Any, steps: object, name: str, steps_name: str) -> None:
        self._source, self._name, self._steps_name = source, name, steps_name
        self._begins_anew = not isinstance(source, Iterator)
        self.steps = self._length() if steps is None else check_int(steps_name, steps, 1)
        self._current: Iterator[Any] | None = None
        self._taken = 0

    def next(self) -> Batch:
        """The next batch; weights may be None.

        Raises
        ------
        DataError
            There is none.
        TypeError
            It is none.
        """
        batch = self._advance()
        self._taken += 1
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            length = f" of length {len(batch)}" if isinstance(batch, (tuple, list)) else ""
            raise TypeError(
                f"batch {self._taken} of {self._name} is a {type(batch).__name__}{length}, not "
                "(x, y) or (x, y, weights)"
            )
        x, y, *weights = batch
        return x, y, weights[0] if weights else None

    def __iter__(self) -> Iterator[Batch]:
        """The batches of one epoch."""
        return (self.next() for _ in range(self.steps))

    def _advance(self) -> Any:
        end = object()
        if self._current is not None:
            batch = next(self._current, end)
            if batch is not end or not self._begins_anew:
                return self._unless(end, batch)
        self._current = iter(self._source)
        return self._unless(end, next(self._current, end))

    def _unless(self, end: object, batch: Any) -> Any:
        if batch is end:
            raise DataError(
                f"{self._name} has ended after {self._taken} batches, and more are needed: "
                f"{self._steps_name} is {self.steps}. Give an iterator that goes on, or something "
                "that can be gone through again, such as a list or a DataLoader"
            )
        return batch

    def _length(self) -> int:
        try:
            length = len(self._source)
        except TypeError:
            raise ValueError(
                f"{self._name} does not say how many batches it has: say with {self._steps_name} "
                "how many to take"
            ) from None
        if not length:
            raise DataError(f"{self._name} has no batch")
        return length


def stream_of(
    x: Any, y: Any, steps: object, name: str = "x", steps_name: str = "steps_per_epoch"
) -> BatchStream | None:
    """`x` as a stream of batches; None where it is arrays or a data set.

    Raises
    ------
    ValueError
        `steps` are given for what is no stream; errors as of `BatchStream`.
    """
    if y is None and gives_batches(x):
        return BatchStream(x, steps, name, steps_name)
    if steps is not None:
        raise ValueError(
            f"{steps_name} is for iterators of batches, and {name} has them all: leave it out"
        )
    return None
