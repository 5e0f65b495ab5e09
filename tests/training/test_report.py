from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest

from nncore.errors import DataError
from nncore.training.answers.answer_list import Answers
from nncore.training.answers.report import Mistake, Report

CLASSES = ("Cat", "Dog", "Other")
LABELS = np.array([0, 0, 0, 1, 1, 0])
PROBABILITIES = np.array(
    [
        [0.80, 0.15, 0.05],  # right
        [0.37, 0.50, 0.13],  # the lesson's: Cat taken for Dog
        [0.10, 0.85, 0.05],  # Cat taken for Dog, more confidently
        [0.20, 0.70, 0.10],  # right
        [0.50, 0.30, 0.20],  # Dog taken for Cat, as confidently as the lesson's
        [0.90, 0.05, 0.05],  # right
    ],
    dtype=np.float32,
)


def report(**changes) -> Report:
    arguments = {
        "probabilities": PROBABILITIES,
        "labels": LABELS,
        "classes": CLASSES,
        "loss": 0.5,
        "loss_name": "cross_entropy",
    }
    return Report.from_predictions(**(arguments | changes))


def test_totals_by_hand() -> None:
    result = report()
    assert result.images == 6
    assert result.accuracy == 3 / 6
    assert result.baseline_accuracy == 4 / 6
    assert result.loss == 0.5
    assert result.loss_name == "cross_entropy"
    assert result.classes == CLASSES


