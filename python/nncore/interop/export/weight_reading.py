"""Weights from elsewhere for a network: found by name, else by order, and checked by shape."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nncore.errors import ModelFileError
from nncore.interop.export.frameworks import FRAMEWORKS, Parameter, parameters_of
from nncore.interop.export.network import TrainedNetwork
from nncore.interop.export.weight_files import Stored, arrays_of_mapping, stored_arrays

# What nncore's own model files hold beside the weights.
_BESIDE = ("optimizer/", "best/", "history.", "position.", "features/")
# PyTorch counts batches, which nothing depends on here.
_COUNTER = "num_batches_tracked"
_SHOWN = 5


def read_weights(
    network: TrainedNetwork,
    source: str | os.PathLike[str] | Mapping[str, Any],
    framework: str | None = None,
) -> dict[str, NDArray[Any]]:
    """nncore's arrays by the names of the network's parameters.

    Parameters
    ----------
    network
        The one that takes them; its own weights do not matter.
    source
        A .npz or .safetensors file, or arrays by name.
    framework
        One of `FRAMEWORKS`; by default what names and shapes say.

    Raises
    ------
    ModelFileError
        The file is missing or broken, or its arrays are not those of this network.
    ValueError, TypeError
        An unknown framework; or the same about a mapping.
    """
    if framework is not None and framework not in FRAMEWORKS:
        raise ValueError(f"unknown framework {framework!r}; known: {', '.join(FRAMEWORKS)}")
    parameters = parameters_of(network)
    if isinstance(source, Mapping):
        return _matched(parameters, arrays_of_mapping(source), framework, True)
    stored, is_ordered = stored_arrays(source)
    try:
        return _matched(parameters, stored, framework, is_ordered)
    except (ValueError, OSError) as error:
        raise ModelFileError(f"{os.fspath(source)}: {error}") from None


def _matched(
    parameters: Sequence[Parameter],
    stored: Mapping[str, Stored],
    framework: str | None,
    is_ordered: bool,
) -> dict[str, NDArray[Any]]:
    stored = {name: one for name, one in stored.items() if not name.endswith(_COUNTER)}
    frameworks: Sequence[str] = FRAMEWORKS if framework is None else (framework,)
    for known in frameworks:
        names = [parameter.name_in(known) for parameter in parameters]
        others = [name for name in stored if name not in set(names)]
        if stored.keys() >= set(names) and all(name.startswith(_BESIDE) for name in others):
            found = [stored[name] for name in names]
            if known == "nncore" and framework is None and not _fits(parameters, found, known):
                continue  # Keras has the same names.
            return _read(parameters, found, known, names)
    if len(stored) != len(parameters) or _some_names(parameters, stored, frameworks):
        raise ValueError(_difference(parameters, stored, frameworks))
    if not is_ordered:
        raise ValueError(
            f"{_difference(parameters, stored, frameworks)}; and .safetensors files keep no order "
            "to tell them by: save as .npz, or give a dict in the order of the layers"
        )
    if framework is None:
        weight = any(name.rpartition(".")[2] == "weight" for name in stored)
        frameworks = ("torch",) if weight else ("nncore", "keras")
    found = list(stored.values())
    for known in frameworks:
        if _fits(parameters, found, known):
            return _read(parameters, found, known, list(stored))
    return _read(parameters, found, frameworks[0], list(stored))


def _fits(parameters: Sequence[Parameter], found: Sequence[Stored], framework: str) -> bool:
    pairs = zip(parameters, found, strict=True)
    return all(parameter.shape_in(framework) == one.shape for parameter, one in pairs)


def _read(
    parameters: Sequence[Parameter], found: Sequence[Stored], framework: str, names: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """All arrays, after a look at all shapes: a small file may claim any."""
    for parameter, one, name in zip(parameters, found, names, strict=True):
        wanted = parameter.shape_in(framework)
        if one.shape != wanted:
            raise ValueError(
                f"{name!r} has the shape {one.shape}, but {parameter.name!r} of this model needs "
                f"{wanted} (in the shapes of {framework})"
            )
    return {
        parameter.name: parameter.read(np.asarray(one.read()), framework)
        for parameter, one in zip(parameters, found, strict=True)
    }


def _some_names(
    parameters: Sequence[Parameter], stored: Mapping[str, Stored], frameworks: Sequence[str]
) -> bool:
    """Whether a name is known: then the others are wrong, and not in another order."""
    return any(
        parameter.name_in(known) in stored for parameter in parameters for known in frameworks
    )


def _difference(
    parameters: Sequence[Parameter], stored: Mapping[str, Stored], frameworks: Sequence[str]
) -> str:
    def common(framework: str) -> int:
        return sum(parameter.name_in(framework) in stored for parameter in parameters)

    framework = max(frameworks, key=common)
    names = [parameter.name_in(framework) for parameter in parameters]
    missing = [name for name in names if name not in stored]
    unknown = [name for name in stored if name not in set(names)]
    return (
        f"{len(stored)} arrays for a model of {len(names)} parameters; missing: {_few(missing)}; "
        f"not of this model: {_few(unknown)}"
    )


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(map(repr, names[:_SHOWN])) or "none") + more
