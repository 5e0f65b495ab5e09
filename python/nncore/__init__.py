"""nncore: train and run small image classifiers on ordinary CPUs.

>>> import nncore as nn
>>> train, val, test = nn.ImageDataset.from_folder("photos/").split(val=0.15, test=0.15, seed=0)
>>> model = nn.Sequential([nn.Flatten(), nn.Dense(128, activation="relu"), nn.Dense(3)])
>>> history = model.fit(train, validation_data=val, epochs=30)
>>> print(model.evaluate(test))

Submodules are imported when a name of theirs is first used, so that ``import nncore`` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nncore import kernels, plots
    from nncore._core import __version__
    from nncore.data import (
        Augmentation,
        ClassMap,
        ImageDataset,
        Preprocessing,
        from_one_hot,
        one_hot,
    )
    from nncore.errors import DataError, ModelFileError, NncoreError, TrainingError
    from nncore.interop.onnx_features import Features
    from nncore.layers import (
        Activation,
        AveragePool2D,
        BatchNormalization,
        Conv2D,
        Dense,
        DepthwiseConv2D,
        Dropout,
        Flatten,
        GlobalAveragePool2D,
        LayerNormalization,
        MaxPool2D,
        Rescaling,
        Residual,
    )
    from nncore.optimizers import SGD, Adam, AdamW, RMSprop
    from nncore.regularizers import L1, L1L2, L2
    from nncore.schedules import (
        CosineDecay,
        ExponentialDecay,
        OneCycle,
        StepDecay,
        Warmup,
    )
    from nncore.training import (
        Callback,
        CSVLogger,
        EarlyStopping,
        History,
        LambdaCallback,
        ModelCheckpoint,
        Recipe,
        ReduceLROnPlateau,
        Report,
        Sequential,
        TimeLimit,
        load,
        lr_find,
        recipe,
        top_k_accuracy,
    )

# The core, too, comes with its first use: then the command line can report, in one line, an
# NNCORE_ISA or NNCORE_NUM_THREADS that makes it refuse to load.
_HOMES = {
    "__version__": "_core",
    "Augmentation": "data",
    "ClassMap": "data",
    "ImageDataset": "data",
    "Preprocessing": "data",
    "from_one_hot": "data",
    "one_hot": "data",
    "DataError": "errors",
    "ModelFileError": "errors",
    "NncoreError": "errors",
    "TrainingError": "errors",
    "Features": "interop.onnx_features",
    "Activation": "layers",
    "AveragePool2D": "layers",
    "BatchNormalization": "layers",
    "Conv2D": "layers",
    "Dense": "layers",
    "DepthwiseConv2D": "layers",
    "Dropout": "layers",
    "Flatten": "layers",
    "GlobalAveragePool2D": "layers",
    "LayerNormalization": "layers",
    "MaxPool2D": "layers",
    "Residual": "layers",
    "Rescaling": "layers",
    "SGD": "optimizers",
    "Adam": "optimizers",
    "AdamW": "optimizers",
    "RMSprop": "optimizers",
    "L1": "regularizers",
    "L1L2": "regularizers",
    "L2": "regularizers",
    "CosineDecay": "schedules",
    "ExponentialDecay": "schedules",
    "OneCycle": "schedules",
    "StepDecay": "schedules",
    "Warmup": "schedules",
    "Callback": "training",
    "CSVLogger": "training",
    "EarlyStopping": "training",
    "LambdaCallback": "training",
    "ModelCheckpoint": "training",
    "Recipe": "training",
    "ReduceLROnPlateau": "training",
    "TimeLimit": "training",
    "History": "training",
    "Report": "training",
    "Sequential": "training",
    "load": "training",
    "lr_find": "training",
    "recipe": "training",
    "top_k_accuracy": "training",
}
_SUBMODULES = ("kernels", "plots")

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "Augmentation",
    "AveragePool2D",
    "BatchNormalization",
    "CSVLogger",
    "Callback",
    "ClassMap",
    "Conv2D",
    "CosineDecay",
    "DataError",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "EarlyStopping",
    "ExponentialDecay",
    "Features",
    "Flatten",
    "GlobalAveragePool2D",
    "History",
    "ImageDataset",
    "LambdaCallback",
    "LayerNormalization",
    "MaxPool2D",
    "ModelCheckpoint",
    "ModelFileError",
    "NncoreError",
    "OneCycle",
    "Preprocessing",
    "RMSprop",
    "Recipe",
    "ReduceLROnPlateau",
    "Report",
    "Rescaling",
    "Residual",
    "Sequential",
    "StepDecay",
    "TimeLimit",
    "TrainingError",
    "Warmup",
    "__version__",
    "from_one_hot",
    "get_num_threads",
    "info",
    "kernels",
    "load",
    "lr_find",
    "one_hot",
    "plots",
    "recipe",
    "set_num_threads",
    "top_k_accuracy",
]


def info() -> dict[str, Any]:
    """Describe the installed core.

    Returns
    -------
    dict
        ``version``; ``isa`` (instruction set in use); ``isas`` (all that this machine can run, by
        the names that the environment variable ``NNCORE_ISA`` takes, best first); ``threads``;
        ``openmp``, ``zlib`` and ``libjpeg`` (versions, or None when built without; with the latter
        two, of which libjpeg is libjpeg-turbo, PNG and JPEG files are read faster); ``compiler``.
    """
    from nncore import _core

    return _core.info()


def get_num_threads() -> int:
    """Return how many threads nncore may use."""
    from nncore import _core

    return _core.get_num_threads()


def set_num_threads(threads: int) -> None:
    """Set how many threads nncore may use; results do not depend on it, bit for bit.

    The default is the number of CPUs that this process may use (affinity and cgroup quota), or the
    environment variable ``NNCORE_NUM_THREADS``.

    Raises
    ------
    ValueError
        `threads` is not from 1 to 1024.
    """
    from nncore import _core

    _core.set_num_threads(threads)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"nncore.{_HOMES[name]}"), name)
    elif name in _SUBMODULES:
        value = importlib.import_module(f"nncore.{name}")
    else:
        raise AttributeError(f"module 'nncore' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
