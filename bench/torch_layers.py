"""A network of PyTorch from nncore's description of its layers, with the same weights.

Convolutions with padding "same" are TensorFlow's: where an odd number of pixels is missing, the one
more is below and on the right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

F32 = NDArray[np.float32]
Weights = Mapping[str, F32]


def _ends(length: int, stride: int, kernel: int) -> tuple[int, int]:
    """What padding "same" adds before and behind."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


class SameConv(nn.Conv2d):
    """A convolution with padding "same"; symmetric padding is left to the convolution itself."""

    same = True  # False: no padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.same:
            return super().forward(x)
        (top, bottom), (left, right) = (
            _ends(length, stride, kernel)
            for length, stride, kernel in zip(
                x.shape[2:], self.stride, self.kernel_size, strict=True
            )
        )
        if (top, left) == (bottom, right):
            padding = (top, left)
        else:
            x = functional.pad(x, (left, right, top, bottom))
            padding = (0, 0)
        return functional.conv2d(x, self.weight, self.bias, self.stride, padding, 1, self.groups)


class SameMaxPool(nn.MaxPool2d):
    """A max pool with padding "same", which may want more pixels below and on the right."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (top, bottom), (left, right) = (
            _ends(length, stride, kernel)
            for length, stride, kernel in zip(
                x.shape[2:], self.stride, self.kernel_size, strict=True
            )
        )
        x = functional.pad(x, (left, right, top, bottom), value=-torch.inf)
        return functional.max_pool2d(x, self.kernel_size, self.stride)


class Residual(nn.Module):
    """The sum of a picture, or what a shortcut makes of it, and what layers make of it."""

    def __init__(self, inner: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.inner, self.shortcut = inner, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shortcut(x) + self.inner(x)


class Flatten(nn.Module):
    """All values of a picture in nncore's order, the channels last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class GlobalAverage(nn.Module):
    """Mean over height and width."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def named_parameters(model: nn.Module) -> Iterator[tuple[str, torch.Tensor, tuple[int, ...]]]:
    """What is trained in a `network`: nncore's names of it, the tensors, and which of their axes
    comes where in nncore's arrays."""
    for module in model.modules():
        if isinstance(module, SameConv):
            yield f"{module.path}/kernel", module.weight, (2, 3, 1, 0)
        elif isinstance(module, nn.Linear):
            yield f"{module.path}/kernel", module.weight, (1, 0)
        elif isinstance(module, nn.BatchNorm2d):
            yield f"{module.path}/gamma", module.weight, (0,)
            yield f"{module.path}/beta", module.bias, (0,)
        if isinstance(module, SameConv | nn.Linear) and module.bias is not None:
            yield f"{module.path}/bias", module.bias, (0,)


def network(layers: list[dict[str, Any]], weights: Weights, prefix: str = "") -> nn.Sequential:
    """Modules of layers whose parameters are called `prefix`NAME/PARAMETER."""
    modules: list[nn.Module] = []
    for layer in layers:
        modules += _modules(layer, weights, prefix + layer["name"])
    return nn.Sequential(*modules)


def _modules(layer: dict[str, Any], weights: Weights, name: str) -> list[nn.Module]:
    kind = layer["type"]
    if kind in ("Conv2D", "DepthwiseConv2D"):
        module: nn.Module = _convolution(kind, layer, weights, name)
    elif kind == "Dense":
        module = nn.Linear(*weights[f"{name}/kernel"].shape)
        _put(module.weight, weights[f"{name}/kernel"].T)
        _put(module.bias, weights[f"{name}/bias"])
    elif kind == "BatchNormalization":
        module = _normalization(layer, weights, name)
    elif kind == "Residual":
        # Without layers it is the identity.
        shortcut = network(layer.get("shortcut") or [], weights, f"{name}/")
        module = Residual(network(layer["layers"], weights, f"{name}/"), shortcut)
    elif kind == "MaxPool2D":
        padding = layer.get("padding", "valid")
        if padding not in ("same", "valid"):
            raise ValueError(f"{name}: only padding 'same' and 'valid' are known")
        pool = SameMaxPool if padding == "same" else nn.MaxPool2d
        module = pool(tuple(layer["pool_size"]), tuple(layer["strides"]))
    elif kind == "Flatten":
        module = Flatten()
    elif kind == "GlobalAveragePool2D":
        module = GlobalAverage()
    elif kind == "Activation":
        return _activation(layer)
    else:
        raise ValueError(f"no module for {layer}")
    module.path = name  # type: ignore[assignment]
    return [module, *_activation(layer)]


def _convolution(kind: str, layer: dict[str, Any], weights: Weights, name: str) -> SameConv:
    kernel = weights[f"{name}/kernel"].transpose(3, 2, 0, 1)
    outputs, inputs, *size = kernel.shape
    if layer["padding"] not in ("same", "valid"):
        raise ValueError(f"{name}: only padding 'same' and 'valid' are known")
    if set(layer.get("dilation_rate") or [1]) != {1}:
        raise ValueError(f"{name}: dilation is not known")
    groups = outputs if kind == "DepthwiseConv2D" else layer.get("groups", 1)
    biased = bool(layer["use_bias"])
    module = SameConv(
        inputs * groups, outputs, tuple(size), tuple(layer["strides"]), groups=groups, bias=biased
    )
    module.same = layer["padding"] == "same"
    _put(module.weight, kernel)
    if biased:
        _put(module.bias, weights[f"{name}/bias"])
    return module


def _normalization(layer: dict[str, Any], weights: Weights, name: str) -> nn.BatchNorm2d:
    module = nn.BatchNorm2d(
        len(weights[f"{name}/gamma"]), eps=layer["epsilon"], momentum=1 - layer["momentum"]
    )
    _put(module.weight, weights[f"{name}/gamma"])
    _put(module.bias, weights[f"{name}/beta"])
    _put(module.running_mean, weights[f"{name}/moving_mean"])
    _put(module.running_var, weights[f"{name}/moving_variance"])
    return module


def _activation(layer: dict[str, Any]) -> list[nn.Module]:
    known: dict[str, list[nn.Module]] = {"relu": [nn.ReLU()], "relu6": [nn.ReLU6()], "linear": []}
    return known[layer.get("activation") or "linear"]


def _put(tensor: Any, values: F32) -> None:
    with torch.no_grad():
        tensor.copy_(torch.from_numpy(np.array(values, order="C")))
