"""`Sequential`: a stack of layers that trains, evaluates and predicts.

This file turns friendly arguments into exact ones and remembers what belongs to a model: weights,
classes, preprocessing. The numbers live in the C++ engine; the loop is in `fit.py`.
"""

from __future__ import annotations

import builtins
import dataclasses
import math
import os
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.arguments import check_int, check_number, check_seed
from nncore.data.augmentation import Augmentation
from nncore.data.class_map import ClassMap
from nncore.data.dataset import ImageDataset
from nncore.data.preprocessing import Preprocessing
from nncore.errors import TrainingError
from nncore.layers import Layer, Shape
from nncore.layers.stack import LayerStack
from nncore.losses import SOFTMAX_LOSSES, check_loss
from nncore.optimizers import SGD, Optimizer, default_optimizer
from nncore.training.arrays import image_array, step_targets
from nncore.training.callbacks import Callback
from nncore.training.explain import ExplainedStep, explain_step
from nncore.training.features import FrozenInputs, frozen_inputs
from nncore.training.fit import (
    Position,
    TrainingFacts,
    TrainingLoop,
    TrainingPlan,
    evaluate_arrays,
    loss_of_all,
)
from nncore.training.history import History
from nncore.training.inputs import (
    classes_of,
    labelled,
    numbered_classes,
    preprocessing_of,
    training_images,
    validation_arrays,
)
from nncore.training.layer_view import LayerView, as_parameter
from nncore.training.optimizer_state import (
    OptimizerState,
    read_optimizer_state,
    write_optimizer_state,
)
from nncore.training.probabilities import to_probabilities
from nncore.training.progress import last_epoch, make_progress
from nncore.training.report import Report
from nncore.training.summary import summary
from nncore.training.weights import ClassWeight, class_weights, image_weights

if TYPE_CHECKING:
    from nncore import _core
    from nncore.interop.onnx_features import Features
    from nncore.training.arrays import ImagesOrMapped
    from nncore.training.predictions import Predictions

F32 = NDArray[np.float32]


