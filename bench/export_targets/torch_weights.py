"""The weights in a network of PyTorch whose modules are called as nncore's layers."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from folders import NotInstalled
from numpy.typing import NDArray

from export_targets.networks import Case, NoSuchLayer, branches, parts

try:
    import torch
    from torch import nn
    from torch_layers import GlobalAverage, SameConv
except ImportError:
    torch = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from nncore.training.layer_view import LayerView

F32 = NDArray[np.float32]


def run(case: Case, images: NDArray[np.uint8], folder: Path) -> F32:
    if torch is None:
        raise NotInstalled("torch: pip install torch==2.13.0")
    import safetensors.torch

    (path,) = case.model.export(folder / "w.safetensors", framework="torch").files
    module = _sequence(case.model.layers).eval()
    module.load_state_dict(safetensors.torch.load_file(path))
    found = []
    with torch.inference_mode():
        for some in parts(images):
            x = torch.from_numpy(np.ascontiguousarray(case.floats(some).transpose(0, 3, 1, 2)))
            found.append(case.probabilities(module(x).numpy()))
    case.read_back(module.state_dict())
    return np.concatenate(found)


def _sequence(views: Sequence[LayerView]) -> Any:
    modules = nn.Sequential()
    for view in views:
        for name, module in _modules(view):
            modules.add_module(name, module)
    return modules


def _modules(view: LayerView) -> list[tuple[str, Any]]:
    """The layer, and its activation if it has one."""
    name, activation = view.name.rpartition("/")[2], getattr(view.description, "activation", None)
    found = [(name, _module(view))]
    if activation not in (None, "linear"):
        found.append((f"{name}_{activation}", _activation(activation)))
    return found


def _activation(name: str) -> Any:
    return {
        "relu": nn.ReLU,
        "relu6": nn.ReLU6,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "hard_swish": nn.Hardswish,
        "leaky_relu": functools.partial(nn.LeakyReLU, 0.2),
    }[name]()


def _module(view: LayerView) -> Any:
    layer, channels = view.description, view.input_shape[-1]
    kind = type(layer).__name__
    if kind in ("Conv2D", "DepthwiseConv2D"):
        return _convolution(layer, channels, view.output_shape[-1])
    if kind == "Dense":
        return nn.Linear(channels, layer.units, bias=layer.use_bias)
    if kind == "BatchNormalization":
        flat = len(view.input_shape) == 1
        return (nn.BatchNorm1d if flat else nn.BatchNorm2d)(channels, eps=layer.epsilon)
    if kind == "LayerNormalization":
        return _ChannelNorm(channels, eps=layer.epsilon)
    if kind in ("MaxPool2D", "AveragePool2D"):
        pool = nn.MaxPool2d if kind == "MaxPool2D" else nn.AvgPool2d
        padding = 0 if layer.padding == "valid" else layer.padding
        return pool(layer.pool_size, layer.strides, padding)
    simple = {"GlobalAveragePool2D": GlobalAverage, "Flatten": nn.Flatten}
    if kind in (*simple, "Dropout", "Activation"):
        return simple.get(kind, nn.Identity)()
    joins = {"Residual": operator.add, "Multiply": _times, "Concatenate": _beside}
    if kind in joins:
        return _Joined([_sequence(branch) for branch in branches(view)], joins[kind])
    raise NoSuchLayer(kind)


def _convolution(layer: Any, channels: int, filters: int) -> Any:
    groups = getattr(layer, "groups", channels)
    settings = {"stride": layer.strides, "groups": groups, "bias": layer.use_bias}
    if layer.padding == "same":
        return SameConv(channels, filters, layer.kernel_size, **settings)
    padding = 0 if layer.padding == "valid" else layer.padding
    settings |= {"padding": padding, "dilation": layer.dilation_rate}
    return nn.Conv2d(channels, filters, layer.kernel_size, **settings)


def _times(one: Any, other: Any) -> Any:
    return one * (other[:, :, None, None] if other.ndim < one.ndim else other)


def _beside(one: Any, other: Any) -> Any:
    return torch.cat([one, other], 1)


if torch is not None:

    class _ChannelNorm(nn.LayerNorm):
        """Over the channels, which are not last here."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.movedim(1, -1)).movedim(-1, 1)

    class _Joined(nn.Module):
        """Branches, whose modules are called as the inner layers of the block are."""

        def __init__(self, parts: Sequence[nn.Sequential], join: Any) -> None:
            super().__init__()
            self._parts, self._join = [list(part.named_children()) for part in parts], join
            for name, module in (pair for part in self._parts for pair in part):
                self.add_module(name, module)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            made = [functools.reduce(lambda y, one: one[1](y), part, x) for part in self._parts]
            return functools.reduce(self._join, made)
