"""What to write instead of names that other libraries have and nncore does not.

Who comes from Keras or PyTorch writes them without thinking. They are no aliases, since most mean
something else there; the error that Python raises for them has the answer in one line.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn, ParamSpec, TypeVar

from nncore.arguments import did_you_mean

P = ParamSpec("P")
R = TypeVar("R")

_NO_INPUT = (
    "the network takes the shape of the first images that fit is given; to have the weights before "
    "that, model.build((28, 28, 1))"
)
_ONE_STACK = "nn.Sequential([...]) is the model; nn.Residual and nn.Concatenate hold branches"
_RELU = 'activation="relu" of the layer before it, or nn.Activation("relu")'
_LOSS = 'loss="cross_entropy" of model.fit, which takes logits: the softmax is in it'
_FOLDER = 'nn.ImageDataset.from_folder("photos/"); batch_size is an argument of model.fit'
_MAX_POOL = "nn.MaxPool2D(pool_size)"
_GLOBAL_POOL = "nn.GlobalAveragePool2D()"
_ONE_HOT = "nn.one_hot(labels); model.fit takes integer labels as they are"

OF_PACKAGE: Mapping[str, str] = {
    "AdaptiveAvgPool2d": _GLOBAL_POOL,
    "AveragePooling2D": "nn.AveragePool2D(pool_size)",
    "AvgPool2d": "nn.AveragePool2D(pool_size)",
    "BatchNorm2d": "nn.BatchNormalization(); its momentum is 1 - that of PyTorch",
    "Conv2d": "nn.Conv2D(filters, kernel_size); the channels that come in are seen",
    "CrossEntropyLoss": _LOSS,
    "DataLoader": _FOLDER,
    "GlobalAveragePooling2D": _GLOBAL_POOL,
    "ImageFolder": _FOLDER,
    "Input": _NO_INPUT,
    "InputLayer": _NO_INPUT,
    "LayerNorm": "nn.LayerNormalization()",
    "Linear": "nn.Dense(units); the numbers that come in are seen",
    "MaxPool2d": _MAX_POOL,
    "MaxPooling2D": _MAX_POOL,
    "Model": _ONE_STACK,
    "Module": _ONE_STACK,
    "ReLU": _RELU,
    "applications": 'nn.backbone("efficientnet-lite0", classes=3)',
    "image_dataset_from_directory": _FOLDER,
    "keras": "layers, losses and the rest are in nn itself: nn.Sequential, nn.Dense",
    "load_model": 'nn.load("model.safetensors")',
    "manual_seed": "seed of model.fit and of model.build",
    "models": 'nn.Sequential([...]), and nn.load("model.safetensors")',
    "optim": "nn.SGD, nn.Adam, nn.AdamW and nn.RMSprop, as optimizer of model.fit",
    "to_categorical": _ONE_HOT,
    "utils": _ONE_HOT,
}
_FIT_SETS = (
    'model.fit takes what compile does: model.fit(x, y, optimizer="adam", loss="cross_entropy")'
)
_EVALUATE = "model.predict and model.evaluate know that they do not train; there is nothing to set"
_CPU = "nncore computes on the CPU; nn.set_num_threads says on how many of its cores"
OF_MODEL: Mapping[str, str] = {
    "add": "all layers are given at once: nn.Sequential([nn.Flatten(), nn.Dense(3)])",
    "compile": _FIT_SETS,
    "cpu": _CPU,
    "cuda": _CPU,
    "eval": _EVALUATE,
    "fit_generator": "model.fit takes generators of batches, with steps_per_epoch",
    "load_state_dict": "model.load_weights(file), or model.set_parameters(arrays by name)",
    "parameters": "model.get_parameters(), arrays by name",
    "pop": "layers cannot be taken away; make an nn.Sequential of those that are wanted",
    "predict_classes": "model.predict(x), which gives class names",
    "state_dict": "model.get_parameters(), arrays by name",
    "to": _CPU,
    "train": "model.fit trains; the other methods do not, there is nothing to set",
    "train_on_batch": "model.train_step",
    "zero_grad": "model.train_step is a whole step; model.compute_gradients gives gradients alone",
}
_SILENT = "it prints nothing"
_BATCHES = "images go through it in batches of its own; leave it out"
_RATE = 'in the optimizer: optimizer=nn.Adam(0.001), or "adam" for its default'
OF_FIT: Mapping[str, str] = {
    "learning_rate": _RATE,
    "lr": _RATE,
    "metrics": "accuracy and loss are always measured; model.evaluate tells more",
    "shuffle": "each epoch has an order of its own, by seed; generators keep theirs",
    "validation_split": (
        "split first: train, val, _ = nn.ImageDataset.from_arrays(x, y).split(val=0.2); then "
        "model.fit(train, validation_data=val)"
    ),
}
OF_EVALUATE: Mapping[str, str] = {"batch_size": _BATCHES, "verbose": _SILENT}
OF_DESCRIPTION: Mapping[str, str] = {
    "input_dim": _NO_INPUT,
    "input_shape": _NO_INPUT,
    "lr": "learning_rate",
}


def refuse_name(owner: str, name: str, instead: Mapping[str, str]) -> None:
    """AttributeError where `name`, which `owner` has not, is one of those that others have."""
    if name in instead:
        raise AttributeError(f"{owner} has no {name}: {instead[name]}")


def refuse_arguments(
    call: str, unknown: Iterable[str], known: Iterable[str], instead: Mapping[str, str]
) -> NoReturn:
    """TypeError for the first of the names that `call` does not take."""
    name = next(iter(unknown))
    if name in instead:
        raise TypeError(f"{call} has no argument {name}: {instead[name]}")
    near = difflib.get_close_matches(name, list(known), 1)
    raise TypeError(f"{call} has no argument {name}{did_you_mean(near)}")


def answering(instead: Mapping[str, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For a method: arguments that it does not have are answered by `refuse_arguments`."""

    def wrapped(method: Callable[P, R]) -> Callable[P, R]:
        code = method.__code__
        names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
        known = frozenset(names)

        @functools.wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if not known.issuperset(kwargs):
                unknown = [name for name in kwargs if name not in known]
                refuse_arguments(f"model.{method.__name__}", unknown, names, instead)
            return method(*args, **kwargs)

        return call

    return wrapped
