"""What a model says about images, and how good that is."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nncore.arguments import check_int, check_number
from nncore.data.dataset import ImageDataset
from nncore.data.reading.pictures import holds_pictures, is_path, sources_of
from nncore.data.reading.settings import CacheChoice
from nncore.habits import OF_EVALUATE, answering
from nncore.layers import Layer
from nncore.losses import SOFTMAX_LOSSES
from nncore.training.answers.answer_list import Answers
from nncore.training.answers.assurances import Assurances
from nncore.training.answers.blocks import in_blocks
from nncore.training.answers.calibration import Calibration, calibration_of
from nncore.training.answers.evaluation import answers_of, evaluate_arrays, loss_of_all
from nncore.training.answers.novelty import MOST_FEATURES, Novelty, descriptors_of
from nncore.training.answers.prediction_sets import TrueProbabilities
from nncore.training.answers.probabilities import logits_of, to_probabilities
from nncore.training.answers.report import Report
from nncore.training.images.batch_stream import stream_of
from nncore.training.images.fixed_layers import FixedLayers
from nncore.training.images.inputs import IMAGES_AT_ONCE, Inputs
from nncore.training.images.labelled import LabelledArrays, numbered_classes
from nncore.training.images.prepared import Known
from nncore.training.progress import fixed_layers_progress
from nncore.training.single_steps import SteppedModel

if TYPE_CHECKING:
    from nncore.data.labels.class_map import ClassMap
    from nncore.training.answers.predictions import Gathered, Predictions
    from nncore.training.images.arrays import ImagesOrMapped

F32 = NDArray[np.float32]


class AnsweringModel(SteppedModel):
    """A model that predicts, and that can be measured and calibrated."""

    def __init__(self, layers: Sequence[Layer], name: str | None, inputs: Inputs) -> None:
        super().__init__(layers, name, inputs)
        self._fixed_layers = FixedLayers()

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

    @property
    def largest_coverage(self) -> float | None:
        """The largest `coverage` that `predict` can promise; None before `calibrate`."""
        known = self._assurances.true_probabilities
        return None if known is None else known.largest_coverage

    @property
    def unknown(self) -> dict[str, Any] | None:
        """By what `predict` tells images that are none of the classes: how many `images` it was
        calibrated on, the share of `false_alarms` and so on; None where it cannot."""
        known = self._assurances.novelty
        return None if known is None else known.to_dict()

    @answering(OF_EVALUATE)
    def evaluate(
        self,
        x: ImageDataset | ArrayLike | Iterable[Any],
        y: ArrayLike | None = None,
        *,
        steps: int | None = None,
    ) -> Report:
        """How well the model does on labelled images; arguments as in `fit`.

        The classes of an `ImageDataset` are matched with the model's by name; it may lack some. Of
        batches that come one by one, `steps` are taken, or all there are; weights are not looked
        at.

        Raises
        ------
        DataError
            Classes that the model does not know, or another preprocessing than in training.
        ValueError, TypeError
            Arrays of a wrong shape or dtype, or a model that is not built.
        """
        network, loss = self._built_network(), self.loss or "cross_entropy"
        stream = stream_of(x, y, steps, steps_name="steps")
        sets: Iterable[tuple[Any, Any]] = [(x, y)]
        if stream is not None:
            sets = ((some, labels) for some, labels, _ in stream)
        elif not isinstance(x, ImageDataset):
            x = sources_of(x)
            sets = [(x, y)]
        uncalibrated = functools.partial(self._to_probabilities, temperature=1.0)
        without = None if self.temperature == 1.0 else uncalibrated
        parts = []
        for some, labels in sets:
            data = self._labelled(some, labels)
            parts.append(
                answers_of(
                    network,
                    data,
                    loss,
                    self._to_probabilities,
                    without,
                    self._assurances,
                    self._visible_head(data),
                )
            )
        return Report.from_answers(
            Answers.joined([answers for answers, _ in parts]),
            self._classes().names,
            loss_of_all(network, np.concatenate([losses for _, losses in parts]), loss),
            loss,
            paths=None if stream is not None else _paths_of(x),
            assurances=self._assurances,
        )

    @answering(OF_EVALUATE)
    def predict(
        self,
        x: Any,
        top_k: int = 1,
        *,
        coverage: float | None = None,
        max_pixels: int | None = None,
        skip_unusable: bool = False,
    ) -> Predictions:
        """The most probable classes of images.

        Parameters
        ----------
        x
            A file, a folder, a PIL image, a list or column of these, an array of one image or of
            several, an iterator of images or of batches, or an `ImageDataset` (labels are not
            looked at).
        top_k
            How many classes to list in `Prediction.top`, 1 to K.
        coverage
            Give each prediction the `set` of classes that holds the true one with at least this
            probability, such as 0.95, for images like those that the model was calibrated on.
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
            A bad `top_k` or `coverage`, an array of a wrong shape or dtype, or a model that is not
            calibrated, or on too few images, where a coverage is asked for.
        """
        from nncore.training.answers.predictions import predictions_of

        names = self._classes().names
        top_k = check_int("top_k", top_k, 1, len(names))
        threshold = None
        if coverage is not None:
            coverage = check_number("coverage", coverage, above=0, below=1)
            threshold = self._assurances.threshold(coverage)
        gathered = self._gathered(x, max_pixels, skip_unusable)
        return predictions_of(gathered, self._answers, names, top_k, threshold)

    def forward(self, x: Any) -> F32:
        """What the last layer gives for images, float32 (N, K); `x` as in `predict`.

        For a network whose last layer has no softmax, as most, these are the logits, which
        `predict_proba` divides by `temperature` before it takes their softmax.

        Raises
        ------
        DataError, ValueError, TypeError
            As of `predict`.
        """
        return self._outputs(self._gathered(x).images)

    def predict_proba(self, x: Any, *, calibrated: bool = True) -> F32:
        """Probabilities (N, K) of the classes, float32, rows adding up to 1; `x` as in `predict`.

        Softmax of the outputs after training with cross_entropy, which are divided by `temperature`
        before unless `calibrated` is False; after mse or sse, the nearest distribution to the
        outputs. See `nncore.training.answers.probabilities`.
        """
        temperature = self.temperature if calibrated else 1.0
        ready = self._inputs.at_once(x, self.preprocessing)
        if ready is not None and self._network is not None:
            last_is_softmax = self._stack.output_activation() == "softmax"
            if self._has_softmax and (temperature == 1.0 or not last_is_softmax):
                array, limits = ready
                result = self._network.probabilities(
                    array, not last_is_softmax, 1 / temperature, *limits
                )
                if result is not None:
                    return result
        return self._probabilities(self._gathered(x).images, temperature=temperature)

    def calibrate(self, x: ImageDataset | ArrayLike, y: ArrayLike | None = None) -> Calibration:
        """Choose `temperature` so that probabilities say how often they are right, and learn what
        `predict(..., coverage=0.95)` needs.

        It also learns to tell images that are none of the classes (`Prediction.unknown`), where the
        last layer with weights is a Dense one and there are at least three images of each class;
        see `nncore.training.answers.novelty`.

        Accuracy stays. Do it on images that the model has not learned from, such as those for
        validation, when training has ended; see `nncore.training.answers.calibration`.

        Parameters
        ----------
        x, y
            Labelled images, as in `evaluate`; at least 50.

        Returns
        -------
        Calibration
            The temperature, and the calibration error with and without it.

        Raises
        ------
        DataError
            As of `evaluate`.
        ValueError, TypeError
            Too few images, a loss without softmax (mse, sse), and what `evaluate` raises.
        """
        loss = self.loss or "cross_entropy"
        if not self._has_softmax:
            raise ValueError(
                f"a model that was trained with {loss} has no temperature: its outputs are not "
                "what stands before a softmax; train with cross_entropy"
            )
        data = self._labelled(x, y)
        outputs, descriptors = self._outputs_and_descriptors(data)
        return self.calibrate_by(outputs, np.asarray(data.targets, np.int64), descriptors)

    def calibrate_by(
        self, outputs: F32, labels: NDArray[np.integer], descriptors: F32 | None, folds: int = 0
    ) -> Calibration:
        """Calibrate the model by outputs (N, K) for images that gave no weight of what gave them,
        the numbers (N,) of their classes, and what `Novelty` makes of their features; `folds` is
        said of it, see `Calibration`.

        Raises
        ------
        ValueError
            They are too few.
        """
        logits = logits_of(outputs, self._stack.output_activation())
        found = dataclasses.replace(calibration_of(logits, labels), folds=folds)
        self.temperature = found.temperature
        true = TrueProbabilities.of(self._to_probabilities(outputs), labels)
        novelty = None
        if descriptors is not None:
            with contextlib.suppress(ValueError):  # too few of a class
                novelty = Novelty.of(descriptors, labels, outputs.shape[1])
        self._assurances = Assurances(true, novelty)
        return found

    # -- inside

    @property
    def _has_softmax(self) -> bool:
        """Whether probabilities are made by softmax, in the network or behind it."""
        last = self._stack.output_activation()
        return last == "softmax" or (self.loss or "cross_entropy") in SOFTMAX_LOSSES

    def _labelled(self, x: ImageDataset | ArrayLike, y: ArrayLike | None) -> LabelledArrays:
        """Images to measure the model on."""
        known = dataclasses.replace(self._known(), classes=self._classes())
        data = known.labelled(x, y)
        if self._fixed_layers.in_use:
            (data,) = self._extracted([data], 0)
        return data

    def _extracted(
        self, sets: Sequence[LabelledArrays], verbose: int | str
    ) -> Sequence[LabelledArrays]:
        network, layers = self._built_network(), self._fixed_layers
        with fixed_layers_progress(verbose) as seen:
            return layers.apply(network, sets, self._fixed_description, seen)

    def _known(self) -> Known:
        return Known(self._stack, self._inputs, self.input_shape, self.classes, self.preprocessing)

    def _classes(self) -> ClassMap:
        """The class names, "0" to "K-1" where training gave none."""
        return self.classes or numbered_classes(self._built_network().output_size)

    def _gathered(self, x: Any, max_pixels: int | None = None, skip: bool = False) -> Gathered:
        """Whatever `predict` accepts, as images."""
        # Not at the top: predicting arrays needs no decoder.
        from nncore.training.answers.predictions import gather_images

        shape = self._inputs.image_shape(tuple(self._built_network().input_shape))
        assert shape is not None
        gathered = gather_images(x, shape, self.preprocessing, max_pixels, skip)
        self._inputs.check_values(gathered.images, self.preprocessing)
        return gathered

    def _probabilities(
        self, images: ImagesOrMapped, first: int = 0, *, temperature: float | None = None
    ) -> F32:
        return self._to_probabilities(self._outputs(images), first, temperature=temperature)

    def _outputs(self, images: ImagesOrMapped) -> F32:
        network = self._built_network()

        def outputs(some: Any, positions: NDArray[np.intp]) -> tuple[F32]:
            return (network.forward(self._inputs.of_new(some)),)

        return in_blocks(images, IMAGES_AT_ONCE, outputs)[0]

    def _answers(self, images: ImagesOrMapped, first: int) -> tuple[F32, F32 | None]:
        """Probabilities (n, K), and how unknown the images are (n,), where that can be told."""
        novelty, head = self._assurances.novelty, self._head()
        if novelty is None or head is None:
            return self._probabilities(images, first), None
        network = self._built_network()

        def scored(some: Any, positions: NDArray[np.intp]) -> tuple[F32, F32]:
            given = self._inputs.of_new(some)
            outputs, features = network.forward_with_input_of(head[0], given)
            return outputs, novelty.scores(features)

        outputs, scores = in_blocks(images, _rows_at_once(head[1]), scored)
        return self._to_probabilities(outputs, first), scores

    def _outputs_and_descriptors(self, data: LabelledArrays) -> tuple[F32, F32 | None]:
        """Outputs (N, K), and what `Novelty` makes of the features before the last layer."""
        network, head = self._built_network(), self._visible_head(data)
        if head is None or head[1] > MOST_FEATURES:
            loss = self.loss or "cross_entropy"
            kept, _ = evaluate_arrays(network, data, loss, lambda block, _: block.outputs)
            return np.concatenate(kept), None

        def described(some: Any, positions: NDArray[np.intp]) -> tuple[F32, F32]:
            outputs, features = network.forward_with_input_of(head[0], some, data.extracted)
            return outputs, descriptors_of(features)

        outputs, descriptors = in_blocks(data.images, _rows_at_once(head[1]), described)
        return outputs, descriptors

    def _head(self) -> tuple[str, int] | None:
        return self._stack.head(tuple(self._built_network().input_shape))

    def _visible_head(self, data: LabelledArrays) -> tuple[str, int] | None:
        """The head, where what it reads can be seen: not if it is one of the layers that `data`
        have gone through."""
        network, head = self._built_network(), self._head()
        hidden = head is not None and data.extracted and not network.is_trained(f"{head[0]}/kernel")
        return None if hidden else head

    def _to_probabilities(
        self, outputs: F32, first: int = 0, *, temperature: float | None = None
    ) -> F32:
        return to_probabilities(
            outputs,
            first=first,
            last_activation=self._stack.output_activation(),
            loss=self.loss or "cross_entropy",
            temperature=self.temperature if temperature is None else temperature,
        )


def _rows_at_once(features: int) -> int:
    """So many images that their features stay small."""
    return max(1, min(IMAGES_AT_ONCE, (1 << 22) // features))


def _paths_of(x: Any) -> list[str] | None:
    """The files that images come from, "" for those that come from none; None where all do."""
    if isinstance(x, ImageDataset):
        return x.paths if any(x.paths) else None
    if not holds_pictures(x):
        return None
    return [os.fspath(one) if is_path(one) else "" for one in x]
