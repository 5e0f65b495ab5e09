"""Which images a report shows: the undecided and the typical ones."""

from __future__ import annotations

import numpy as np

from nncore.training.answers.answer_list import Answers
from nncore.training.answers.answered_images import typical_images, uncertain_images

NAMES = ("a", "b", "c")
SCORES = np.array(
    [
        [0.9, 0.06, 0.04],
        [0.95, 0.05, 0.0],
        [0.2, 0.41, 0.39],
        [0.0, 0.3, 0.7],
        [0.45, 0.1, 0.45],
        [0.95, 0.0, 0.05],
    ],
    np.float32,
)
ANSWERS = Answers.of(SCORES, np.array([0, 0, 1, 1, 2, 0]))
PATHS = [f"{number}.png" for number in range(6)]


def test_the_second_choice_is_known():
    assert ANSWERS.runner_up.tolist() == [1, 1, 2, 1, 2, 2]
    assert ANSWERS.runner_up_probability.tolist() == SCORES[range(6), ANSWERS.runner_up].tolist()
    assert ANSWERS.uncalibrated.tolist() == ANSWERS.probability.tolist()
    one = Answers.of(np.ones((2, 1), np.float32), np.zeros(2, int))
    assert one.runner_up.tolist() == [0, 0]


def test_the_undecided_come_first():
    found = uncertain_images(ANSWERS, NAMES, PATHS)
    assert [image.index for image in found][:3] == [4, 2, 3]
    first = found[0]
    assert (first.true, first.predicted, first.runner_up) == ("c", "a", "c")
    assert first.path == "4.png"
    assert first.probability == first.true_probability == first.runner_up_probability


def test_the_decided_are_few():
    k, n = 3, 40
    sure = np.tile(np.array([[0.9, 0.06, 0.04]], np.float32), (n, 1))
    sure[20:27] = [0.5, 0.3, 0.2]
    found = uncertain_images(Answers.of(sure, np.zeros(n, int)), NAMES[:k], None)
    assert [image.index for image in found] == list(range(20, 27))
    sure[20:27] = [0.9, 0.06, 0.04]
    assert len(uncertain_images(Answers.of(sure, np.zeros(n, int)), NAMES[:k], None)) == 5
    sure[:] = [0.5, 0.3, 0.2]
    assert len(uncertain_images(Answers.of(sure, np.zeros(n, int)), NAMES[:k], None)) == 20


def test_the_typical_are_right_and_sure_and_in_order_of_classes():
    found = typical_images(ANSWERS, NAMES, None)
    assert [(image.true, image.index) for image in found] == [
        ("a", 1),
        ("a", 5),
        ("a", 0),
        ("b", 2),
    ]
    assert found[0].path is None


def test_of_each_class_there_are_few():
    k = 20
    truth = np.repeat(np.arange(k), 7)
    answers = Answers.of(np.eye(k, dtype=np.float32)[truth], truth)
    found = typical_images(answers, [str(label) for label in range(k)], None)
    assert [image.index % 7 for image in found] == [0, 1] * k


def test_of_thousands_of_classes_those_with_the_most_mistakes():
    k = 3000
    truth = np.repeat(np.arange(k), 3)
    given = truth.copy()
    for label in (17, 2999, 5):
        given[3 * label + 1] = 0  # two of three stay right
    n = len(truth)
    sure = np.ones(n, np.float32)
    answers = Answers(truth, given, sure, sure, given, sure, sure)
    found = typical_images(answers, [str(label) for label in range(k)], None)
    assert len(found) == 40
    assert {"17", "2999", "5"} <= {image.true for image in found}
    assert all(image.true == image.predicted for image in found)
