"""`Sequential`: a stack of layers that trains, evaluates and predicts.

This file is the public face: it remembers what belongs to a model and tells the story of a
training. Data are made ready in `prepared.py`, the loop is in `loop.py`, the numbers live in the
C++ engine.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.arguments import check_int
from nncore.data.augmentation import Augmentation
from nncore.data.dataset import ImageDataset
from nncore.data.labels.class_map import ClassMap
from nncore.data.reading.settings import CacheChoice
from nncore.layers import Layer
from nncore.losses import SOFTMAX_LOSSES
from nncore.optimizers import Optimizer
from nncore.signals import stopping_signal
from nncore.training.callbacks import Callback, CallbackList
from nncore.training.evaluation import answers_of, loss_of_all
from nncore.training.features import inputs_for
from nncore.training.fit import EpochEnds, FitSettings
from nncore.training.fixed_layers import FixedLayers
from nncore.training.history import History
from nncore.training.inputs import IMAGES_AT_ONCE
from nncore.training.labelled import LabelledArrays, numbered_classes
from nncore.training.loop import TrainingLoop
from nncore.training.model_format import ModelContents, serialize, write_model_file
from nncore.training.model_reading import model_of_bytes
from nncore.training.prepared import Known, Prepared, prepare
from nncore.training.probabilities import to_probabilities
from nncore.training.progress import fixed_layers_progress, make_progress
from nncore.training.report import Report
from nncore.training.resume_point import ResumePoint
from nncore.training.single_steps import SteppedModel
from nncore.training.weights import ClassWeight

if TYPE_CHECKING:
    from nncore.interop.onnx_features import Features
    from nncore.training.arrays import ImagesOrMapped
    from nncore.training.predictions import Gathered, Predictions

F32 = NDArray[np.float32]


class Sequential(SteppedModel):
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
        Whether the last `fit` was ended by Ctrl-C, or by the signal `interrupt_signal`.
    stop_training : bool
        A callback sets it to end `fit` after the epoch (or the block of steps).
    learning_rate_factor : float
        During `fit` multiplies the optimizer's learning rate; 1.0 at its beginning. A callback may
        change it.
    cache : path or bool
        Where what fixed layers make of pictures is kept, so that the next training on the same
        pictures begins at once: a folder, True for the user's cache folder, or False for memory
        alone (the default).
    facts : TrainingFacts or None
        What the model file tells about the training.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        name: str | None = None,
        features: Features | str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(layers, name, inputs_for(features))
        self._fixed_layers = FixedLayers()
        self.stop_training = False
        self.learning_rate_factor = 1.0

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "file" in state:
            state = vars(model_of_bytes(state["file"], Sequential, state["features"]))
        vars(self).update(state)

    @property
    def cache(self) -> CacheChoice:
        """See the class."""
        return self._fixed_layers.cache

    @cache.setter
    def cache(self, place: CacheChoice) -> None:
        self._fixed_layers.cache = place

    @property
    def cache_notes(self) -> tuple[str, ...]:
        """What people should know of `cache`, such as that its folder cannot be written."""
        return tuple(self._fixed_layers.notes)

    # Long because: its seventeen arguments are explained here; the story itself has fifty lines.
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
            (N, H, W) or (N, features); labels int (N,), one-hot (N, K) or known names.
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
        NonFiniteLossError, TrainingError
            The loss became NaN or infinite (where, and why, it says); another thread trains this.
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
        settings = FitSettings.checked(epochs, batch_size, loss, seed, label_smoothing)
        settings.check_history(history)
        hooks = CallbackList.checked(callbacks, validation_data is not None, history)
        data = prepare(
            self._known(),
            x,
            y,
            validation_data,
            augmentation=augmentation,
            class_weight=class_weight,
            sample_weight=sample_weight,
        )
        optimizer = self._optimizer(optimizer, settings.loss, batch_size, data.input_shape)
        iterations = settings.iterations(len(data.train))
        make_bar = make_progress(verbose, settings.epochs, iterations, len(history or ()))
        self._claim()
        self._take(data, settings.seed)
        self.classes, self.loss, self.optimizer = data.classes, settings.loss, optimizer
        if history is None or history is not self.history:
            self.best_weights = []
        record = self.history = history or History(settings.loss, iterations)
        record.weighted = record.weighted or data.train.weights is not None
        self.interrupted, self.interrupt_signal, self.stop_training = False, None, False
        self.learning_rate_factor = 1.0
        done = len(record.iteration_loss)
        plan = settings.plan(optimizer, lambda: self.learning_rate_factor, data, done)
        position, network = self._position, self._built_network()
        data = self._past_fixed_layers(data, verbose)
        if position.key != plan.key(len(data.train)):
            position.drop_epoch_in_progress()
        facts = settings.facts(data, position.epoch, sample_weight is not None)
        ends = EpochEnds(self, facts, position, record, hooks, restore_best_weights)
        hooks.set_model(self)
        progress = make_bar()
        loop = TrainingLoop(network, plan, data, position, record, progress, ends)
        try:
            hooks.on_train_begin()
            loop.run()
        except KeyboardInterrupt as stop:
            self.interrupted, self.interrupt_signal = True, stopping_signal(stop)
        except BaseException as error:
            position.drop_epoch_in_progress()
            network.show_average(True)
            ends.restore_best()
            hooks.on_train_error(error)
            raise
        finally:
            self._release(progress)
        network.show_average(True)  # Where training ended within an epoch.
        hooks.on_train_end()
        ends.restore_best()
        return record

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
        known = dataclasses.replace(self._known(), classes=self._classes())
        data = known.labelled(x, y)
        if self._fixed_layers.in_use:
            (data,) = self._extracted([data], 0)
        answers, losses = answers_of(network, data, loss, self._to_probabilities)
        return Report.from_answers(
            answers,
            self._classes().names,
            loss_of_all(network, losses, loss),
            loss,
            paths=x.paths if isinstance(x, ImageDataset) and any(x.paths) else None,
        )

    def predict(
        self, x: Any, top_k: int = 1, *, max_pixels: int | None = None, skip_unusable: bool = False
    ) -> Predictions:
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
        skip_unusable
            Leave out files that were named and give no image, too, and list them in `skipped`.

        Returns
        -------
        Predictions
            A list of `Prediction`; its `skipped` has files found in folders that give no image.

        Raises
        ------
        DataError
            A named file is missing or no image, or there is no image at all.
        ValueError, TypeError
            A bad `top_k`, or an array of a wrong shape or dtype.
        """
        from nncore.training.predictions import predictions_of

        names = self._classes().names
        top_k = check_int("top_k", top_k, 1, len(names))
        gathered = self._gathered(x, max_pixels, skip_unusable)
        return predictions_of(gathered, self._probabilities, names, top_k)

    def predict_proba(self, x: Any) -> F32:
        """Probabilities (N, K) of the classes, float32, rows adding up to 1; `x` as in `predict`.

        Softmax of the outputs after training with cross_entropy; after mse or sse, the nearest
        distribution to the outputs. See `nncore.training.probabilities`.
        """
        ready = self._inputs.at_once(x, self.preprocessing)
        if ready is not None and self._network is not None:
            last_is_softmax = self._stack.output_activation() == "softmax"
            if last_is_softmax or (self.loss or "cross_entropy") in SOFTMAX_LOSSES:
                result = self._network.probabilities(ready, not last_is_softmax)
                if result is not None:
                    return result
        return self._probabilities(self._gathered(x).images)

    def save(self, path: str | os.PathLike[str], include_optimizer: bool = True) -> None:
        """Write weights, classes, preprocessing and training facts as one .safetensors file.

        Parameters
        ----------
        path
            The file.
        include_optimizer
            Keep what the optimizer remembers, too, so that `nncore.load` and `fit` go on as a
            second `fit` would have. That makes the file twice as large with momentum, three times
            with Adam.

        Raises
        ------
        ValueError
            The model is not built, or a weight is not finite.
        OSError
            The file cannot be written; an older one at `path` is untouched.
        """
        write_model_file(path, self.to_bytes(include_optimizer=include_optimizer))

    def to_bytes(self, *, with_state: bool = False, include_optimizer: bool = False) -> bytes:
        """The content of the file that `save` writes.

        Parameters
        ----------
        with_state
            Add what resuming needs: position, history, what the optimizer remembers, and the best
            weights so far of a `fit` that is to return to them.
        include_optimizer
            Add position and what the optimizer remembers.

        Raises
        ------
        ValueError
            The model is not built, or a weight is not finite.
        """
        network = self._built_network()
        resume = None
        if with_state or include_optimizer:
            resume = self._resume_point(with_state)
        weights = {name: network.get_parameter(name) for name in network.parameter_names()}
        contents = ModelContents(
            self.name,
            self._stack.layers,
            self._stack.names,
            tuple(network.input_shape),
            weights | self._inputs.tensors(),
            self.classes,
            self.preprocessing,
            self._inputs.to_dict(),
            self.loss,
            self.optimizer,
            self.facts,
            resume,
        )
        return serialize(contents)

    def through_fixed_layers(
        self, x: ImageDataset | ArrayLike, y: ArrayLike | None = None, *, verbose: int | str = 0
    ) -> LabelledArrays:
        """Labelled images as `fit` trains the upper layers on them.

        Where the lowest layers are fixed, that is what these make of each image, computed once;
        else the images as they are. `extracted` of the result says which.
        """
        self._built_network()
        data = self._past_fixed_layers(prepare(self._known(), x, y), verbose)
        return data.train

    # -- inside

    def _past_fixed_layers(self, data: Prepared, verbose: int | str) -> Prepared:
        """With augmentation the images change from epoch to epoch: then as they are."""
        if data.augmentation is not None:
            return data
        if data.validation is None:
            (train,) = self._extracted([data.train], verbose)
            return dataclasses.replace(data, train=train)
        train, validation = self._extracted([data.train, data.validation], verbose)
        return dataclasses.replace(data, train=train, validation=validation)

    def _extracted(
        self, sets: Sequence[LabelledArrays], verbose: int | str
    ) -> Sequence[LabelledArrays]:
        network, layers = self._built_network(), self._fixed_layers
        with fixed_layers_progress(verbose) as seen:
            return layers.apply(network, sets, self._fixed_description, seen)

    def _resume_point(self, with_history: bool) -> ResumePoint:
        if not with_history:
            return ResumePoint(self._position, self.optimizer_state)
        network, best = self._built_network(), {}
        if self.best_weights:
            for name, kept in zip(network.parameter_names(), self.best_weights, strict=True):
                if kept.tobytes() != network.get_parameter(name).tobytes():
                    best[name] = kept
        return ResumePoint(
            self._position,
            self.optimizer_state,
            self.history or History(),
            best,
            bool(self.best_weights),
            self.stop_training,
        )

    def _known(self) -> Known:
        return Known(self._stack, self._inputs, self.input_shape, self.classes, self.preprocessing)

    def _take(self, data: Prepared, seed: int) -> None:
        """Get ready for `data`: weights, inputs and preprocessing; classes stay."""
        if self._network is None:
            self.build(data.input_shape, seed)
        self._inputs = data.inputs
        if self.preprocessing is None:
            self._set_preprocessing(data.preprocessing)

    def _classes(self) -> ClassMap:
        """The class names, "0" to "K-1" where training gave none."""
        return self.classes or numbered_classes(self._built_network().output_size)

    def _gathered(self, x: Any, max_pixels: int | None = None, skip: bool = False) -> Gathered:
        """Whatever `predict` accepts, as images."""
        # Not at the top: predicting arrays needs no decoder.
        from nncore.training.predictions import gather_images

        shape = self._inputs.image_shape(tuple(self._built_network().input_shape))
        assert shape is not None
        gathered = gather_images(x, shape, self.preprocessing, max_pixels, skip)
        self._inputs.check_values(gathered.images, self.preprocessing)
        return gathered

    def _probabilities(self, images: ImagesOrMapped, first: int = 0) -> F32:
        network = self._built_network()
        blocks = [
            network.forward(self._inputs.of_new(images[start : start + IMAGES_AT_ONCE]))
            for start in range(0, len(images), IMAGES_AT_ONCE)
        ]
        return self._to_probabilities(np.concatenate(blocks), first)

    def _to_probabilities(self, outputs: F32, first: int = 0) -> F32:
        return to_probabilities(
            outputs,
            first=first,
            last_activation=self._stack.output_activation(),
            loss=self.loss or "cross_entropy",
        )
