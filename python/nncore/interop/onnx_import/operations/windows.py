"""Windows that move over images: their padding, pools, means over all pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from nncore.interop.onnx_import.folding import axes_of
from nncore.interop.onnx_import.graph import Node
from nncore.interop.onnx_import.network import Network
from nncore.interop.onnx_import.steps import NCHW, NO_PADS, Part, Unavailable, Value
from nncore.layers import AveragePool2D, GlobalAveragePool2D, MaxPool2D

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]


@dataclass(frozen=True)
class Windows:
    """Where windows lie: rows and columns of everything.

    Attributes
    ----------
    image, kernel, strides, dilation
        Sizes and steps.
    before, after
        Pixels of padding above and to the left, below and to the right.
    count
        How many windows there are.
    """

    image: Pair
    kernel: Pair
    strides: Pair
    dilation: Pair
    before: Pair
    after: Pair
    count: Pair

    @classmethod
    def of(cls, node: Node, x: Value, kernel: Sequence[int], dilated: bool = False) -> Windows:
        """As the attributes of `node` say, and the zeros around `x`."""
        attributes = node.attributes
        image, size = _pair(x.shape), _pair(kernel)
        strides = _pair(attributes.get("strides", (1, 1)))
        dilation = _pair(attributes.get("dilations", (1, 1)))
        if not dilated and dilation != (1, 1):
            raise Unavailable(f"{node}: nncore has no dilated pools")
        if min(*size, *strides, *dilation) < 1:
            raise Unavailable(f"{node}: a kernel {size} with strides {strides}")
        reach = tuple((k - 1) * d + 1 for k, d in zip(size, dilation, strict=True))
        top, left, bottom, right = _pads(node, x, reach, strides)
        before, after = (top, left), (bottom, right)
        count = []
        for i in range(2):
            room = image[i] + before[i] + after[i] - reach[i]
            if room < 0:
                raise Unavailable(f"{node}: its kernel {size} is larger than the image {image}")
            windows = room // strides[i] + 1
            if attributes.get("ceil_mode", 0) and room % strides[i]:
                # None that would begin in the padding behind the image.
                windows += windows * strides[i] < image[i] + before[i]
            count.append(windows)
        return cls(image, size, strides, dilation, before, after, _pair(count))

    @property
    def padding(self) -> str | Pair | Sides:
        """As nncore's layers say it."""
        if self._like_same():
            return "same" if any(self.before + self.needed) else "valid"
        if self._like_both_sides():
            return self.before
        return tuple(zip(self.before, self.needed, strict=True))  # type: ignore[return-value]

    @property
    def needed(self) -> Pair:
        """Pixels of padding below and to the right that the last windows reach."""
        return _pair(
            [
                max((n - 1) * step + reach - image - before, 0)
                for n, step, reach, image, before in zip(
                    self.count, self.strides, self.reach, self.image, self.before, strict=True
                )
            ]
        )

    def _like_same(self) -> bool:
        return all(
            self.count[i] == -(-self.image[i] // self.strides[i])
            and self.before[i] == (self.before[i] + self.needed[i]) // 2
            for i in range(2)
        )

    def _like_both_sides(self) -> bool:
        """Whether they lie as those with `before` on all sides."""
        return all(
            (self.image[i] + 2 * self.before[i] - self.reach[i]) // self.strides[i] + 1
            == self.count[i]
            for i in range(2)
        )

    @property
    def reach(self) -> Pair:
        return _pair([(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True)])


def pad(net: Network, node: Node) -> Value:
    """Zeros around an image, which the next step has to add."""
    x = net.padded_value(node)
    mode = node.attributes.get("mode", "constant")
    pads = node.attributes.get("pads")
    if pads is None:
        pads = [int(one) for one in net.required(node, 1).ravel()]
    value = net.number(node, 2, "value", 0.0)
    rank = len(x.axes)
    around = {axis: (pads[i], pads[rank + i]) for i, axis in enumerate(x.axes)} if rank else {}
    if not any(map(any, around.values())):
        return x
    inside = [ends for axis, ends in around.items() if axis not in "HW"]
    if mode != "constant" or value or not x.is_image or any(map(any, inside)) or min(pads) < 0:
        raise Unavailable(f"{node}: nncore pads images with zeros at their sides only")
    (top, bottom), (left, right) = around["H"], around["W"]
    added = np.add(x.pads, (top, left, bottom, right))
    return dataclasses.replace(x, pads=tuple(added.tolist()))


def pool(net: Network, node: Node) -> Value:
    x = net.padded_value(node)
    if not x.is_image or x.axes != NCHW:
        raise Unavailable(f"{node}: its input is no image NCHW: {x.lengths(net.batch)}")
    windows = Windows.of(node, x, node.attributes.get("kernel_shape", ()))
    if windows.kernel == windows.strides == (1, 1) and windows.count == windows.image:
        return dataclasses.replace(x, pads=NO_PADS)
    average = node.op == "AveragePool"
    whole = windows.kernel == windows.image and windows.count == (1, 1)
    if average and whole and windows.before == (0, 0):
        return _pixel_mean(net, node, x, ("N", "C", "1", "1"))
    if any(x.pads) and not average and not x.nonnegative:
        raise Unavailable(
            f"{node}: zeros around an image may be its largest numbers, which nncore's pools do "
            "not do"
        )
    settings: dict[str, Any] = {"padding": windows.padding}
    if average:
        settings["count_padding"] = _counts_padding(node, x, windows)
    layer = AveragePool2D if average else MaxPool2D
    try:
        made = layer(windows.kernel, windows.strides, **settings)
    except ValueError as error:
        raise Unavailable(f"{node}: {error}") from None
    return net.add(node, x, Part(made))


def _counts_padding(node: Node, x: Value, windows: Windows) -> bool:
    """Whether a mean counts zeros around the image: all that its windows reach, or none."""
    counts = bool(node.attributes.get("count_include_pad", 0))
    if not any(windows.before + windows.needed):
        return False
    beyond = any(need > given for need, given in zip(windows.needed, windows.after, strict=True))
    only_zeros = tuple(x.pads) == windows.before + windows.after
    if (counts or any(x.pads)) and (beyond or not (counts or only_zeros)):
        raise Unavailable(f"{node}: nncore counts all of the padding for a mean, or none of it")
    return counts or any(x.pads)


def global_average_pool(net: Network, node: Node) -> Value:
    x = net.value(node)
    if not x.is_image:
        return x
    return _pixel_mean(net, node, x, tuple("1" if axis in "HW" else axis for axis in x.axes))


def global_max_pool(net: Network, node: Node) -> Value:
    x = net.value(node)
    if not x.is_image:
        return x
    return net.add(node, x, Part(MaxPool2D(_pair(x.shape))))


def reduce_mean(net: Network, node: Node) -> Value:
    x = net.value(node)
    given = [None, None if len(node.inputs) < 2 else net.constant(node, 1)]
    axes = axes_of(node, given)
    places = {axis % len(x.axes) for axis in axes or ()}
    named = sorted(x.axes[place] for place in places)
    keep = bool(node.attributes.get("keepdims", 1))
    left = tuple(
        "1" if place in places else axis
        for place, axis in enumerate(x.axes)
        if keep or place not in places
    )
    if named and set(named) == {"1"} and not x.is_image:
        return x.with_axes(left)
    if named != ["H", "W"]:
        raise Unavailable(f"{node}: nncore takes the mean over all pixels of an image only")
    return _pixel_mean(net, node, x, left)


def _pixel_mean(net: Network, node: Node, x: Value, axes: tuple[str, ...]) -> Value:
    return net.add(node, x, Part(GlobalAveragePool2D()), axes=axes)


def _pads(node: Node, x: Value, reach: Sequence[int], strides: Pair) -> tuple[int, ...]:
    """(top, left, bottom, right) of the attributes and of the zeros around `x`."""
    way = node.attributes.get("auto_pad", "NOTSET")
    if way in ("NOTSET", ""):
        given = tuple(node.attributes.get("pads", NO_PADS))
        if len(given) != 4 or min(given) < 0:
            raise Unavailable(f"{node}: nncore has no padding {given}")
        return tuple(a + b for a, b in zip(given, x.pads, strict=True))
    if any(x.pads):
        raise Unavailable(f"{node}: nncore has no padding of its own after a Pad")
    if way == "VALID":
        return NO_PADS
    before, after = [], []
    for i in range(2):
        steps = -(-x.shape[i] // strides[i])
        total = max((steps - 1) * strides[i] + reach[i] - x.shape[i], 0)
        small, large = total // 2, total - total // 2
        before.append(large if way == "SAME_LOWER" else small)
        after.append(small if way == "SAME_LOWER" else large)
    return (*before, *after)


def _pair(values: Sequence[int]) -> Pair:
    return cast(Pair, tuple(int(one) for one in values[:2]))
