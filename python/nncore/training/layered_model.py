"""A model's layers and the engine's network of them: building, looking inside, setting weights."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.arguments import check_int, check_number, check_seed, check_sequence
from nncore.distributed import world
from nncore.errors import TrainingError
from nncore.layers import Layer, Shape
from nncore.layers.stack import LayerStack
from nncore.training.answers.assurances import Assurances
from nncore.training.history import History
from nncore.training.images.inputs import Inputs
from nncore.training.interrupt import Interrupt
from nncore.training.layer_view import LayerView, as_parameter
from nncore.training.optimizer_state import (
    OptimizerState,
    read_optimizer_state,
    write_optimizer_state,
)
from nncore.training.position import Position, TrainingFacts
from nncore.training.summary import summary

if TYPE_CHECKING:
    from nncore import _core
    from nncore.data.labels.class_map import ClassMap
    from nncore.data.preprocessing import Preprocessing
    from nncore.data.reading.settings import CacheChoice
    from nncore.interop.onnx_features import Features
    from nncore.optimizers import Optimizer
    from nncore.training.progress import Progress

F32 = NDArray[np.float32]
_claiming = threading.Lock()


class LayeredModel:
    """What `Sequential` is, before it learns anything.

    Parameters
    ----------
    layers, name
        As of `Sequential`.
    inputs
        The kind of input: what happens to images before the first layer.
    """

    def __init__(self, layers: Sequence[Layer], name: str | None, inputs: Inputs) -> None:
        self._stack = LayerStack(layers)
        self.name = "sequential" if name is None else name
        self._inputs = inputs
        self._trainer: int | None = None  # the thread that trains it
        self._interrupt: Interrupt | None = None  # by which its training can be ended
        self._network: _core.Network | None = None
        self._forget()

    def _forget(self) -> None:
        """What belongs to a training, as before the first one."""
        self._position = Position()
        self.classes: ClassMap | None = None
        self.preprocessing: Preprocessing | None = None
        self.loss: _core.LossName | None = None
        self.optimizer: Optimizer | None = None
        self.history: History | None = None
        self.facts: TrainingFacts | None = None
        self.forget_calibration()
        self.interrupted = False
        self.interrupt_signal: int | None = None
        # During a `fit` that is to keep them: the weights of the best epoch so far.
        self.best_weights: list[F32] = []

    def forget_calibration(self) -> None:
        """Be as before `calibrate`, which says of other weights nothing."""
        self._temperature, self._assurances = 1.0, Assurances()

    def take_calibration(self, other: LayeredModel) -> None:
        """Be calibrated as another model of the same layers is."""
        self._temperature, self._assurances = other._temperature, other._assurances

    @property
    def temperature(self) -> float:
        """What outputs are divided by before softmax, 1.0 before `calibrate` and after `fit` or
        whatever else changed weights of the model.

        May be set; a ValueError says that it is not above 0. What `calibrate` has learned for
        prediction sets held at the old one, and is forgotten.
        """
        return self._temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        value = check_number("temperature", value, above=0)
        if value != self._temperature:
            self._assurances = dataclasses.replace(self._assurances, true_probabilities=None)
        self._temperature = value

    def __repr__(self) -> str:
        state = f"input {self.input_shape}" if self.built else "not built"
        return f"<{type(self).__name__} {self.name!r}: {', '.join(self._stack.names)}; {state}>"

    def __getstate__(self) -> dict[str, Any]:
        """To copy and pickle: the content of the model's file, of one that is not built its
        layers; and what is no part of a model, but of how it is used."""
        features = self.features
        path = None if features is None else os.fspath(features.path)
        if self.built:
            file = self.to_bytes(with_state=self.history is not None, include_optimizer=True)
            return {"file": file, "features": path, "cache": self.cache}
        known = None if features is None else (features.to_dict(), path)
        layers = self._stack.layers
        return {"layers": layers, "name": self.name, "features": known, "cache": self.cache}

    def to_bytes(self, *, with_state: bool = False, include_optimizer: bool = False) -> bytes:
        """See `Sequential.to_bytes`."""
        raise NotImplementedError

    @property
    def cache(self) -> CacheChoice:
        """See `Sequential`."""
        raise NotImplementedError

    @property
    def features(self) -> Features | None:
        """See the class."""
        return self._inputs.features

    @property
    def features_record(self) -> dict[str, Any] | None:
        """What is known of the frozen features even where their network is not at hand."""
        return self._inputs.to_dict()

    @property
    def built(self) -> bool:
        """Whether the input shape is known and the weights exist."""
        return self._network is not None

    @property
    def input_shape(self) -> Shape | None:
        """What the first layer takes: one image (H, W, C), or (features,); None before `build`."""
        return None if self._network is None else tuple(self._network.input_shape)

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return self._built_network().parameter_count

    @property
    def layers(self) -> list[LayerView]:
        """The layers, with their weights and gradients to read and set; see `LayerView`."""
        stack, shape = self._stack, self.input_shape
        shapes = () if shape is None else stack.input_shapes(shape)
        parts = zip_longest(stack.names, stack.layers, shapes)
        return [LayerView(self._built_network, name, layer, given) for name, layer, given in parts]

    def build(self, input_shape: int | Sequence[int], seed: int = 0) -> None:
        """Create the weights for inputs of this shape, initialised from `seed`.

        `fit` does it at its first call. A model that is built already starts afresh.

        Parameters
        ----------
        input_shape
            Shape of one image: (H, W, C), (H, W) for one channel, or (features,). With frozen
            features, that of their images.
        seed
            The same seed gives the same weights, bit for bit.

        Raises
        ------
        ValueError, TypeError
            The shape does not suit the layers (the message names the layer), or a bad seed.
        """
        shape = _checked_input_shape(input_shape)
        seed = check_seed(seed)
        inputs, shape = self._inputs.fresh(shape)
        network = self._stack.new_network(shape, seed)
        self._inputs, self._network = inputs, network
        self._forget()

    def train_from(self, layer: str) -> None:
        """Choose which layers `fit` trains: this one and all behind it; those before stay fixed.

        What fixed layers make of a picture is computed once and not in every epoch. All weights
        stay as they are; what the optimizer remembers is forgotten. Batch normalizations that are
        fixed stay so, wherever they are.

        Parameters
        ----------
        layer
            Name of the lowest layer that is trained, as `summary` shows it; the first one's name
            trains all.

        Raises
        ------
        ValueError
            No layer is called so, or the model is not built.

        Examples
        --------
        >>> model = nn.backbone("efficientnet-lite0", classes=3)     # doctest: +SKIP
        >>> model.fit(photos, epochs=40, optimizer=nn.Adam(3e-3))     # doctest: +SKIP
        >>> model.train_from("block11_expand")                        # doctest: +SKIP
        >>> model.fit(photos, epochs=10, optimizer=nn.Adam(1e-4))     # doctest: +SKIP
        """
        self._change_layers(self._stack.trained_from(layer))

    def change_layer(self, name: str, **fields: Any) -> None:
        """Give one layer other settings that leave its weights as they are, such as
        `kernel_regularizer` or the `rate` of a Dropout.

        What the optimizer remembers is forgotten.

        Raises
        ------
        ValueError, TypeError
            No layer is called so, it has no such setting, or its weights would have another shape.
        """
        stack = self._stack.with_layer(name, **fields)
        shape = tuple(self._built_network().input_shape)
        if stack.parameter_shapes(shape) != self._stack.parameter_shapes(shape):
            names = ", ".join(fields)
            raise ValueError(f"layer {name!r}: {names} would change the shape of its weights")
        self._change_layers(stack)

    def _change_layers(self, stack: LayerStack) -> None:
        """Go on with layers of the same weights and other settings."""
        network, weights = self._built_network(), self.get_parameters()
        changed = stack.new_network(tuple(network.input_shape), 0)
        for name, weight in weights.items():
            changed.set_parameter(name, weight)
        self._stack, self._network = stack, changed
        self._position.drop_epoch_in_progress()
        self._normalize_inputs()

    def _fixed_description(self) -> list[object]:
        """What the fixed layers' results depend on, besides their weights."""
        prepared = None if self.preprocessing is None else self.preprocessing.to_dict()
        layers = self._stack.fixed_layers(self._built_network())
        return [list(self.input_shape or ()), prepared, [layer.to_dict() for layer in layers]]

    def _set_preprocessing(self, preprocessing: Preprocessing | None) -> None:
        self.preprocessing = preprocessing
        self._normalize_inputs()

    def _normalize_inputs(self) -> None:
        """Tell the network what it does to uint8 images first."""
        if self.preprocessing is not None:
            applied = self._inputs.normalization(self.preprocessing)
            if applied is not None:
                self._built_network().set_input_normalization(*applied)

    def summary(self, verbose: bool = False) -> None:
        """Print a table of the layers: name, output shape, parameters.

        `verbose` adds the stages that the engine runs, with the kernels that it chose.
        """
        network = self._built_network()
        shape = tuple(network.input_shape)
        images = self._inputs.image_shape(shape)
        print(summary(self._stack, images, shape, network.parameter_count))
        if verbose:
            for stage in network.stages():
                print(f"  {stage}")

    def get_weights(self) -> list[F32]:
        """Copies of all parameters: kernel and bias, layer by layer, as in Keras."""
        return list(self.get_parameters().values())

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all parameters from a list as `get_weights` gives it.

        Raises
        ------
        ValueError, TypeError
            Too many or too few arrays, or one of a wrong shape or dtype, or not finite; the message
            names the parameter, and nothing is changed.
        """
        network = self._built_network()
        names = network.parameter_names()
        check_sequence("weights", weights)
        if len(weights) != len(names):
            raise ValueError(
                f"{len(weights)} arrays for the {len(names)} parameters {', '.join(names)}"
            )
        arrays = [
            as_parameter(value, network.get_parameter(name).shape, name)
            for name, value in zip(names, weights, strict=True)
        ]
        for name, array in zip(names, arrays, strict=True):
            network.set_parameter(name, array)
        self.forget_calibration()

    def get_parameters(self) -> dict[str, F32]:
        """Copies of all parameters by their full names, such as "dense/kernel"."""
        network = self._built_network()
        return {name: network.get_parameter(name) for name in network.parameter_names()}

    def set_parameters(self, parameters: Mapping[str, ArrayLike]) -> None:
        """Set some parameters by their full names, such as "dense/kernel".

        Raises
        ------
        ValueError, TypeError
            An unknown name, a wrong shape or dtype, or a value that is not finite; nothing is
            changed.
        """
        network = self._built_network()
        for name, array in self._parameters(parameters).items():
            network.set_parameter(name, array)
        self.forget_calibration()

    def _parameters(self, parameters: Mapping[str, ArrayLike]) -> dict[str, F32]:
        """`parameters`, checked."""
        network = self._built_network()
        unknown = sorted(parameters.keys() - {*network.parameter_names()})
        if unknown:
            raise ValueError(f"no parameters of this model: {', '.join(unknown)}")
        return {
            name: as_parameter(value, network.get_parameter(name).shape, name)
            for name, value in parameters.items()
        }

    def keep_best(self, changed: Mapping[str, ArrayLike]) -> None:
        """Let the weights of the best epoch be the present ones but for these parameters.

        Raises
        ------
        ValueError, TypeError
            As `set_parameters`.
        """
        arrays, network = self._parameters(changed), self._built_network()
        names = network.parameter_names()
        self.best_weights = [
            arrays[name] if name in arrays else network.get_parameter(name) for name in names
        ]

    def restore_weights(self, weights: Sequence[ArrayLike]) -> None:
        """`set_weights`, and forget the epoch in progress, which they do not belong to."""
        self.set_weights(weights)
        self._position.drop_epoch_in_progress()

    @property
    def optimizer_state(self) -> OptimizerState:
        """A copy of what the optimizer remembers; set it to go on from there.

        `model.optimizer_state = OptimizerState()` forgets everything.
        """
        return read_optimizer_state(self._built_network())

    @optimizer_state.setter
    def optimizer_state(self, state: OptimizerState) -> None:
        write_optimizer_state(self._built_network(), state)

    def _claim(self) -> None:
        """Train the model in this thread alone, until `_release`."""
        this = threading.get_ident()
        with _claiming:
            # One that is being started has no number yet.
            others = {thread.ident for thread in threading.enumerate()} - {this, None}
            if self._trainer in others:
                raise TrainingError(
                    "another thread trains this model just now: wait for it, or give each thread a "
                    "model of its own"
                )
            self._trainer = this

    def _begin_to_listen(self) -> Interrupt:
        """From now on the training can be ended from outside, until `_release`."""
        self._interrupt = Interrupt(world())
        return self._interrupt

    def _release(self, progress: Progress) -> None:
        """Training is over, and its progress has no more to tell."""
        self._trainer = self._interrupt = None
        progress.close()

    def _built_network(self) -> _core.Network:
        if self._network is None:
            raise ValueError(
                "this model is not built: call fit, or build(input_shape), for example "
                "model.build((28, 28, 1))"
            )
        return self._network


def _checked_input_shape(input_shape: int | Sequence[int]) -> Shape:
    values = (input_shape,) if isinstance(input_shape, int) else tuple(input_shape)
    shape = tuple(check_int("input_shape", value, 1) for value in values)
    if len(shape) not in (1, 2, 3):
        raise ValueError(f"input_shape must be (H, W, C), (H, W) or (features,), not {shape}")
    return (*shape, 1) if len(shape) == 2 else shape
