"""scikit-learn's MLPClassifier: one `partial_fit` per epoch, without momentum and penalty.

What cannot be the same: `fit` shuffles by a generator of its own, so the epoch is put in order
outside (one gather of the whole data set) and `partial_fit` goes through it without shuffling. Its
checks of the data are part of the time, as they are for its users.
"""

from __future__ import annotations

import numpy as np
import sklearn
import threadpoolctl
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier
from task import Task
from works import CLASSES, F32, Dense

from contenders.base import Trainer as Base


class Trainer(Base):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        threadpoolctl.threadpool_limits(task.threads)
        hidden = [layer.units for layer in task.work.layers[:-1] if isinstance(layer, Dense)]
        self.classifier = MLPClassifier(
            hidden_layer_sizes=hidden,
            activation="relu",
            solver="sgd",
            alpha=0.0,
            batch_size=task.work.batch,
            learning_rate="constant",
            learning_rate_init=task.work.learning_rate,
            momentum=0.0,
            nesterovs_momentum=False,
            shuffle=False,
        )
        first = slice(0, task.work.batch)
        self.classifier.partial_fit(
            task.images[first], task.labels[first], classes=np.arange(CLASSES)
        )

    def reset(self) -> None:
        for kernel, bias, own_kernel, own_bias in zip(
            self.task.weights[::2],
            self.task.weights[1::2],
            self.classifier.coefs_,
            self.classifier.intercepts_,
            strict=True,
        ):
            own_kernel[...] = kernel
            own_bias[...] = bias

    def train(self, epochs: int) -> None:
        task = self.task
        for epoch in range(epochs):
            order = task.orders[epoch % len(task.orders)]
            self.classifier.partial_fit(task.images[order], task.labels[order])

    def log_probabilities(self, images: F32) -> NDArray[np.floating]:
        return np.log(self.classifier.predict_proba(images).astype(np.float64) + 1e-300)

    def versions(self) -> dict[str, str]:
        assert self.classifier.coefs_[0].dtype == np.float32
        return {"version": sklearn.__version__, "numpy": np.__version__}
