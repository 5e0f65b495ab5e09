"""What an evaluation says of sets of classes, and of images that are told to be of no class."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nncore as nn
from nncore.errors import DataError
from nncore.training.answers import evaluation
from nncore.training.answers.answer_list import Answers
from nncore.training.answers.assurances import Assurances
from nncore.training.answers.kept_promises import MeasuredUnknown, measured_sets
from nncore.training.answers.prediction_sets import TrueProbabilities
from nncore.training.answers.report_reading import read_report

CLASSES = 3


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, 600)
    x = rng.normal(0, 0.55, (600, 6)).astype(np.float32)
    x[np.arange(600), y] += 1
    return x, y


@pytest.fixture(scope="module")
def model(data) -> nn.Sequential:
    x, y = data
    made = nn.Sequential([nn.Dense(16, activation="relu"), nn.Dense(CLASSES)])
    made.fit(x[:200], y[:200], epochs=10, batch_size=20, verbose=0)
    made.calibrate(x[200:400], y[200:400])
    return made


def test_what_is_measured_is_what_predict_says(model, data):
    x, y = data[0][400:], data[1][400:]
    report = model.evaluate(x, y)
    for one, coverage in zip(report.sets, (0.9, 0.95), strict=True):
        found = model.predict(x, coverage=coverage)
        sets = [p.set for p in found]
        assert one.coverage == coverage
        assert one.measured == np.mean([str(t) in s for s, t in zip(sets, y, strict=True)])
        assert one.mean_size == pytest.approx(np.mean([len(s) for s in sets]))
        assert one.single == np.mean([len(s) == 1 for s in sets])
    assert 1 < report.sets[0].mean_size < report.sets[1].mean_size < CLASSES
    unknown = sum(bool(p.unknown) for p in found)
    assert report.unknown == MeasuredUnknown(unknown, 0.05)
    assert unknown > 0


def test_in_blocks_and_in_batches_the_same(model, data, monkeypatch):
    x, y = data
    report = model.evaluate(x, y).to_dict()
    batches = ((x[i : i + 77], y[i : i + 77]) for i in range(0, len(x), 77))
    assert model.evaluate(batches, steps=8).to_dict()["unknown"] == report["unknown"]
    monkeypatch.setattr(evaluation, "_BLOCK_NUMBERS", 16 * 7)
    asked = []
    monkeypatch.setattr(evaluation, "block_size", lambda k: asked.append(k) or 7)
    assert model.evaluate(x, y).to_dict() == report
    assert asked == [16]  # The features of a block are in memory, too, and there are more.


def test_losses_and_answers_do_not_depend_on_what_is_looked_at(model, data):
    x, y = data
    whole = model.evaluate(x, y)
    other = nn.Sequential([nn.Dense(16, activation="relu"), nn.Dense(CLASSES)])
    other.build((6,))
    other.set_weights(model.get_weights())
    plain = other.evaluate(x, y)
    assert (plain.loss, plain.accuracy) == (whole.loss, whole.accuracy)
    assert (plain.sets, plain.unknown) == ((), None)


def test_the_answer_is_in_its_set_whatever_the_threshold():
    scores = np.array([[0.6, 0.4], [0.6, 0.4], [0.99, 0.01], [0.7, 0.3]], np.float32)
    true = np.array([0, 1, 0, 1])
    known = Assurances(TrueProbabilities(np.linspace(1, 0.35, 99, dtype=np.float32)))
    thresholds = known.measured_thresholds()
    assert list(thresholds.values()) == pytest.approx([0.41, 0.38], abs=0.01)
    found = measured_sets(Answers.of(scores, true, thresholds=(*thresholds.values(),)), known)
    assert [one.measured for one in found] == [0.5, 0.75]
    assert [one.mean_size for one in found] == [1.0, 1.5]
    assert [one.single for one in found] == [1.0, 0.5]


def test_only_what_can_be_promised_is_measured():
    few = Assurances(TrueProbabilities(np.ones(9, np.float32)))
    assert list(few.measured_thresholds()) == [0.9]
    assert Assurances().measured_thresholds() == {}


def test_the_file_and_the_words(model, data, tmp_path):
    report = model.evaluate(*data)
    report.write_json(tmp_path / "report.json")
    again = read_report(tmp_path / "report.json")
    assert (again.sets, again.unknown) == (report.sets, report.unknown)
    told = " ".join(str(report).split())
    first, second = report.sets
    assert f"sets 0.9 {first.measured:.2%} hold the true class; {first.mean_size:.2f}" in told
    assert f"sets 0.95 {second.measured:.2%}" in told
    assert f"unknown {report.unknown.images / 600:.2%} taken for none" in told

    values = json.loads((tmp_path / "report.json").read_text())
    del values["sets"], values["unknown"]
    (tmp_path / "report.json").write_text(json.dumps(values))
    old = read_report(tmp_path / "report.json")
    assert (old.sets, old.unknown) == ((), None)
    for wrong in ({"sets": [{"coverage": 0.9}]}, {"unknown": {"images": 3, "false_alarms": "x"}}):
        (tmp_path / "report.json").write_text(json.dumps(values | wrong))
        with pytest.raises(DataError, match="is not a report"):
            read_report(tmp_path / "report.json")
    for beyond in ("1e400", "1" * 400):  # numbers of JSON
        text = json.dumps(values | {"images": 0, "accuracy": 0})
        for name in ("images", "accuracy"):
            wrong_text = text.replace(f'"{name}": 0', f'"{name}": {beyond}')
            (tmp_path / "report.json").write_text(wrong_text)
            if (name, beyond[:2]) != ("images", "11"):
                with pytest.raises(DataError, match="is not a report"):
                    read_report(tmp_path / "report.json")
