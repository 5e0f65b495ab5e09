"""Train on NumPy arrays, with a callback that ends the training when it is good enough.

python examples/arrays.py
"""

from __future__ import annotations

import numpy as np

import nncore as nn


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures with a bar that lies (0) or stands (1): uint8 (N, 12, 12), int (N,)."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 120, (count, 12, 12))
    labels = rng.integers(0, 2, count)
    for image, label, place in zip(images, labels, rng.integers(1, 11, count), strict=True):
        if label == 0:
            image[place] += 100
        else:
            image[:, place] += 100
    return images.astype(np.uint8), labels


class GoodEnough(nn.Callback):
    """Ends the training after the first epoch that reaches this validation accuracy."""

    def __init__(self, accuracy: float) -> None:
        self.accuracy = accuracy

    def on_epoch_end(self, epoch, logs):
        if logs["val_accuracy"] >= self.accuracy:
            self.model.stop_training = True


def main() -> None:
    model = nn.Sequential([nn.Flatten(), nn.Dense(32, activation="relu"), nn.Dense(2)])
    history = model.fit(
        *pictures(1000, seed=1),
        validation_data=pictures(200, seed=2),
        epochs=50,
        callbacks=[GoodEnough(0.97)],
        verbose=0,
    )
    model.summary()
    print(f"{len(history)} epochs were enough")
    print(model.evaluate(*pictures(500, seed=3)))


if __name__ == "__main__":
    main()
