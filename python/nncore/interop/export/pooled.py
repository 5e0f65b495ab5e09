"""Convolutions that are computed as the pool behind them asks for them.

What a convolution gives is most often the largest value of a network, and a pool of 2x2 keeps a
quarter of it. So where a largest-value pool stands behind a convolution, each of its windows is
computed in full and only what is kept is stored: the same numbers in a third of the memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from nncore.interop.export.operations import (
    Activate,
    Convolution,
    Operation,
    Pool,
    PooledConvolution,
    Value,
)
from nncore.interop.export.program import Program

# The largest of what these give is what they give for the largest.
_MONOTONE = frozenset(("relu", "relu6", "leaky_relu", "hard_sigmoid", "sigmoid", "tanh"))


def with_pooled_convolutions(program: Program) -> Program:
    """The same program, with as many of them as there can be."""
    return Program(program.start, list(_fused(program)))


def _fused(program: Program) -> Iterator[Operation]:
    uses = Counter(value for one in program.operations for value in one.inputs)
    left = list(program.operations)
    numbers = max((one.output.number for one in left), default=0)
    while left:
        chain = _chain(left, uses)
        if chain is None:
            yield left.pop(0)
            continue
        convolution, activation, pool = chain
        numbers += 1
        filters = pool.output.shape[-1]
        pooled = Value(convolution.output.number, pool.output.shape)
        yield PooledConvolution(
            **vars(convolution) | {"output": pooled if activation else pool.output},
            window=pool.window,
            pool_strides=pool.strides,
            line=Value(numbers, (filters,)),
        )
        if activation:
            yield Activate(activation.layer, (pooled,), pool.output, activation.activation)
        left = left[3 if activation else 2 :]


def _chain(
    operations: Sequence[Operation], uses: Counter[Value]
) -> tuple[Convolution, Activate | None, Pool] | None:
    """What can become one, at the beginning of the operations."""
    convolution = operations[0]
    if not isinstance(convolution, Convolution) or convolution.is_depthwise:
        return None
    second, third = [*operations[1:3], None, None][:2]
    activation, pool = None, second
    if isinstance(second, Activate) and second.activation in _MONOTONE:
        activation, pool = second, third
        if activation.input != convolution.output or uses[convolution.output] != 1:
            return None
    before = convolution if activation is None else activation
    if (
        isinstance(pool, Pool)
        and pool.is_maximum
        and not pool.is_padded
        # Windows that overlap would be computed more than once.
        and all(step >= size for step, size in zip(pool.strides, pool.window, strict=True))
        and pool.input == before.output
        and uses[before.output] == 1
    ):
        return convolution, activation, pool
    return None