class Sequential:
    """A network of layers, each of which feeds the next.

    Parameters
    ----------
    layers
        Descriptions such as `Dense(10)`, in order. The last one has as many outputs as there are
        classes.
    name
        Shown in the summary.
    features
        Train on frozen features of the images rather than on their pixels: a `nncore.Features`, or
        the path of an ONNX file. The layers then take rows of numbers, such as
        `Sequential([Dense(10)], features="backbone.onnx")`; everything else takes images as ever.

    Attributes
    ----------
    features : Features or None
        The frozen network that images pass before the first layer.
    classes : ClassMap or None
        Class names in the order of the outputs; known after `fit` or `load`.
    preprocessing : Preprocessing or None
        How files become inputs; known after training on an `ImageDataset` or on uint8 images.
    loss : str or None
        Of the last `fit`; `evaluate` reports it and probabilities depend on it.
    optimizer : Optimizer or None
        Of the last `fit`.
    history : History or None
        Of the last `fit`, also while it runs and after it failed.
    interrupted : bool
        Whether the last `fit` was ended by Ctrl-C.
    stop_training : bool
        A callback sets it to end `fit` after the epoch (or the block of steps).
    learning_rate_factor : float
        During `fit` multiplies the optimizer's learning rate; 1.0 at its beginning. A callback may
        change it.
    facts : TrainingFacts or None
        What the model file tells about the training.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        name: str | None = None,
        features: Features | str | os.PathLike[str] | None = None,
    ) -> None:
        self._stack = LayerStack(layers)
        self.name = "sequential" if name is None else name
        self._frozen = None if features is None else frozen_inputs(features)
        self._network: _core.Network | None = None
        self._position = Position()
        self.classes: ClassMap | None = None
        self.preprocessing: Preprocessing | None = None
        self.loss: _core.LossName | None = None
        self.optimizer: Optimizer | None = None
        self.history: History | None = None
        self.facts: TrainingFacts | None = None
        self.interrupted = False
        self.stop_training = False
        self.learning_rate_factor = 1.0

    def __repr__(self) -> str:
        state = f"input {self.input_shape}" if self.built else "not built"
        return f"<Sequential {self.name!r}: {', '.join(self._stack.names)}; {state}>"

    # -- structure

    @property
    def features(self) -> Features | None:
        """See the class."""
        return None if self._frozen is None else self._frozen.network

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
        return [LayerView(self, name, layer, given) for name, layer, given in parts]

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
        if self._frozen is not None:
            features = self._frozen.features
            if shape not in (features.image_shape, self._frozen.input_shape):
                raise ValueError(f"the features take images {features.image_shape}, not {shape}")
            self._frozen, shape = FrozenInputs(features), self._frozen.input_shape
        network = self._stack.new_network(shape)
        network.build(seed)
        self._network = network
        self._position = Position()
        self.classes = self.preprocessing = self.loss = self.optimizer = None
        self.history = self.facts = None
        self.interrupted = False

    def summary(self, verbose: bool = False) -> None:
        """Print a table of the layers: name, output shape, parameters.

        `verbose` adds the stages that the engine runs, with the kernels that it chose.
        """
        network = self._built_network()
        shape = tuple(network.input_shape)
        print(summary(self._stack, self._image_shape(), shape, network.parameter_count))
        if verbose:
            for stage in network.stages():
                print(f"  {stage}")

    def get_weights(self) -> list[F32]:
        """Copies of all parameters: kernel and bias, layer by layer, as in Keras."""
        network = self._built_network()
        return [network.get_parameter(name) for name in network.parameter_names()]

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

    # -- training

    def fit(
        self,
        x: ImageDataset | ArrayLike,
        y: ArrayLike | None = None,
        *,
        validation_data: ImageDataset | tuple[ArrayLike, ArrayLike] | None = None,
        epochs: int = 10,
        batch_size: int = 32,
        loss: str = "cross_entropy",
        optimizer: Optimizer | None = None,
        seed: int = 0,
        label_smoothing: float = 0.0,
        verbose: int | str = 1,
        callbacks: Sequence[Callback] = (),
        restore_best_weights: bool = False,
        history: History | None = None,
        augmentation: Augmentation | None = None,
        class_weight: ClassWeight | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> History:
        """Train from the current weights; the first call initialises them from `seed`.

        The result depends on the data, the settings and the seed alone: not on threads, the
        instruction set, or how training was cut into calls of `fit`. Each epoch has its own
        shuffle, also across calls: continuing does not repeat.

        Parameters
        ----------
        x, y
            An `ImageDataset` alone, or images and labels: images uint8 or float32 (N, H, W, C),
            (N, H, W) or (N, features); labels int (N,) or one-hot (N, K).
        validation_data
            An `ImageDataset` or a pair (x, y), evaluated after each epoch.
        epochs
            How often to go through all images in this call.
        batch_size
            Images per step, B; an epoch has ceil(N / B) iterations.
        loss
            "cross_entropy", "focal", "mse" or "sse".
        optimizer
            By default `SGD(0.1)` for cross_entropy and `SGD(0.01)` for mse, less for sse and for
            large images: see `nncore.optimizers.default_optimizer`. What it remembers (moments)
            goes on from the last `fit` if that had one of the same kind. A schedule begins anew,
            or goes on where `history` stands.
        seed
            Of the first weights and of the shuffles.
        label_smoothing
            Train towards `(1 - label_smoothing) * one_hot + label_smoothing / K`, at least 0 and
            below 1; for cross_entropy and focal. Validation and `evaluate` use the true labels.
        verbose
            0 silent; 1 a progress bar on a terminal, lines elsewhere; 2 lines. On standard error.
        callbacks
            `Callback` objects.
        restore_best_weights
            At the end, after the callbacks' `on_train_end`, return to the weights of the epoch that
            `History.best_epoch` names, if it is one of this call.
        history
            Continue this record (in place) rather than begin a new one.
        augmentation
            Random changes of the training images, other ones in each epoch; validation images are
            left as they are. Not with frozen features.
        class_weight
            "balanced" (each class counts the same, however many images it has), or a mapping from
            class names or numbers to weights; classes that it lacks have weight 1.
        sample_weight
            One weight per training image, (N,); multiplied by that of its class.

        Returns
        -------
        History
            One row per finished epoch. Losses are means per image (for sse as well), measured
            during the epoch, while the weights change; validation is measured after it. With class
            or sample weights w, the training loss of a batch is sum(w * loss of the image) divided
            by the number of images, as in Keras; validation losses and all accuracies, like those
            of `evaluate`, are never weighted. All losses include the penalties of the layers'
            `kernel_regularizer` (for sse, divided by the number of images like the sum).

        Raises
        ------
        NonFiniteLossError
            The loss became NaN or infinite; the message says where and the likely cause.
        DataError, ValueError, TypeError
            Data or settings are wrong; nothing was trained.

        Notes
        -----
        Ctrl-C ends training after the steps in progress: what was trained is kept, `interrupted` is
        True and the finished epochs are returned. A further `fit` with the same data, batch size,
        seed and loss takes up the unfinished epoch where it stopped and counts it as its first, so
        that the weights become those of a run that was not interrupted. (A second Ctrl-C stops at
        once, and gives that up.)
        """
        epochs = check_int("epochs", epochs, 1)
        batch_size = check_int("batch_size", batch_size, 1)
        loss_name = check_loss(loss)
        seed = check_seed(seed)
        label_smoothing = check_number("label_smoothing", label_smoothing, low=0, below=1)
        if label_smoothing and loss_name not in SOFTMAX_LOSSES:
            raise ValueError(f"label_smoothing is for cross_entropy and focal, not {loss_name}")
        if any(not isinstance(callback, Callback) for callback in callbacks):
            raise TypeError(f"callbacks must be Callback objects, not {callbacks!r}")
        if history is not None and history.loss_name != loss_name:
            raise ValueError(
                f"history is a record of {history.loss_name}, which {loss_name} cannot continue"
            )

        frozen = self._frozen
        images = training_images(x, y, self.input_shape, self.preprocessing, frozen)
        if frozen is not None and augmentation is not None:
            raise ValueError(
                "augmentation is not for frozen features: they are computed once per image, and an "
                "image that is changed in each epoch would have to pass the frozen network each "
                "time; leave augmentation out"
            )
        shape = images.shape[1:] if frozen is None else frozen.input_shape
        units = self._stack.output_size(shape)
        classes = self.classes or classes_of(x, units, self._stack.names[-1])
        preprocessing = self.preprocessing or preprocessing_of(x, images)
        if frozen is not None and preprocessing is not None:
            # The frozen network has a mean and a deviation of its own.
            preprocessing = dataclasses.replace(preprocessing, mean=None, std=None)
        optimizer = self._optimizer(optimizer, loss_name, batch_size, shape)
        train = labelled(x, y, images, classes)
        weight_of_class = class_weights(class_weight, train.targets, classes)
        weights = image_weights(weight_of_class, sample_weight, train.targets)
        train = dataclasses.replace(train, weights=weights)
        augmentation = _checked_augmentation(augmentation, images)
        if frozen is not None:
            frozen = frozen.fitted(x, images)
        validation = validation_arrays(
            validation_data, images.shape[1:], preprocessing, classes, frozen
        )
        if frozen is not None:
            train = dataclasses.replace(train, images=frozen.of(x, images))
        iterations = math.ceil(len(train) / batch_size)
        progress = make_progress(verbose, epochs, iterations)

        if self._network is None:
            self.build(shape, seed)
        self._frozen = frozen
        self.classes = classes
        if self.preprocessing is None:
            self._set_preprocessing(preprocessing)
        self.loss, self.optimizer = loss_name, optimizer
        record = self.history = history or History(loss_name, iterations)
        record.weighted = record.weighted or weights is not None
        self.interrupted = self.stop_training = False
        self.learning_rate_factor = 1.0
        total = len(record.iteration_loss) + epochs * iterations
        schedule = optimizer

        def learning_rates(first: int, count: int) -> NDArray[np.float64]:
            return schedule.rates(first, count, total) * self.learning_rate_factor

        plan = TrainingPlan(
            epochs,
            batch_size,
            loss_name,
            optimizer.for_core(),
            learning_rates,
            seed,
            None if augmentation is None else augmentation.for_core(),
            label_smoothing,
        )
        if self._position.key != (len(train), batch_size, seed, loss_name):
            self._position.drop_epoch_in_progress()
        facts = self.facts = TrainingFacts(
            self._position.epoch,
            seed,
            len(train),
            batch_size,
            {},
            None if augmentation is None else augmentation.to_dict(),
            weight_of_class,
            sample_weight is not None,
        )
        best: list[F32] = []

        def on_epoch_end() -> bool:
            logs, epoch = last_epoch(record), record.epoch[-1]
            self.facts = dataclasses.replace(facts, epochs=self._position.epoch, metrics=logs)
            if restore_best_weights and record.best_epoch() == epoch:
                best[:] = self.get_weights()
            logs = logs | {"learning_rate": record.learning_rate[-1]}
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs)
            return not self.stop_training

        def on_block_end() -> bool:
            for callback in callbacks:
                callback.on_block_end()
            return not self.stop_training

        loop = TrainingLoop(
            self._built_network(),
            plan,
            train,
            validation,
            self._position,
            record,
            progress,
            on_block_end,
            on_epoch_end,
        )
        for callback in callbacks:
            callback.set_model(self)
        try:
            for callback in callbacks:
                callback.on_train_begin()
            loop.run()
        except KeyboardInterrupt:
            self.interrupted = True
        except BaseException as error:
            self._position.drop_epoch_in_progress()
            self._restore(best)
            for callback in callbacks:
                callback.on_train_error(error)
            raise
        finally:
            progress.close()
        # Where training ended within an epoch.
        self._built_network().show_average(True)
        for callback in callbacks:
            callback.on_train_end()
        self._restore(best)
        return record

    def train_step(
        self,
        x: ArrayLike,
        y: ArrayLike,
        loss: str = "cross_entropy",
        optimizer: Optimizer | None = None,
    ) -> float:
        """One step on the whole of a batch; returns its loss before the step.

        Arguments as in `fit`; for mse and sse, y may also be real numbers (N, K). Of a schedule
        the largest learning rate is taken.

        Raises
        ------
        TrainingError
            The loss is not finite; the weights are left as they were.
        """
        network, images, targets, loss_name = self._batch(x, y, loss)
        optimizer = self._optimizer(optimizer, loss_name, len(images), images.shape[1:])
        indices = np.arange(len(images), dtype=np.int32)
        losses, _ = network.train_steps(
            images, targets, indices, len(images), loss_name, optimizer.for_core()
        )
        if not math.isfinite(losses[0]):
            raise TrainingError(
                f"the loss of this batch is {losses[0]}, so no step was taken: inputs or weights "
                "are too large"
            )
        return float(losses[0])

    def compute_gradients(self, x: ArrayLike, y: ArrayLike, loss: str = "cross_entropy") -> float:
        """Loss of a batch; its gradients are then in `layers[i].kernel_gradient` and so on.

        Arguments as in `train_step`. The weights stay.
        """
        network, images, targets, loss_name = self._batch(x, y, loss)
        return network.compute_gradients(images, targets, loss_name)

    def apply_gradients(self, optimizer: Optimizer | None = None) -> None:
        """Update the weights with the gradients of the last `compute_gradients`.

        By default with `SGD()`. Of a schedule this takes the largest learning rate. The moving
        averages of BatchNormalization layers take in that batch, as in `train_step`.
        """
        self._built_network().apply_gradients(_checked_optimizer(optimizer or SGD()).for_core())

    @property
    def optimizer_state(self) -> OptimizerState:
        """A copy of what the optimizer remembers; set it to go on from there.

        `model.optimizer_state = OptimizerState()` forgets everything.
        """
        return read_optimizer_state(self._built_network())

    @optimizer_state.setter
    def optimizer_state(self, state: OptimizerState) -> None:
        write_optimizer_state(self._built_network(), state)

    def explain_step(
        self,
        x: ArrayLike,
        y: ArrayLike,
        loss: str = "mse",
        optimizer: Optimizer | None = None,
        print: bool = True,
    ) -> ExplainedStep:
        """Take one training step and show every quantity of it, with its shape.

        Parameters
        ----------
        x, y, loss
            As in `train_step`; meant for a handful of images.
        optimizer
            By default `SGD(0.01)`.
        print
            Whether to print the explanation too; large arrays are abbreviated.

        Returns
        -------
        ExplainedStep
            Inputs, targets, each layer's output, loss of each image and of the batch, gradients,
            weights before and after.
        """
        network, images, targets, loss_name = self._batch(x, y, loss)
        step = explain_step(
            network, images, targets, loss_name, _checked_optimizer(optimizer or SGD())
        )
        if print:
            builtins.print(step)
        return step

    # -- use

    def evaluate(self, x: ImageDataset | ArrayLike, y: ArrayLike | None = None) -> Report:
        """How well the model does on labelled images; arguments as in `fit`.

        The classes of an `ImageDataset` are matched with the model's by name; it may lack some.

        Raises
        ------
        DataError
            Classes that the model does not know, or another preprocessing than in training.
        ValueError, TypeError
            Arrays of a wrong shape or dtype, or a model that is not built.
        """
        network, loss = self._built_network(), self.loss or "cross_entropy"
        images = training_images(x, y, self.input_shape, self.preprocessing, self._frozen)
        classes = self._classes()
        data = labelled(x, y, images, classes)
        if self._frozen is not None:
            data = dataclasses.replace(data, images=self._frozen.of(x, images))
        outputs, losses = evaluate_arrays(network, data, loss)
        return Report.from_predictions(
            to_probabilities(outputs, last_activation=self._stack.output_activation(), loss=loss),
            data.targets,
            classes.names,
            loss_of_all(network, losses, loss),
            loss,
            paths=x.paths if isinstance(x, ImageDataset) and any(x.paths) else None,
        )

    def predict(self, x: Any, top_k: int = 1, *, max_pixels: int | None = None) -> Predictions:
        """The most probable classes of images.

        Parameters
        ----------
        x
            A file, a folder, a PIL image, a list of these, an array of one image or of several, or
            an `ImageDataset` (its labels are not looked at).
        top_k
            How many classes to list in `Prediction.top`, 1 to K.
        max_pixels
            Larger pictures are refused before they are decoded; by default 2**26.

        Returns
        -------
        Predictions
            A list of `Prediction`, one per image; files found in a folder that give no image are in
            its `skipped`.

        Raises
        ------
        DataError
            A named file is missing or no image, or there is no image at all.
        ValueError, TypeError
            A bad `top_k`, or an array of a wrong shape or dtype.
        """
        from nncore.data.decode import MAX_PIXELS
        from nncore.training.predictions import predict

        return predict(self, x, top_k, MAX_PIXELS if max_pixels is None else max_pixels)

    def predict_proba(self, x: Any) -> F32:
        """Probabilities (N, K) of the classes, float32, rows adding up to 1; `x` as in `predict`.

        Softmax of the outputs after training with cross_entropy; after mse or sse, the nearest
        distribution to the outputs. See `nncore.training.probabilities`.
        """
        if (
            self._network is not None
            and self._frozen is None
            and isinstance(x, np.ndarray)
            and len(x) <= _IMAGES_AT_ONCE
        ):
            last_is_softmax = self._stack.output_activation() == "softmax"
            if last_is_softmax or (self.loss or "cross_entropy") in SOFTMAX_LOSSES:
                result = self._network.probabilities(x, not last_is_softmax)
                if result is not None:
                    return result
        from nncore.training.predictions import gather_images

        return self._probabilities(gather_images(self, x).images)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, classes, preprocessing and training facts as one .safetensors file.

        Raises
        ------
        ValueError
            The model is not built, or a weight is not finite.
        OSError
            The file cannot be written; an older one at `path` is untouched.
        """
        from nncore.training.model_file import save

        save(self, path)

    # -- inside

    def _built_network(self) -> _core.Network:
        if self._network is None:
            raise ValueError(
                "this model is not built: call fit, or build(input_shape), for example "
                "model.build((28, 28, 1))"
            )
        return self._network

    def _image_shape(self) -> Shape | None:
        """Shape of one image as people give it; None where it is still open."""
        return self.input_shape if self._frozen is None else self._frozen.features.image_shape

    def _restore(self, weights: list[F32]) -> None:
        if weights:
            self.set_weights(weights)
            self._position.drop_epoch_in_progress()

    def _optimizer(
        self, optimizer: Optimizer | None, loss: str, batch_size: int, input_shape: Shape
    ) -> Optimizer:
        if optimizer is not None:
            return _checked_optimizer(optimizer)
        return default_optimizer(loss, batch_size, inputs=self._stack.largest_fan_in(input_shape))

    def default_optimizer(self, loss: str = "cross_entropy", batch_size: int = 32) -> Optimizer:
        """What `fit` uses when it is given no optimizer; the model must be built."""
        shape = tuple(self._built_network().input_shape)
        return self._optimizer(None, check_loss(loss), batch_size, shape)

    def _classes(self) -> ClassMap:
        """The class names, "0" to "K-1" where training gave none."""
        return self.classes or numbered_classes(self._built_network().output_size)

    def _set_preprocessing(self, preprocessing: Preprocessing | None) -> None:
        self.preprocessing = preprocessing
        if self._frozen is not None or preprocessing is None:
            return
        if preprocessing.mean and preprocessing.std:
            self._built_network().set_input_normalization(preprocessing.mean, preprocessing.std)

    def _batch(
        self, x: ArrayLike, y: ArrayLike, loss: str
    ) -> tuple[_core.Network, _core.Images, _core.Targets, _core.LossName]:
        """Checked arguments of a single step; builds the network (seed 0) if need be."""
        loss_name = check_loss(loss)
        images = image_array(x, self._image_shape())
        if self._frozen is not None:
            images = self._frozen.of(x, images)
        units = self._stack.output_size(images.shape[1:])
        targets = step_targets(y, len(images), units, loss_name)
        if self._network is None:
            self.build(images.shape[1:])
        self.loss = self.loss or loss_name
        return self._built_network(), images, targets, loss_name

    def _probabilities(self, images: ImagesOrMapped) -> F32:
        network = self._built_network()
        prepare = (lambda block: block) if self._frozen is None else self._frozen.of_new
        blocks = [
            network.forward(prepare(images[start : start + _IMAGES_AT_ONCE]))
            for start in range(0, len(images), _IMAGES_AT_ONCE)
        ]
        return to_probabilities(
            np.concatenate(blocks),
            last_activation=self._stack.output_activation(),
            loss=self.loss or "cross_entropy",
        )


# As many images as `predict_proba` gives to the engine at once, which Ctrl-C cannot interrupt.
_IMAGES_AT_ONCE = 4096


def _checked_input_shape(input_shape: int | Sequence[int]) -> Shape:
    values = (input_shape,) if isinstance(input_shape, int) else tuple(input_shape)
    shape = tuple(check_int("input_shape", value, 1) for value in values)
    if len(shape) not in (1, 2, 3):
        raise ValueError(f"input_shape must be (H, W, C), (H, W) or (features,), not {shape}")
    return (*shape, 1) if len(shape) == 2 else shape


def _checked_augmentation(
    augmentation: Augmentation | None, images: ImagesOrMapped
) -> Augmentation | None:
    """None where nothing would be changed."""
    if augmentation is None:
        return None
    if not isinstance(augmentation, Augmentation):
        raise TypeError(
            f"augmentation must be one such as Augmentation(shift=0.1), not {augmentation!r}"
        )
    if augmentation.changes_nothing:
        return None
    augmentation.check_images(images)
    return augmentation


def _checked_optimizer(optimizer: object) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be one such as SGD(0.01), not {optimizer!r}")
    return optimizer
