"""The numbers of the lesson (docs/lesson.md), computed by nncore itself.

python examples/lesson.py
"""

from __future__ import annotations

import numpy as np

import nncore as nn


def main() -> None:
    classes = nn.ClassMap.from_names(["Cat", "Dog", "Other"])
    print("class map:", classes)
    print("one-hot rows:", nn.one_hot([0, 1, 2], num_classes=3).tolist())

    truth = nn.one_hot([0], num_classes=3)
    answer = np.array([[0.37, 0.50, 0.13]], np.float32)
    print(f"SSE of a cat: {nn.kernels.sse(answer, truth)[0]:.4f}")
    print("the answer is", classes.name(int(answer.argmax())))

    weight, gradient = np.array([0.38], np.float32), np.array([-0.55], np.float32)
    nn.kernels.sgd_update(weight, gradient, learning_rate=0.01)
    print(f"W2 = 0.38 - (-0.55) * 0.01 = {weight[0]:.4f}")

    # The same step by a real network of one weight: loss (w * 1 - 0.655)^2, gradient -0.55 at 0.38.
    one = nn.Sequential([nn.Dense(1, use_bias=False)])
    one.build(1)
    one.set_weights([np.array([[0.38]], np.float32)])
    one.train_step([[1.0]], [[0.655]], loss="mse", optimizer=nn.SGD(0.01))
    print(f"by a network of one weight: {one.get_weights()[0][0, 0]:.4f}")

    # Two "images" of two pixels each, three classes: everything that one step computes.
    print()
    model = nn.Sequential([nn.Dense(3)])
    model.build(2, seed=0)
    images = np.array([[0.2, 0.9], [0.8, 0.1]], np.float32)
    model.explain_step(images, [0, 2], loss="mse", optimizer=nn.SGD(0.1))


if __name__ == "__main__":
    main()
