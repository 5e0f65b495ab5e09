"""The training loop: epochs, blocks of steps, validation, and the ways in which training ends.

B is the batch size, N the number of training images. All arithmetic on tensors is in the engine.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from nncore.data.mapped import MappedImages
from nncore.distributed import World
from nncore.errors import TrainingError
from nncore.process.team import together
from nncore.training.agreement import Agreement, digest
from nncore.training.answers.evaluation import loss_of_all, right_answers
from nncore.training.history import History
from nncore.training.images.batches import Batches, Block
from nncore.training.images.prepared import Prepared
from nncore.training.interrupt import Interrupt
from nncore.training.position import Position
from nncore.training.progress import Progress

if TYPE_CHECKING:
    from nncore import _core

_BLOCK_SECONDS = 0.05  # Between two looks at Ctrl-C and the progress bar.


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

    def key(self, images: int) -> tuple[int, int, int, str]:
        """`Position.key` of a training on so many images."""
        return images, self.batch_size, self.seed, self.loss


class Ends(Protocol):
    """What the loop calls between its parts; those at an end return whether to go on."""

    def on_steps_end(self, steps: int, loss: float) -> object:
        """After each block of steps, so many of the epoch being done; its answer is not used."""

    def on_block_end(self) -> bool:
        """After each block of steps within an epoch."""

    def on_epoch_end(self) -> bool:
        """After each epoch."""


class TrainingLoop:
    """One call of `fit`. `position` and `history` are updated in place as epochs finish."""

    def __init__(
        self,
        network: _core.Network,
        plan: TrainingPlan,
        data: Prepared,
        position: Position,
        history: History,
        progress: Progress,
        ends: Ends,
        interrupt: Interrupt,
        world: World,
    ) -> None:
        self.network, self.plan = network, plan
        self.train, self.validation = data.train, data.validation
        self.batches: Batches = data.batches(plan.batch_size, plan.seed)
        self.key = None if self.batches.one_by_one else plan.key(len(data.train))
        self.position, self.history = position, history
        self.progress, self.ends, self.interrupt = progress, ends, interrupt
        self.world, self.agreement = world, Agreement(world)
        self.learning_rate = math.nan  # of the last iteration
        self.iterations = self.batches.iterations
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
        self._check_alike()
        with self.interrupt as interrupt:
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
                if not self.agreement.on(self.ends.on_epoch_end):
                    return number == self.plan.epochs
                self._check(interrupt)
        return True

    def _check(self, interrupt: Interrupt) -> None:
        """KeyboardInterrupt in all processes if one of them was asked to end."""

        def check() -> bool:
            interrupt.check()
            return True

        self.agreement.on(check)

    def _check_alike(self) -> None:
        if self.world.alone:
            return
        network, plan, train, validation = self.network, self.plan, self.train, self.validation
        names = network.parameter_names()
        self.agreement.check_alike(
            {
                "epochs, batch size, seed, loss or label smoothing": (
                    plan.epochs,
                    plan.batch_size,
                    plan.seed,
                    plan.loss,
                    plan.label_smoothing,
                ),
                "numbers of batches": self.iterations,
                "numbers of images": (len(train), None if validation is None else len(validation)),
                "labels": digest(train.targets.tobytes()),
                "weights": digest(*(network.get_parameter(name).tobytes() for name in names)),
                "positions": (self.position.epoch, self.position.iteration, len(self.history)),
            }
        )

    def _train_epoch(self, number: int, interrupt: Interrupt) -> bool:
        plan, position = self.plan, self.position
        self.batches.begin_epoch(position.epoch)
        if position.iteration:  # what is left of the epoch may be no step, only the validation
            done = len(self.history.iteration_loss) + position.iteration
            self.learning_rate = float(plan.learning_rates(done - 1, 1)[0])
        looked = time.perf_counter()
        while position.iteration < self.iterations:
            started = time.perf_counter()
            steps = min(self.block, self.iterations - position.iteration)
            self._train_block(self._block(position.iteration, steps), started)
            ended = time.perf_counter()
            unfinished = position.iteration < self.iterations
            soon = ended - looked < _BLOCK_SECONDS
            if self.batches.one_by_one and unfinished and self.world.from_first(soon):
                continue
            looked = ended
            self._adapt_block(steps, ended - started)
            if not self.agreement.on(functools.partial(self._block_end, number, interrupt)):
                return False
        return True

    def _block(self, iteration: int, steps: int) -> Block:
        """The next images: where they come one by one, as many for all processes, or for none."""
        if self.world.alone or not self.batches.one_by_one:
            return self.batches.block(iteration, steps)
        taken: list[Block] = []

        def take() -> bool:
            taken.append(self.batches.block(iteration, steps))
            return True

        self.agreement.on(take)
        (block,) = taken
        self.agreement.check_alike(
            {
                f"numbers of images of batch {iteration + 1}": len(block.indices),
                f"labels of batch {iteration + 1}": digest(block.data.targets.tobytes()),
            }
        )
        return block

    def _block_end(self, number: int, interrupt: Interrupt) -> bool:
        """Whether to go on within the epoch."""
        done, loss = self.position.iteration, self._epoch_loss()
        self.progress.iterations(number, done, loss)
        self.ends.on_steps_end(done, loss)
        interrupt.check()
        return done == self.iterations or self.ends.on_block_end()

    def _train_block(self, block: Block, started: float) -> None:
        plan, position = self.plan, self.position
        done = len(self.history.iteration_loss) + position.iteration
        rates = plan.learning_rates(done, block.steps)
        self.learning_rate = float(rates[-1])
        # Should an exception strike before the steps are recorded (a second Ctrl-C), then the
        # epoch has no key, and `fit` will not continue it from a wrong position.
        position.key = None
        losses, correct = self.network.train_steps(
            block.images,
            block.data.targets,
            block.indices,
            block.batch_size,
            plan.loss,
            plan.optimizer,
            plan.seed,
            block.epoch,
            plan.augmentation,
            block.data.weights,
            rates,
            plan.label_smoothing,
            rows=block.rows,
            extracted=block.data.extracted,
            exchange=self.world.for_engine(),
        )
        if not math.isfinite(losses[-1]):
            raise self._non_finite_loss(position.iteration + len(losses))
        self._record(losses, correct, time.perf_counter() - started)
        position.key = self.key

    def _record(
        self, losses: NDArray[np.float64], correct: NDArray[np.int64], seconds: float
    ) -> None:
        # The engine's losses are the batch's mean, or its sum for sse; the record is per image.
        values = losses.tolist()
        if self.plan.loss == "sse":
            sizes = self.batches.sizes(self.position.iteration + len(values))
            values = [v / size for v, size in zip(values, sizes[-len(values) :], strict=True)]
        self.position.iteration_loss.extend(values)
        self.position.correct += int(correct.sum())
        self.position.seconds += seconds

    def _adapt_block(self, steps: int, seconds: float) -> None:
        fitting = int(steps * _BLOCK_SECONDS / max(seconds, 1e-9))
        # Growing at most fourfold: the first measurement includes warming up.
        self.block = self.world.from_first(max(1, min(fitting, 4 * self.block)))

    def _epoch_loss(self) -> float:
        """Mean over the images seen in this epoch."""
        return self.batches.mean_loss(self.position.iteration_loss)

    def _validate(self, interrupt: Interrupt) -> tuple[float, float] | None:
        if self.validation is None:
            return None
        with together(self.world):
            right, losses = right_answers(
                self.network, self.validation, self.plan.loss, lambda: self._check(interrupt)
            )
        loss = math.nan
        if np.isfinite(losses).all():
            loss = loss_of_all(self.network, losses, self.plan.loss)
        if not math.isfinite(loss):
            raise self._diverged("the validation loss is not finite")
        return loss, right / len(self.validation)

    def _finish_epoch(self, number: int, validation: tuple[float, float] | None) -> None:
        images = self.batches.images_of(self.position.iteration)
        val_loss, val_accuracy = validation or (None, None)
        self.history.append_epoch(
            self._epoch_loss(),
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
