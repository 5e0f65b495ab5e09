"""The training loop: epochs, blocks of steps, validation, and the ways in which training ends.

B is the batch size, N the number of training images. All arithmetic on tensors is in the engine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nncore.data.augmentation import Augmentation
from nncore.data.mapped import MappedImages
from nncore.errors import TrainingError
from nncore.training.history import History
from nncore.training.interrupt import Interrupt
from nncore.training.progress import Progress

if TYPE_CHECKING:
    from nncore import _core
    from nncore.training.arrays import ImagesOrMapped

_BLOCK_SECONDS = 0.05  # Between two looks at Ctrl-C and the progress bar.
_EVALUATION_BLOCK = 4096  # Images between two looks at Ctrl-C.


class NonFiniteLossError(TrainingError):
    """The loss became NaN or infinite.

    Attributes
    ----------
    epoch
        Epoch in which it happened, from 1.
    iteration
        Iteration of that epoch, from 1; None where it was seen after the epoch's last one.
    history
        The epochs that were finished before.
    """

    def __init__(self, message: str, epoch: int, iteration: int | None, history: History) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.iteration = iteration
        self.history = history


@dataclass
class Position:
    """Where training stands: with weights and optimizer state, all that resuming needs.

    Attributes
    ----------
    epoch
        Epochs finished since the weights were initialised; the next one's shuffle depends on it.
    iteration_loss, correct, seconds
        Of the epoch in progress: mean loss per image of each iteration so far, images classified
        correctly, time spent. Empty and 0 between epochs.
    key
        What the epoch in progress belongs to: N, B, seed and loss. Under other settings it cannot
        be continued, and the next `fit` begins a new epoch.
    """

    epoch: int = 0
    iteration_loss: list[float] = field(default_factory=list)
    correct: int = 0
    seconds: float = 0.0
    key: tuple[int, int, int, str] | None = None

    @property
    def iteration(self) -> int:
        """Iterations done in the epoch in progress."""
        return len(self.iteration_loss)

    def drop_epoch_in_progress(self) -> None:
        """Begin the next epoch afresh, with a shuffle that was not begun yet."""
        if self.iteration:
            self.epoch += 1
        self.iteration_loss, self.correct, self.seconds, self.key = [], 0, 0.0, None

    def finish_epoch(self) -> None:
        self.epoch += 1
        self.iteration_loss, self.correct, self.seconds, self.key = [], 0, 0.0, None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; floats come back bit for bit."""
        return {
            "epoch": self.epoch,
            "iteration_loss": list(self.iteration_loss),
            "correct": self.correct,
            "seconds": self.seconds,
            "key": None if self.key is None else list(self.key),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Position:
        """Inverse of `to_dict`; ValueError, TypeError or KeyError for anything else."""
        key = data["key"]
        if key is not None:
            images, batch_size, seed, loss = key
            key = (_count(images), _count(batch_size), _count(seed), str(loss))
        losses = [float(value) for value in data["iteration_loss"]]
        if not all(map(math.isfinite, losses)):
            raise ValueError("iteration_loss is not finite")
        epoch = _count(data["epoch"])
        if epoch >= 2**31:
            raise ValueError(f"{epoch} epochs cannot be")
        return cls(
            epoch=epoch,
            iteration_loss=losses,
            correct=_count(data["correct"]),
            seconds=float(data["seconds"]),
            key=key,
        )


@dataclass(frozen=True)
class TrainingFacts:
    """What a model file tells about the training, for people; nothing depends on it.

    Attributes
    ----------
    epochs
        Finished since the weights were initialised.
    seed, images, batch_size
        Of the last call of `fit`: seed of the shuffles, training images, images per step.
    metrics
        loss, accuracy, val_loss, val_accuracy of the last finished epoch, as far as known.
    augmentation
        Its settings (as `Augmentation.to_dict`) in the last call of `fit`; None without.
    class_weight
        Weight of each class in the last call of `fit`; None without.
    sample_weight
        Whether images had weights of their own.
    """

    epochs: int
    seed: int
    images: int
    batch_size: int
    metrics: dict[str, float]
    augmentation: dict[str, Any] | None = None
    class_weight: dict[str, float] | None = None
    sample_weight: bool = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainingFacts:
        """Inverse of `dataclasses.asdict`; ValueError, TypeError or KeyError for anything else.

        The facts of older files, without augmentation and weights, are understood, too.
        """
        augmentation, class_weight = data.get("augmentation"), data.get("class_weight")
        if augmentation is not None:
            augmentation = Augmentation.from_dict(augmentation).to_dict()
        if class_weight is not None:
            class_weight = {str(name): float(value) for name, value in class_weight.items()}
        return cls(
            epochs=_count(data["epochs"]),
            seed=_count(data["seed"]),
            images=_count(data["images"]),
            batch_size=_count(data["batch_size"]),
            metrics={str(name): float(value) for name, value in data["metrics"].items()},
            augmentation=augmentation,
            class_weight=class_weight,
            sample_weight=bool(data.get("sample_weight", False)),
        )


@dataclass(frozen=True)
class LabelledArrays:
    """What the engine trains on: images (N, *input_shape), targets (N,) or (N, K), weights (N,)."""

    images: ImagesOrMapped
    targets: _core.Targets
    weights: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def in_memory(self) -> tuple[_core.Images, NDArray[np.int32] | None]:
        """An array that the engine can address, and which of its images are meant (None: all)."""
        if isinstance(self.images, MappedImages):
            return np.asarray(self.images.source), self.images.rows
        return self.images, None


@dataclass(frozen=True)
class TrainingPlan:
    """The settings of one call of `fit`."""

    epochs: int
    batch_size: int
    loss: _core.LossName
    optimizer: _core.Optimizer
    # Of the iterations first, first + 1, ... since the history began.
    learning_rates: Callable[[int, int], NDArray[np.float64]]
    seed: int
    augmentation: _core.Augmentation | None = None
    label_smoothing: float = 0.0


class TrainingLoop:
    """One call of `fit`. `position` and `history` are updated in place as epochs finish.

    `on_block_end` is called after each block of steps within an epoch, `on_epoch_end` after each
    epoch; both return whether to go on.
    """

    def __init__(
        self,
        network: _core.Network,
        plan: TrainingPlan,
        train: LabelledArrays,
        validation: LabelledArrays | None,
        position: Position,
        history: History,
        progress: Progress,
        on_block_end: Callable[[], bool],
        on_epoch_end: Callable[[], bool],
    ) -> None:
        self.network, self.plan = network, plan
        self.train, self.validation = train, validation
        self.position, self.history = position, history
        self.progress = progress
        self.on_block_end, self.on_epoch_end = on_block_end, on_epoch_end
        self.learning_rate = math.nan  # of the last iteration
        self.iterations = math.ceil(len(train) / plan.batch_size)
        # Number of steps per call of the engine. It decides how soon Python looks up, never what
        # is computed.
        self.block = 1

    def run(self) -> bool:
        """Train; True if all epochs were done, False if Ctrl-C or a callback ended it earlier.

        Raises
        ------
        NonFiniteLossError
            The loss or a weight became NaN or infinite.
        """
        with Interrupt() as interrupt:
            for number in range(1, self.plan.epochs + 1):
                if not self._train_epoch(number, interrupt):
                    return False
                started = time.perf_counter()
                # With a moving average of the weights, that is what is measured and saved.
                self.network.show_average(True)
                validation = self._validate(interrupt)
                self._refuse_non_finite_weights()
                self.position.seconds += time.perf_counter() - started
                self._finish_epoch(number, validation)
                if not self.on_epoch_end():
                    return number == self.plan.epochs
                interrupt.check()
        return True

    def _train_epoch(self, number: int, interrupt: Interrupt) -> bool:
        from nncore import _core

        plan, position = self.plan, self.position
        key = (len(self.train), plan.batch_size, plan.seed, plan.loss)
        images, rows = self.train.in_memory()
        order = _core.shuffled_indices(plan.seed, position.epoch, len(self.train))
        while position.iteration < self.iterations:
            steps = min(self.block, self.iterations - position.iteration)
            first = position.iteration * plan.batch_size
            indices = order[first : first + steps * plan.batch_size]
            rates = plan.learning_rates(
                len(self.history.iteration_loss) + position.iteration, steps
            )
            self.learning_rate = float(rates[-1])
            started = time.perf_counter()
            # Should an exception strike before the steps are recorded (a second Ctrl-C), then the
            # epoch has no key, and `fit` will not continue it from a wrong position.
            position.key = None
            losses, correct = self.network.train_steps(
                images,
                self.train.targets,
                indices,
                plan.batch_size,
                plan.loss,
                plan.optimizer,
                plan.seed,
                position.epoch,
                plan.augmentation,
                self.train.weights,
                rates,
                plan.label_smoothing,
                rows=rows,
            )
            elapsed = time.perf_counter() - started
            if not math.isfinite(losses[-1]):
                raise self._non_finite_loss(position.iteration + len(losses))
            self._record(losses, correct, elapsed, len(indices))
            position.key = key
            self._adapt_block(steps, elapsed)
            done = min(position.iteration * plan.batch_size, len(self.train))
            self.progress.iterations(number, position.iteration, self._epoch_loss(done))
            interrupt.check()
            if position.iteration < self.iterations and not self.on_block_end():
                return False
        return True

    def _record(
        self,
        losses: NDArray[np.float64],
        correct: NDArray[np.int64],
        seconds: float,
        images: int,
    ) -> None:
        # The engine's losses are the batch's mean, or its sum for sse; the record is per image.
        values = losses.tolist()
        if self.plan.loss == "sse":
            size = self.plan.batch_size
            last = images - size * (len(values) - 1)
            values = [*(v / size for v in values[:-1]), values[-1] / last]
        self.position.iteration_loss.extend(values)
        self.position.correct += int(correct.sum())
        self.position.seconds += seconds

    def _adapt_block(self, steps: int, seconds: float) -> None:
        fitting = int(steps * _BLOCK_SECONDS / max(seconds, 1e-9))
        # Growing at most fourfold: the first measurement includes warming up.
        self.block = max(1, min(fitting, 4 * self.block))

    def _epoch_loss(self, images: int) -> float:
        """Mean over the `images` seen in this epoch; exact, so that blocks cannot change it."""
        losses, size = self.position.iteration_loss, self.plan.batch_size
        last = images - size * (len(losses) - 1)
        return (math.fsum(losses[:-1]) * size + losses[-1] * last) / images

    def _validate(self, interrupt: Interrupt) -> tuple[float, float] | None:
        if self.validation is None:
            return None
        outputs, losses = evaluate_arrays(
            self.network, self.validation, self.plan.loss, interrupt.check
        )
        loss = math.nan
        if np.isfinite(losses).all():
            loss = loss_of_all(self.network, losses, self.plan.loss)
        if not math.isfinite(loss):
            raise self._diverged("the validation loss is not finite")
        truth = self.validation.targets
        return loss, int((outputs.argmax(axis=1) == truth).sum()) / len(truth)

    def _finish_epoch(self, number: int, validation: tuple[float, float] | None) -> None:
        images = len(self.train)
        val_loss, val_accuracy = validation or (None, None)
        self.history.append_epoch(
            self._epoch_loss(images),
            self.position.correct / images,
            val_loss,
            val_accuracy,
            seconds=self.position.seconds,
            learning_rate=self.learning_rate,
            iteration_loss=self.position.iteration_loss,
        )
        self.position.finish_epoch()
        self.progress.epoch(self.history, number)

    def _refuse_non_finite_weights(self) -> None:
        # The last update of an epoch can overflow without any later loss to show it.
        name = self.network.non_finite_parameter()
        if name is not None:
            raise self._diverged(f"{name} is not finite")

    def _non_finite_loss(self, iteration: int) -> NonFiniteLossError:
        epoch = self.position.epoch + 1
        return NonFiniteLossError(
            f"the loss is not finite in epoch {epoch}, iteration {iteration}: {self._cause()}",
            epoch,
            iteration,
            self.history,
        )

    def _diverged(self, what: str) -> NonFiniteLossError:
        epoch = self.position.epoch + 1
        message = f"{what} after epoch {epoch}: {self._cause()}"
        return NonFiniteLossError(message, epoch, None, self.history)

    def _cause(self) -> str:
        rate = self.learning_rate
        cause = f"the learning rate {rate:g} is probably too high; try {rate / 10:g}"
        images = self.train.images
        if not isinstance(images, MappedImages) and images.dtype != np.uint8:
            largest = max(abs(float(images.min())), float(images.max()))
            if largest > 10:
                cause += (
                    f", and float images are used as they are: theirs reach {largest:g} "
                    "(pass uint8, or scale them to about [-1, 1])"
                )
        return cause


def evaluate_arrays(
    network: _core.Network,
    data: LabelledArrays,
    loss: _core.LossName,
    between_blocks: Callable[[], None] = lambda: None,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Outputs (N, K) and loss (N,) of each image, in blocks with `between_blocks` after each."""
    outputs, losses = [], []
    for start in range(0, len(data), _EVALUATION_BLOCK):
        block = slice(start, start + _EVALUATION_BLOCK)
        block_outputs, block_losses = network.evaluate(
            data.images[block], data.targets[block], loss
        )
        outputs.append(block_outputs)
        losses.append(block_losses)
        between_blocks()
    return np.concatenate(outputs), np.concatenate(losses)


def loss_of_all(network: _core.Network, losses: NDArray[np.float64], loss: str) -> float:
    """The loss of all images as one batch, per image: their mean `losses` (N,) and the penalty.

    For sse the penalty, which is added to the sum over a batch, is divided by N like the sum.
    """
    penalty = network.penalty() / (len(losses) if loss == "sse" else 1)
    return math.fsum(losses) / len(losses) + penalty


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value
