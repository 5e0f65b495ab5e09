"""`ImageClassifier`: a network of nncore as a classifier of scikit-learn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from nncore.data.augmentation import PRESETS, Augmentation
from nncore.data.labels.class_map import ClassMap
from nncore.data.preprocessing import Preprocessing
from nncore.layers import Layer
from nncore.optimizers import OPTIMIZERS, Optimizer
from nncore.sklearn.inputs import checked_arrays, checked_training_arrays, pictures_of
from nncore.sklearn.networks import plan_for, steady
from nncore.sklearn.samples import Samples, weighted
from nncore.sklearn.threads import keep_to_the_share_of_this_worker
from nncore.training.callbacks import Callback, EarlyStopping
from nncore.training.history import History
from nncore.training.images.labelled import numbered_classes
from nncore.training.model import Sequential
from nncore.training.settings import SCHEDULES, TrainingSettings

F32 = NDArray[np.float32]


class ImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A neural network for images that is a classifier of scikit-learn.

    X is images, (n, height, width) or (n, height, width, channels); or rows of numbers (n,
    features), which `image_shape` may declare to be images; or n files or PIL images, as a list or
    a column. uint8 is scaled to 0 to 1, anything else becomes float32. The same data, parameters
    and `random_state` give the same weights, bit for bit, on any number of threads and in whatever
    order the samples come.

    Parameters
    ----------
    model : str, list of layers or Sequential, default="auto"
        "auto" looks at the data: a small residual network as `nncore.recipe` chooses it for images,
        one hidden layer for rows. Or "linear", "mlp", "lenet", "cnn", "resnet"; or layers, the last
        of which has as many outputs as there are classes; or a `Sequential`, which is copied, and
        goes on from its weights if it is built.
    epochs : int, default=None
        How often to go through the samples. None: as the recipe says for "auto" and "resnet" on
        images; else until the training loss has not fallen by `tol` in `n_iter_no_change` epochs,
        and at most 200.
    batch_size : int, default=None
        Samples per step. None: by the number of samples.
    optimizer : {"sgd", "adam", "adamw", "rmsprop"} or Optimizer, default=None
        None is "adam".
    learning_rate : float, default=None
        The highest one of the schedule; None is the optimizer's own, or the recipe's. Not looked at
        where `optimizer` is an object.
    schedule : {"constant", "step", "exponential", "cosine", "one-cycle"}, default=None
        None: "one-cycle" in recipes, else "constant".
    weight_decay : float, default=None
        Of the optimizer.
    augment : {"off", "light", "medium", "strong"} or Augmentation, default=None
        Changes of the training images, other ones in each epoch. None: as the recipe says, else
        "off".
    class_weight : dict or "balanced", default=None
        As elsewhere in scikit-learn; multiplied by `sample_weight`.
    early_stopping : bool, default=False
        Set `validation_fraction` of the samples aside, end when the loss on them has not fallen by
        `tol` in `n_iter_no_change` epochs, and keep the weights of the best epoch.
    validation_fraction : float, default=0.1
        With early stopping, stratified.
    n_iter_no_change : int, default=10
        Epochs without gain that end a training.
    tol : float, default=1e-4
        Less is no gain.
    image_shape : tuple, default=None
        (height, width) or (height, width, channels): what each row of a two-dimensional X is, or
        what files are brought to. None: of files as `ImageDataset.from_folder` decides it.
    random_state : int, RandomState instance or None, default=None
        Decides on the first weights, the order of the samples, dropout, augmentation and the
        validation part.
    verbose : int, default=0
        As in `Sequential.fit`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    model_ : Sequential
        The trained network: `model_.save("m.safetensors")` writes a file for `nncore.load` and the
        command line.
    loss_ : float
        The training loss of the last epoch.
    loss_curve_ : list of float
        Of each epoch, measured while the weights change.
    validation_loss_curve_, validation_scores_ : list of float or None
        With early stopping, after each epoch: the loss and the accuracy on the validation part.
    best_validation_score_ : float or None
        The accuracy of the epoch whose weights were kept.
    n_iter_ : int
        Epochs, or calls of `partial_fit`.
    n_features_in_ : int
        Numbers per sample.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has some.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : Dense networks in NumPy.

    Notes
    -----
    Samples that are alike are one sample with the sum of their weights, so that a whole weight is
    the same as repetition, and 0 the same as absence, to the last bit. Pickles (and joblib's files)
    hold the network as its model file, which is checked when it is read.

    Ctrl-C ends training after the steps in progress; the estimator is fitted then, and
    KeyboardInterrupt goes on to end searches, too.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import cross_val_score
    >>> from nncore.sklearn import ImageClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = ImageClassifier("cnn", epochs=5, image_shape=(8, 8), random_state=0)
    >>> cross_val_score(classifier, X, y, cv=3).mean() > 0.9
    True
    """

    def __init__(
        self,
        model: str | Sequence[Layer] | Sequential = "auto",
        epochs: int | None = None,
        *,
        batch_size: int | None = None,
        optimizer: str | Optimizer | None = None,
        learning_rate: float | None = None,
        schedule: str | None = None,
        weight_decay: float | None = None,
        augment: str | Augmentation | None = None,
        class_weight: dict[Any, float] | str | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        image_shape: tuple[int, ...] | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.augment = augment
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.image_shape = image_shape
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> ImageClassifier:
        """Train a new network.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width[, channels]) or (n_samples, n_features)
            Images, or rows; or a list or column of n_samples files or PIL images.
        y : array-like of shape (n_samples,)
            Class labels of any kind.
        sample_weight : array-like of shape (n_samples,), default=None
            At least 0; what they add up to makes no difference.

        Returns
        -------
        self : ImageClassifier

        Raises
        ------
        ValueError, TypeError
            X, y or a parameter is wrong, or there are fewer than two classes.
        TrainingError
            The loss became infinite: the learning rate is too high.
        """
        images, labels = checked_training_arrays(self, X, y, self._reads_files_as(True), True)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        samples = self._samples(images, labels, numbers, sample_weight).distinct()
        present = self.classes_[np.unique(samples.labels)].tolist()
        if len(present) < 2:
            raise ValueError(
                f"a classifier needs at least two classes, and y holds one class: {present[0]!r}"
                + (" (besides those of weight 0)" if len(self.classes_) > 1 else "")
            )
        keep_to_the_share_of_this_worker()
        self._seed = _seed_of(self.random_state)
        train, validation = samples, None
        if self.early_stopping:
            train, validation = samples.parts(self.validation_fraction, self._seed)
        asked = self._asked()
        plan = plan_for(self.model, train, len(self.classes_), asked, validation is not None)
        self._take(plan.model, train)
        history = self._learn(train, validation, plan.settings, self._callbacks(plan.open_end))
        self.loss_curve_ = history.history["loss"]
        self.n_iter_ = len(history)
        self.validation_loss_curve_ = history.history.get("val_loss")
        self.validation_scores_ = history.history.get("val_accuracy")
        self.best_validation_score_ = None
        if self.validation_scores_:
            self.best_validation_score_ = self.validation_scores_[history.best_epoch() - 1]
        self._end()
        return self

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> ImageClassifier:
        """Go through these samples once, from the present weights.

        The learning rate is constant; `epochs` and `early_stopping` have no say.

        Parameters
        ----------
        X, y, sample_weight
            As of `fit`.
        classes : array-like of shape (n_classes,), default=None
            All classes there will ever be; the first call needs them.

        Returns
        -------
        self : ImageClassifier

        Raises
        ------
        ValueError, TypeError, TrainingError
            As of `fit`; classes that were not announced.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' cannot be known from a part of the samples: give the "
                "weights, for example as compute_class_weight('balanced', ...) finds them"
            )
        first = _check_partial_fit_first_call(self, classes)
        images, labels = checked_training_arrays(self, X, y, self._reads_files_as(first), first)
        unknown = np.setdiff1d(labels, self.classes_)
        if unknown.size:
            raise ValueError(
                f"y holds {unknown.tolist()[0]!r}, which is not one of the classes "
                f"{self.classes_.tolist()}"
            )
        numbers = np.searchsorted(self.classes_, labels)
        samples = self._samples(images, labels, numbers, sample_weight)
        keep_to_the_share_of_this_worker()
        asked = dataclasses.replace(self._asked(), epochs=1, schedule="constant")
        if first:
            self._seed = _seed_of(self.random_state)
            plan = plan_for(self.model, samples, len(self.classes_), asked, False)
            self._take(plan.model, samples)
            self.loss_curve_, self.n_iter_ = [], 0
        settings = asked.filled(steady(len(samples)))
        history = self._learn(samples, None, settings, [])
        self.loss_curve_ = [*self.loss_curve_, *history.history["loss"]]
        self.n_iter_ += 1
        self._end()
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each sample, (n_samples,); X as in `fit`."""
        probabilities = self.predict_proba(X)
        best: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return best

    def predict_proba(self, X: Any) -> F32:
        """Probabilities float32 (n_samples, n_classes), columns as `classes_`; X as in `fit`."""
        check_is_fitted(self)
        keep_to_the_share_of_this_worker()
        pictures = pictures_of(X)
        return self.model_.predict_proba(checked_arrays(self, X) if pictures is None else pictures)

    def predict_log_proba(self, X: Any) -> F32:
        """Logarithms of `predict_proba`; of 0 it is -inf."""
        with np.errstate(divide="ignore"):
            logarithms: F32 = np.log(self.predict_proba(X))
        return logarithms

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True  # nothing follows from it but what it says
        return tags

    # -- inside

    def _reads_files_as(self, first: bool) -> Preprocessing | None:
        """As the model does it that training begins with, if that knows."""
        model = self.model if first else self.model_
        return model.preprocessing if isinstance(model, Sequential) else None

    def _samples(
        self,
        images: NDArray[Any],
        labels: NDArray[Any],
        numbers: NDArray[np.intp],
        sample_weight: ArrayLike | None,
    ) -> Samples:
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, images, dtype=np.float64)
        if self.class_weight is not None:
            by_class = compute_sample_weight(self.class_weight, labels)
            weights = by_class if weights is None else weights * by_class
        return weighted(images, numbers, weights)

    def _asked(self) -> TrainingSettings:
        """What the parameters say of the training."""
        optimizer, augment = self.optimizer, self.augment
        for name, value, known in (
            ("optimizer", optimizer, OPTIMIZERS),
            ("schedule", self.schedule, SCHEDULES),
            ("augment", augment, PRESETS),
        ):
            if isinstance(value, str) and value not in known:
                raise ValueError(f"{name} is {value!r}; known: {', '.join(known)}")
        return TrainingSettings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=optimizer if isinstance(optimizer, str) else None,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            weight_decay=self.weight_decay,
            augment=augment if isinstance(augment, str) else None,
        )

    def _callbacks(self, open_end: bool) -> list[Callback]:
        if self.early_stopping:
            return [EarlyStopping("val_loss", self.tol, self.n_iter_no_change)]
        if open_end:
            return [EarlyStopping("loss", self.tol, self.n_iter_no_change)]
        return []

    def _take(self, model: Sequential, samples: Samples) -> None:
        """Make this model, with its first weights, the estimator's."""
        if not model.built:
            model.build(samples.images.shape[1:], self._seed)
        outputs = model.layers[-1].output_shape
        if outputs != (len(self.classes_),):
            raise ValueError(
                f"the last layer of model gives {outputs} numbers, but y has "
                f"{len(self.classes_)} classes: it needs one output per class"
            )
        try:
            model.classes = ClassMap.from_names(str(one) for one in self.classes_.tolist())
        except ValueError:  # no names, such as "" and "a" beside " a"
            model.classes = numbered_classes(len(self.classes_))
        self.model_ = model

    def _learn(
        self,
        train: Samples,
        validation: Samples | None,
        settings: TrainingSettings,
        callbacks: list[Callback],
    ) -> History:
        arguments = settings.fit_arguments(self.model_.default_optimizer, len(train))
        if isinstance(self.optimizer, Optimizer):
            arguments["optimizer"] = self.optimizer
        if isinstance(self.augment, Augmentation):
            arguments["augmentation"] = self.augment
        arguments |= {"callbacks": callbacks, "restore_best_weights": validation is not None}
        return self.model_.fit(
            train.images,
            train.labels,
            validation_data=None if validation is None else (validation.images, validation.labels),
            sample_weight=train.fit_weights(),
            seed=self._seed,
            verbose=self.verbose,
            **arguments,
        )

    def _end(self) -> None:
        """All is learnt; raises the KeyboardInterrupt that ended it before its time."""
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else math.nan
        if self.model_.interrupted:
            raise KeyboardInterrupt


def _seed_of(random_state: Any) -> int:
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
