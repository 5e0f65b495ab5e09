"""`Sequential`: a stack of layers that trains, evaluates and predicts.

This file is the public face: it remembers what belongs to a model and tells the story of a
training. Data are made ready in `prepared.py`, the loop is in `loop.py`, the numbers live in the
C++ engine.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.data.augmentation import Augmentation
from nncore.data.dataset import ImageDataset
from nncore.distributed import world
from nncore.habits import OF_FIT, OF_MODEL, answering, refuse_name
from nncore.layers import Layer
from nncore.optimizers import Optimizer
from nncore.process.signals import stopping_signal
from nncore.training.agreement import Agreement
from nncore.training.callbacks import Callback, CallbackList
from nncore.training.exporting_model import ExportingModel
from nncore.training.fit import EpochEnds, FitSettings
from nncore.training.history import History
from nncore.training.images.features import features_again, inputs_for
from nncore.training.images.labelled import LabelledArrays
from nncore.training.images.prepared import Prepared, prepare
from nncore.training.images.weights import ClassWeight
from nncore.training.loop import TrainingLoop
from nncore.training.model_format import ModelContents, serialize, write_model_file
from nncore.training.model_reading import model_of_bytes
from nncore.training.progress import make_progress
from nncore.training.resume_point import ResumePoint

if TYPE_CHECKING:
    from nncore.interop.onnx_features import Features

F32 = NDArray[np.float32]


class Sequential(ExportingModel):
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
    temperature : float
        What outputs are divided by for probabilities that say how often they are right; see
        `calibrate`.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        name: str | None = None,
        features: Features | str | os.PathLike[str] | None = None,
    ) -> None:
        if isinstance(layers, Layer):
            raise TypeError("the layers are one list: nn.Sequential([nn.Flatten(), nn.Dense(3)])")
        super().__init__(layers, name, inputs_for(features))
        self.stop_training = False
        self.learning_rate_factor = 1.0

    if not TYPE_CHECKING:  # which would take any name for one that is there

        def __getattr__(self, name: str) -> Any:
            refuse_name("a model", name, OF_MODEL)
            # Once more, for the error of Python or of a property.
            return object.__getattribute__(self, name)

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "file" in state:
            model = model_of_bytes(state["file"], Sequential, state["features"])
        else:
            model = Sequential(state["layers"], state["name"], features_again(state["features"]))
        vars(self).update(vars(model))
        self.cache = state["cache"]

    # Long because: its nineteen arguments are explained here; the story itself has fifty lines.
    @answering(OF_FIT)
    def fit(
        self,
        x: ImageDataset | ArrayLike | Iterable[Any],
        y: ArrayLike | None = None,
        *,
        validation_data: ImageDataset | tuple[ArrayLike, ArrayLike] | Iterable[Any] | None = None,
        epochs: int = 10,
        batch_size: int = 32,
        loss: str = "cross_entropy",
        optimizer: Optimizer | str | None = None,
        seed: int = 0,
        label_smoothing: float = 0.0,
        verbose: int | str = 1,
        callbacks: Sequence[Callback] | Callback = (),
        restore_best_weights: bool = False,
        history: History | None = None,
        augmentation: Augmentation | None = None,
        class_weight: ClassWeight | None = None,
        sample_weight: ArrayLike | None = None,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
    ) -> History:
        """Train from the current weights; the first call initialises them from `seed`.

        The result depends on the data, the settings and the seed alone: not on threads, the
        instruction set, or how training was cut into calls of `fit`. Each epoch has its own
        shuffle, also across calls: continuing does not repeat.

        Parameters
        ----------
        x, y
            An `ImageDataset` alone, or images and labels. Images uint8 or float32 (N, H, W, C),
            (N, H, W) or (N, features), as an array of NumPy, PyTorch, JAX or anything with
            ``__array__`` or ``__dlpack__``; or N files or PIL images, as a list or a column. Labels
            int (N,), one-hot (N, K) or names that the model knows. Or batches
            alone, (x, y) or (x, y, weights), from a generator, a DataLoader of PyTorch or a list;
            they are trained on in the order and the sizes in which they come.
        validation_data
            An `ImageDataset`, a pair (x, y) or batches of such pairs, which are read once and kept;
            evaluated after each epoch.
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
            or goes on where `history` stands. A name, such as "adam", is the optimizer with its
            defaults.
        seed
            Of the first weights and of the shuffles.
        label_smoothing
            Train towards `(1 - label_smoothing) * one_hot + label_smoothing / K`, at least 0 and
            below 1; for cross_entropy and focal. Validation and `evaluate` use the true labels.
        verbose
            0 silent; 1 a progress bar on a terminal, curves and a table in the cell of a notebook,
            lines elsewhere; 2 lines. Bar and lines go to standard error.
        callbacks
            A list of `Callback` objects, or a single one.
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
        steps_per_epoch, validation_steps
            How many batches to take; where they have no length, as generators, this has to be said.

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
        once, and gives that up; so do batches that came one by one, which cannot come again.)
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
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
        )
        settings = settings.for_data(data)
        batch_size, iterations = settings.batch_size, data.iterations(settings.batch_size)
        optimizer = self._optimizer(optimizer, settings.loss, batch_size, data.input_shape)
        together = world()
        make_bar = make_progress(
            verbose if together.first else 0,
            settings.epochs,
            iterations,
            data.images,
            len(history or ()),
        )
        self._claim()
        self._take(data, settings.seed)
        self.classes, self.loss, self.optimizer = data.classes, settings.loss, optimizer
        if history is None or history is not self.history:
            self.best_weights = []
        record = self.history = history or History(settings.loss, iterations)
        record.weighted = record.weighted or data.train.weights is not None
        self.interrupted, self.interrupt_signal, self.stop_training = False, None, False
        self.forget_calibration()
        self.learning_rate_factor = 1.0
        done = len(record.iteration_loss)
        plan = settings.plan(optimizer, lambda: self.learning_rate_factor, data, done)
        position, network = self._position, self._built_network()
        data = self._past_fixed_layers(data, verbose)
        if position.key != plan.key(len(data.train)):  # nor is that of a stream ever
            position.drop_epoch_in_progress()
        facts = settings.facts(data, position.epoch, sample_weight is not None)
        ends = EpochEnds(self, facts, position, record, hooks, restore_best_weights)
        hooks.set_model(self)
        hooks.set_size(settings.size(data, len(record), position.iteration))
        progress, interrupt = make_bar(), self._begin_to_listen()
        loop = TrainingLoop(
            network, plan, data, position, record, progress, ends, interrupt, together
        )
        try:
            hooks.on_train_begin()
            loop.run()
        except KeyboardInterrupt as stop:
            self.interrupt_signal = stopping_signal(stop)
        except BaseException as error:
            position.drop_epoch_in_progress()
            network.show_average(True)
            ends.restore_best()
            hooks.on_train_error(error)
            raise
        finally:
            self._release(progress)
        self.interrupt_signal = Agreement(together).on_signal(self.interrupt_signal)
        self.interrupted = self.interrupt_signal is not None
        network.show_average(True)  # Where training ended within an epoch.
        hooks.on_train_end()
        ends.restore_best()
        return record

    def interrupt(self) -> None:
        """End the `fit` that runs just now as Ctrl-C does, also from another thread.

        It ends after the steps in progress, `interrupted` becomes True, and a further `fit` can
        take up the epoch. Without a `fit` nothing happens.
        """
        if self._interrupt is not None:
            self._interrupt.ask()

    def save(self, path: str | os.PathLike[str], include_optimizer: bool = True) -> None:
        """Write weights, classes, preprocessing and training facts as one .safetensors file.

        Parameters
        ----------
        path
            The file; its name must not end as files of another format do (.h5, .pt, .onnx).
        include_optimizer
            Keep what the optimizer remembers, too, so that `nncore.load` and `fit` go on as a
            second `fit` would have. That makes the file twice as large with momentum, three times
            with Adam.

        Raises
        ------
        ValueError
            The model is not built, a weight is not finite, or the name is of another format.
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
        contents = ModelContents(
            self.name,
            self._stack.layers,
            self._stack.names,
            tuple(network.input_shape),
            self.get_parameters() | self._inputs.tensors() | self._assurances.tensors(),
            self.classes,
            self.preprocessing,
            self._inputs.to_dict(),
            self.loss,
            self.optimizer,
            self.facts,
            resume,
            self.temperature,
            self._assurances.to_dict(),
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
        data = self._past_fixed_layers(prepare(self._known(), x, y).in_memory(), verbose)
        return data.train

    # -- inside

    def _past_fixed_layers(self, data: Prepared, verbose: int | str) -> Prepared:
        """With augmentation the images change from epoch to epoch: then as they are; and so where
        they come batch by batch."""
        if data.augmentation is not None or data.streamed is not None:
            return data
        if data.validation is None:
            (train,) = self._extracted([data.train], verbose)
            return dataclasses.replace(data, train=train)
        train, validation = self._extracted([data.train, data.validation], verbose)
        return dataclasses.replace(data, train=train, validation=validation)

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

    def _take(self, data: Prepared, seed: int) -> None:
        """Get ready for `data`: weights, inputs and preprocessing; classes stay."""
        if self._network is None:
            self.build(data.input_shape, seed)
        self._inputs = data.inputs
        if self.preprocessing is None:
            self._set_preprocessing(data.preprocessing)
