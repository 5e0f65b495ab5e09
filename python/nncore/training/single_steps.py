"""Single training steps on one batch, to take and to look into."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from nncore.array_protocols import native
from nncore.errors import TrainingError
from nncore.layers import Shape
from nncore.losses import check_loss
from nncore.optimizers import SGD, Optimizer, checked_optimizer, default_optimizer
from nncore.training.explain import ExplainedStep, explain_step
from nncore.training.images.arrays import image_array, step_targets
from nncore.training.layered_model import LayeredModel

if TYPE_CHECKING:
    from nncore import _core


class SteppedModel(LayeredModel):
    """A model that can be trained by hand, step by step."""

    def train_step(
        self,
        x: ArrayLike,
        y: ArrayLike,
        loss: str = "cross_entropy",
        optimizer: Optimizer | str | None = None,
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
        self.forget_calibration()
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

    def apply_gradients(self, optimizer: Optimizer | str | None = None) -> None:
        """Update the weights with the gradients of the last `compute_gradients`.

        By default with `SGD()`. Of a schedule this takes the largest learning rate. The moving
        averages of BatchNormalization layers take in that batch, as in `train_step`.
        """
        self.forget_calibration()
        self._built_network().apply_gradients(_or_sgd(optimizer).for_core())

    def explain_step(
        self,
        x: ArrayLike,
        y: ArrayLike,
        loss: str = "mse",
        optimizer: Optimizer | str | None = None,
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
        self.forget_calibration()
        step = explain_step(network, images, targets, loss_name, _or_sgd(optimizer))
        if print:
            builtins.print(step)
        return step

    def default_optimizer(self, loss: str = "cross_entropy", batch_size: int = 32) -> Optimizer:
        """What `fit` uses when it is given no optimizer; the model must be built."""
        shape = tuple(self._built_network().input_shape)
        return self._optimizer(None, check_loss(loss), batch_size, shape)

    # -- inside

    def _optimizer(
        self, optimizer: Optimizer | str | None, loss: str, batch_size: int, input_shape: Shape
    ) -> Optimizer:
        if optimizer is not None:
            return checked_optimizer(optimizer)
        return default_optimizer(loss, batch_size, inputs=self._stack.largest_fan_in(input_shape))

    def _batch(
        self, x: ArrayLike, y: ArrayLike, loss: str
    ) -> tuple[_core.Network, _core.Images, _core.Targets, _core.LossName]:
        """Checked arguments of a single step; builds the network (seed 0) if need be."""
        loss_name = check_loss(loss)
        x, y = native(x, "x"), native(y, "y")
        given = image_array(x, self._inputs.image_shape(self.input_shape))
        images = self._inputs.of(x, given)
        assert isinstance(images, np.ndarray)
        units = self._stack.output_size(images.shape[1:])
        targets = step_targets(y, len(images), units, loss_name)
        if self._network is None:
            self.build(images.shape[1:])
        self.loss = self.loss or loss_name
        return self._built_network(), images, targets, loss_name


def _or_sgd(optimizer: Optimizer | str | None) -> Optimizer:
    return SGD() if optimizer is None else checked_optimizer(optimizer)
