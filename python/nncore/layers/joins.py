"""Blocks of branches that are put side by side or multiplied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from nncore.layers.base import Layer, Shape
from nncore.layers.blocks import Block, Branch, layers_of
from nncore.layers.naming import unique_names


@dataclass(frozen=True)
class _Branches(Block, kind=False):
    """What both blocks share: branches as they are given, joined without an activation."""

    nested: ClassVar = {"branches": Layer}

    branches: Sequence[Sequence[Layer]]
    name: str | None = None
    trainable: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        kind = type(self).__name__
        given = self.branches
        if isinstance(given, Layer | str) or not isinstance(given, Sequence) or len(given) < 2:
            raise TypeError(
                f"{kind}: branches must be a list of at least two lists of layers, not {given!r}"
            )
        branches = tuple(
            layers_of(f"{kind}: branches[{at}]", branch, some=False)
            for at, branch in enumerate(given)
        )
        self._set("branches", branches)
        unique_names([layer for branch in branches for layer in branch])
        super().__post_init__()

    def _branches(self, input_shape: Shape) -> Sequence[Branch]:
        return [Branch.of(branch, input_shape) for branch in self.branches]

    def _refuse(self, branches: Sequence[Branch], problem: str) -> ValueError:
        *shapes, last = [str(branch.output_shape) for branch in branches]
        return ValueError(
            f"{type(self).__name__}: the branches make {', '.join(shapes)} and {last}; {problem}"
        )


@dataclass(frozen=True)
class Concatenate(_Branches):
    """What several branches make of one input, side by side along the channels (the last axis).

    The building block of Inception, SqueezeNet and DenseNet.
    Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015.

    Parameters
    ----------
    branches
        Two or more lists of layers, each of which takes the block's input; an empty list is the
        input itself. All must give the same height and width. Blocks may contain blocks.
    trainable
        Whether the layers inside are trained, as far as these say so themselves.
    name
        By default "concatenate", "concatenate_1", ... Inner layers and their parameters are called
        "concatenate/conv2d" and so on.

    Examples
    --------
    >>> from nncore.layers import Conv2D
    >>> dense = Concatenate([[], [Conv2D(12, 3, padding="same", activation="relu")]])
    >>> dense.output_shape((28, 28, 24))
    (28, 28, 36)
    """

    _join: ClassVar = "concatenate"

    def _joined_shape(self, branches: Sequence[Branch]) -> Shape:
        shapes = [branch.output_shape for branch in branches]
        if len({shape[:-1] for shape in shapes}) > 1:
            raise self._refuse(branches, "only the channels may differ where they are concatenated")
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


@dataclass(frozen=True)
class Multiply(_Branches):
    """The product of what several branches make of one input, value by value.

    Sizes must be equal or 1, which stands for as many equal values as the other branches have; a
    row of C numbers is an image (1, 1, C) beside images. So a branch may weigh the channels of the
    others, as in squeeze-and-excite blocks.
    Source: Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018.

    Parameters
    ----------
    branches, trainable
        As of `Concatenate`.
    name
        By default "multiply", "multiply_1", ...

    Examples
    --------
    >>> from nncore.layers import Dense, GlobalAveragePool2D
    >>> weights = [GlobalAveragePool2D(), Dense(6, "relu"), Dense(24, "sigmoid")]
    >>> Multiply([[], weights]).output_shape((28, 28, 24))
    (28, 28, 24)
    """

    _join: ClassVar = "multiply"

    def _joined_shape(self, branches: Sequence[Branch]) -> Shape:
        shapes = [branch.output_shape for branch in branches]
        rank = max(len(shape) for shape in shapes)
        sizes = zip(*[(1,) * (rank - len(shape)) + shape for shape in shapes], strict=True)
        joined = [set(size) - {1} for size in sizes]
        if any(len(size) > 1 for size in joined):
            raise self._refuse(branches, "their sizes must be equal or 1 to be multiplied")
        return tuple(size.pop() if size else 1 for size in joined)