def test_confusion_rows_are_true_and_columns_predicted() -> None:
    confusion = report().confusion
    assert confusion.dtype == np.int64
    assert confusion.tolist() == [[2, 2, 0], [1, 1, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match="read-only"):
        confusion[0, 0] = 7


def test_per_class_by_hand() -> None:
    cat, dog, other = report().per_class
    assert (cat.name, cat.support) == ("Cat", 4)
    assert cat.precision == 2 / 3
    assert cat.recall == 2 / 4
    assert cat.f1 == pytest.approx(2 / (3 / 2 + 4 / 2))
    assert (dog.precision, dog.recall, dog.support) == (1 / 3, 1 / 2, 2)
    assert (other.precision, other.recall, other.f1, other.support) == (None, None, None, 0)


def test_scores_are_none_only_where_undefined() -> None:
    # All are taken for b: a is never answered, c neither occurs nor is answered.
    scores = np.tile(np.array([0.2, 0.7, 0.1], dtype=np.float32), (4, 1))
    a, b, c = report(probabilities=scores, labels=[0, 0, 1, 1]).per_class
    assert (a.precision, a.recall, a.f1) == (None, 0.0, 0.0)
    assert (b.precision, b.recall, b.f1) == (0.5, 1.0, 2 / 3)
    assert (c.precision, c.recall, c.f1) == (None, None, None)


def test_the_interval_solves_wilsons_equation() -> None:
    # Its ends are the shares p from which the observed one is just 1.96 deviations away.
    result = report()
    for end in result.accuracy_interval:
        deviation = math.sqrt(end * (1 - end) / result.images)
        assert abs(result.accuracy - end) == pytest.approx(1.959963984540054 * deviation)
    low, high = result.accuracy_interval
    assert low < result.accuracy < high


@pytest.mark.parametrize("n", [1, 3, 1000, 99999])
def test_the_interval_stays_within_0_and_1(n: int) -> None:
    right = np.tile(np.array([1.0, 0.0], dtype=np.float32), (n, 1))
    zeros = np.zeros(n, dtype=np.int64)
    best = Report.from_predictions(right, zeros, ("a", "b"), None, "mse")
    worst = Report.from_predictions(right, zeros + 1, ("a", "b"), None, "mse")
    assert best.accuracy_interval[1] == 1.0
    assert 0 < best.accuracy_interval[0] < 1
    assert worst.accuracy_interval[0] == 0.0
    assert 0 < worst.accuracy_interval[1] < 1


def test_worst_mistakes_come_first_and_ties_by_row() -> None:
    worst = report(paths=[f"{row}.png" for row in range(6)]).worst
    assert [mistake.index for mistake in worst] == [2, 1, 4]
    assert worst[1] == Mistake(
        path="1.png",
        index=1,
        true="Cat",
        predicted="Dog",
        probability=0.5,
        true_probability=float(np.float32(0.37)),
    )


def test_worst_is_cut_to_length() -> None:
    assert [mistake.index for mistake in report(worst=2).worst] == [2, 1]
    assert report(worst=0).worst == ()


def test_many_ties_keep_the_order_of_the_rows() -> None:
    scores = np.tile(np.array([0.4, 0.6], dtype=np.float32), (1000, 1))
    result = Report.from_predictions(scores, np.zeros(1000, int), ("a", "b"), None, "mse", worst=50)
    assert [mistake.index for mistake in result.worst] == list(range(50))


def test_equal_probabilities_answer_the_first_class() -> None:
    result = report(probabilities=np.full((1, 3), 1 / 3, np.float32), labels=[0])
    assert result.accuracy == 1.0


def test_paths_may_be_path_objects(tmp_path) -> None:
    worst = report(paths=[tmp_path / str(row) for row in range(6)]).worst
    assert worst[0].path == os.fspath(tmp_path / "2")
    assert report().worst[0].path is None


def test_outputs_beyond_probabilities_are_accepted() -> None:
    result = report(probabilities=np.array([[-1.0, 3.0, 0.0]], np.float32), labels=[0])
    assert result.worst[0].probability == 3.0


def test_the_table_shows_what_an_honest_reader_needs() -> None:
    text = str(report())
    low, high = report().accuracy_interval
    assert "50.00%" in text
    assert "66.67%  by always answering Cat" in text
    assert f"{low:.2%} to {high:.2%}" in text
    assert "cross_entropy" in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert rows["Other"][1:] == ["0", "0", "0"]  # the confusion's row comes last
    assert ["Other", "0", "-", "-", "-"] in [line.split() for line in text.splitlines()]


def test_the_table_is_aligned_for_wide_names() -> None:
    text = str(report(classes=("猫", "Hund", "x\ny")))
    block = text.split("\n\n")[2].splitlines()
    # Each wide character takes two columns, so lines of equal width differ in length by its count.
    assert len(block[1]) + 1 == len(block[2]) == len(block[3])
    assert "x\N{REPLACEMENT CHARACTER}y" in text


def test_the_confusion_is_left_out_beyond_20_classes() -> None:
    for k, shown in ((20, True), (21, False)):
        scores = np.eye(k, dtype=np.float32)
        names = [f"class {number}" for number in range(k)]
        text = str(Report.from_predictions(scores, np.arange(k), names, None, "mse"))
        assert ("predicted" in text) is shown
        assert "unknown" in text


def test_the_dictionary_has_the_documented_keys_and_is_strict_json() -> None:
    data = json.loads(json.dumps(report(loss=math.nan).to_dict(), allow_nan=False))
    assert data["loss"] is None
    assert data["accuracy"] == 0.5
    assert data["classes"] == list(CLASSES)
    assert data["confusion"] == [[2, 2, 0], [1, 1, 0], [0, 0, 0]]
    assert data["per_class"]["Other"] == {
        "precision": None,
        "recall": None,
        "f1": None,
        "support": 0,
    }
    assert data["images"] == 6
    assert data["baseline_accuracy"] == 4 / 6
    assert len(data["accuracy_interval"]) == 2
    assert data["worst"][0]["true"] == "Cat"
    assert data["worst"][0]["index"] == 2


def test_json_holds_any_name(tmp_path) -> None:
    path = tmp_path / "report.json"
    broken = os.fsdecode(b"a\xff.png")
    result = report(classes=("猫", 'a"b', "c"), paths=[broken] * 6)
    result.write_json(path)
    data = json.loads(path.read_bytes())
    assert data == json.loads(json.dumps(result.to_dict()))
    assert data["worst"][0]["path"] == broken
    assert "猫".encode() in path.read_bytes()
    assert os.listdir(tmp_path) == ["report.json"]


def test_arguments_are_not_changed() -> None:
    scores, labels = PROBABILITIES.copy(), LABELS.copy()
    report(probabilities=scores, labels=labels)
    assert np.array_equal(scores, PROBABILITIES)
    assert np.array_equal(labels, LABELS)


@pytest.mark.parametrize(
    ("changes", "error", "named"),
    [
        ({"probabilities": PROBABILITIES[0]}, ValueError, r"\(N, 3\).*got \(3,\)"),
        ({"probabilities": PROBABILITIES[:, :2]}, ValueError, r"\(N, 3\).*got \(6, 2\)"),
        ({"probabilities": (PROBABILITIES * 9).astype(int)}, TypeError, "float32, got int64"),
        ({"labels": LABELS[:5]}, ValueError, r"labels.*\(6,\).*got \(5,\)"),
        ({"labels": np.eye(3)[LABELS]}, ValueError, r"labels.*got \(6, 3\)"),
        ({"labels": LABELS.astype(float)}, TypeError, "labels must be integers, got float64"),
        ({"labels": LABELS + 2}, DataError, r"labels\[3\] is 3, outside 0 to 2"),
        ({"labels": LABELS - 1}, DataError, r"labels\[0\] is -1"),
        ({"probabilities": PROBABILITIES[:0], "labels": LABELS[:0]}, DataError, "no labelled"),
        ({"classes": ("a", "b", "a")}, ValueError, "'a' occurs more than once"),
        ({"classes": "abc"}, TypeError, "single str"),
        ({"classes": (0, 1, 2)}, TypeError, "class names must be str, got 0"),
        ({"paths": ["a"]}, ValueError, "paths has 1 entries for 6 images"),
        ({"worst": -1}, ValueError, "worst.*-1"),
    ],
)
def test_wrong_arguments_are_named(changes: dict, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        report(**changes)


def test_a_diverged_model_is_not_scored() -> None:
    scores = PROBABILITIES.copy()
    scores[3, 1] = np.nan
    with pytest.raises(DataError, match=r"probabilities\[3\] is not finite \(1 rows of 6"):
        report(probabilities=scores)


def test_many_classes_are_counted_without_a_matrix() -> None:
    k = 30_000  # a matrix of so many would take 7 GB
    names = [str(number) for number in range(k)]
    truth, answer = np.array([7, 7, 7, 29_999]), np.array([7, 3, 7, 0])
    half = np.full(4, 0.5, np.float32)
    answers = Answers(truth, answer, half, half, truth, half, half)
    result = Report.from_answers(answers, names, None, "mse")
    assert result.confusion_triples.tolist() == [[7, 3, 1], [7, 7, 2], [29_999, 0, 1]]
    assert result.to_dict()["confusion"] == {
        "shape": [k, k],
        "triples": [[7, 3, 1], [7, 7, 2], [29_999, 0, 1]],
    }
    assert result.accuracy == 0.5
    assert (result.per_class[7].recall, result.per_class[7].precision) == (2 / 3, 1.0)
    assert len(str(result).splitlines()) < 70


@pytest.mark.parametrize(("k", "dense"), [(100, True), (101, False)])
def test_the_matrix_is_dense_up_to_100_classes(k: int, dense: bool) -> None:
    names = [str(number) for number in range(k)]
    result = Report.from_predictions(np.eye(k, dtype=np.float32), np.arange(k), names, None, "mse")
    assert result.confusion.tolist() == np.eye(k, dtype=int).tolist()
    assert (result.to_dict()["confusion"] == result.confusion.tolist()) is dense


def test_blocks_are_joined_in_their_order() -> None:
    whole = Answers.of(PROBABILITIES, LABELS)
    parts = [Answers.of(PROBABILITIES[:2], LABELS[:2]), Answers.of(PROBABILITIES[2:], LABELS[2:])]
    joined = Report.from_answers(Answers.joined(parts), CLASSES, 0.5, "cross_entropy")
    assert joined.to_dict() == report().to_dict()
    assert len(whole) == 6
