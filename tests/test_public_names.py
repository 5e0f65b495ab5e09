"""The public names: one list, light to import, each there, documented, and pickled or saved."""

from __future__ import annotations

import ast
import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import nncore as nn

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
LABELS = np.arange(40) % 2
NAMES = sorted(nn.__all__)


def data() -> nn.ImageDataset:
    return nn.ImageDataset.from_arrays(IMAGES, LABELS)


def trained() -> tuple[nn.Sequential, nn.History]:
    model = nn.Sequential([nn.Flatten(), nn.Dense(2)])
    return model, model.fit(data(), epochs=1, verbose=0)


# One of each class that is made of arguments of its own; the others say where they come from.
MADE: dict[str, Any] = {
    "Activation": lambda: nn.Activation("relu"),
    "Audit": lambda: nn.audit(data(), folds=2),
    "Augmentation": lambda: nn.Augmentation(crop_padding=2),
    "CSVLogger": lambda: nn.CSVLogger("log.csv"),
    "ClassMap": lambda: data().classes,
    "Concatenate": lambda: nn.Concatenate([[], [nn.Dense(3)]]),
    "Conv2D": lambda: nn.Conv2D(3, 3, kernel_regularizer=1e-4),
    "CosineDecay": lambda: nn.CosineDecay(0.1),
    "Dense": lambda: nn.Dense(3),
    "DepthwiseConv2D": lambda: nn.DepthwiseConv2D(3),
    "Dropout": lambda: nn.Dropout(0.5),
    "ExponentialDecay": lambda: nn.ExponentialDecay(0.1),
    "History": lambda: trained()[1],
    "ImageDataset": data,
    "LambdaCallback": lambda: nn.LambdaCallback(on_epoch_end=print),
    "Live": lambda: nn.Live(data()),
    "ModelCheckpoint": lambda: nn.ModelCheckpoint("best.safetensors"),
    "OneCycle": lambda: nn.OneCycle(0.1),
    "Later": lambda: nn.Later(0.1, 5),
    "Preprocessing": lambda: nn.Preprocessing(8, 8, "gray"),
    "Recipe": lambda: nn.recipe(data()),
    "Report": lambda: trained()[0].evaluate(data()),
    "Rescaling": lambda: nn.Rescaling(2.0),
    "Multiply": lambda: nn.Multiply([[], [nn.Dense(3)]]),
    "Residual": lambda: nn.Residual([nn.Dense(3)]),
    "Sequential": lambda: nn.Sequential([nn.Dense(2)]),
    "StepDecay": lambda: nn.StepDecay(0.1),
    "TensorBoard": lambda: nn.TensorBoard("logs"),
    "TimeLimit": lambda: nn.TimeLimit(1.0),
    "Warmup": lambda: nn.Warmup(0.1),
}
# Made by a file of the [onnx] extra; `Sequential.save` keeps what it says about itself.
ELSEWHERE = {"Features"}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_there_and_documented(name):
    value = getattr(nn, name)
    assert getattr(nn, name) is value
    if name == "__version__":
        assert isinstance(value, str)
        return
    assert value.__doc__
    if inspect.isclass(value):
        # Neither the doc of a base nor the signature that dataclasses put in its place.
        assert "__doc__" in vars(value)
        assert not value.__doc__.startswith(f"{name}(")


@pytest.mark.parametrize("name", NAMES)
def test_it_pickles_under_its_name(name):
    value = getattr(nn, name)
    if not isinstance(value, ModuleType):
        assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize(
    "name", [n for n in NAMES if inspect.isclass(getattr(nn, n)) and n not in ELSEWHERE]
)
def test_instances_pickle(name):
    kind = getattr(nn, name)
    made = MADE[name]() if name in MADE else kind()
    assert type(made) is kind
    copy = pickle.loads(pickle.dumps(made))
    assert type(copy) is kind
    if hasattr(made, "to_dict"):
        assert copy.to_dict() == made.to_dict()


def test_each_name_is_listed_once():
    stub = Path(nn.__file__).with_suffix(".pyi")
    names = [
        alias
        for node in ast.parse(stub.read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(alias.name for alias in names) == NAMES
    # Without "as", type checkers take a name in a stub for private.
    assert all(alias.asname == alias.name for alias in names)
    assert set(NAMES) <= set(dir(nn))


def test_unknown_names():
    with pytest.raises(AttributeError, match="nncore attribute Desne"):
        _ = nn.Desne
    with pytest.raises(ImportError, match="cannot import name 'Desne'"):
        from nncore import Desne  # noqa: F401


def test_import_is_light_and_loads_what_is_asked_for():
    code = (
        "import sys, nncore as nn\n"
        "heavy = ('nncore._core', 'numpy', 'PIL', 'matplotlib', 'nncore.layers')\n"
        "assert not set(heavy) & sys.modules.keys(), sys.modules.keys()\n"
        "nn.Dense(3)\n"
        "assert 'nncore.training' not in sys.modules\n"
        "assert 'nncore._core' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
