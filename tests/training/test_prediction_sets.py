"""Sets of classes with a stated coverage."""

import numpy as np
import pytest
from test_calibration import drawn, trained

import nncore as nn
from nncore import kernels
from nncore.training.answers.prediction_sets import (
    MOST_KEPT,
    TrueProbabilities,
    largest_coverage_in,
    set_sizes,
)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
def test_sets_hold_the_true_class_as_often_as_is_asked(coverage):
    held, sizes = [], []
    for seed in range(40):
        logits, labels = drawn(1200, 6, 2.0, seed)
        probabilities = kernels.softmax(logits)  # too sure, which must not matter
        known = TrueProbabilities.of(probabilities[:200], labels[:200])
        threshold = known.threshold(coverage)
        rest, true = probabilities[200:], labels[200:]
        held.append(float((rest[np.arange(1000), true] >= threshold).mean()))
        sizes.append(float((rest >= threshold).sum(axis=1).mean()))
    # 40 times a Beta distribution around the coverage: its mean is within 0.4 points.
    assert np.mean(held) == pytest.approx(coverage, abs=0.015)
    assert np.mean(sizes) < 6 * coverage


def test_the_threshold_by_hand():
    probabilities = np.array([[p, 1 - p] for p in np.linspace(0.01, 0.99, 99)], np.float32)
    known = TrueProbabilities.of(probabilities, np.zeros(99, np.int64))
    # ceil(100 * 0.95) = 95 of 99, from above.
    assert known.threshold(0.95) == np.float32(probabilities[99 - 95, 0])
    assert known.threshold(0.951) == np.float32(probabilities[99 - 96, 0])
    assert known.threshold(0.99) == np.float32(probabilities[0, 0])
    assert known.largest_coverage == 0.99


def test_too_few_images_promise_less():
    known = TrueProbabilities.of(np.full((99, 2), 0.5, np.float32), np.zeros(99, np.int64))
    told = (
        r"at least 199 images to calibrate on, and this model was calibrated on 99: .* most 0\.99"
    )
    with pytest.raises(ValueError, match=told):
        known.threshold(0.995)


def test_no_set_is_empty():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.9, 0.06, 0.04]], np.float32)
    assert set_sizes(probabilities, 0.95).tolist() == [1, 1]
    assert set_sizes(probabilities, 0.25).tolist() == [2, 1]
    assert set_sizes(probabilities, 0.0).tolist() == [3, 3]


def test_of_many_images_some_are_kept():
    rng = np.random.default_rng(0)
    p = rng.random((3 * MOST_KEPT, 1), np.float32)
    known = TrueProbabilities.of(np.hstack([p, 1 - p]), np.zeros(len(p), np.int64))
    assert MOST_KEPT // 2 < len(known) <= MOST_KEPT
    assert known.threshold(0.9) == pytest.approx(0.1, abs=0.02)


def test_a_calibrated_model_gives_sets():
    model, (x, y) = trained()
    model.calibrate(x[:150], y[:150])
    for coverage in (0.8, 0.95):
        found = model.predict(x[150:], coverage=coverage, top_k=2)
        held = np.mean([str(true) in one.set for one, true in zip(found, y[150:], strict=True)])
        assert abs(held - coverage) < 0.08
        assert all(one.set[0] == one.label for one in found)
        for one, p in zip(found, model.predict_proba(x[150:]), strict=True):
            chosen = [p[int(label)] for label in one.set]
            assert chosen == sorted(chosen, reverse=True)
            left_out = set(range(3)) - {int(label) for label in one.set}
            assert all(p[k] < chosen[-1] for k in left_out)
    assert model.predict(x[:1])[0].set is None


def test_the_file_keeps_what_sets_need(tmp_path):
    model, (x, y) = trained()
    model.calibrate(x, y)
    model.save(tmp_path / "m.safetensors")
    loaded = nn.load(tmp_path / "m.safetensors")
    assert loaded.largest_coverage == model.largest_coverage == 300 / 301
    assert loaded.predict(x, coverage=0.9) == model.predict(x, coverage=0.9)


def test_what_a_header_cannot_say():
    for shape in ([-1], [0], [MOST_KEPT + 1], [10**400], [2.0], [2, 3], None):
        with pytest.raises((ValueError, TypeError)):
            largest_coverage_in({"calibration.true_probability": {"shape": shape}})
    header = {"calibration.true_probability": {"shape": [3]}}
    assert (largest_coverage_in(header), largest_coverage_in({})) == (0.75, None)


def test_without_calibration_there_are_none():
    model, (x, y) = trained()
    assert model.largest_coverage is None
    with pytest.raises(ValueError, match="coverage is for models that are calibrated"):
        model.predict(x, coverage=0.9)
    model.calibrate(x, y)
    model.predict(x, coverage=0.9)
    model.temperature = 1.0  # what was learned was learned at another one
    with pytest.raises(ValueError, match="coverage is for models that are calibrated"):
        model.predict(x, coverage=0.9)
    model.calibrate(x, y)
    model.fit(x, y, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="coverage is for models that are calibrated"):
        model.predict(x, coverage=0.9)


@pytest.mark.parametrize("coverage", [0, 1, 1.5, np.nan, "0.9"])
def test_a_coverage_is_between_0_and_1(coverage):
    model, (x, y) = trained()
    model.calibrate(x, y)
    with pytest.raises((ValueError, TypeError), match="coverage must be"):
        model.predict(x, coverage=coverage)


@pytest.mark.parametrize(
    "wrong",
    [
        np.linspace(1, 0, 60),
        np.linspace(0, 1, 60, dtype=np.float32),
        np.full((60, 1), 0.5, np.float32),
        np.full(60, np.nan, np.float32),
        np.zeros(0, np.float32),
    ],
)
def test_what_a_file_holds_is_checked(tmp_path, wrong, monkeypatch):
    model, (x, y) = trained()
    model.calibrate(x, y)
    monkeypatch.setattr(
        TrueProbabilities, "tensors", lambda _: {"calibration.true_probability": wrong}
    )
    try:
        model.save(tmp_path / "m.safetensors")
    except ValueError:
        return  # not finite: not even written
    with pytest.raises(nn.ModelFileError, match=r"m\.safetensors.*calibration\.true_probability"):
        nn.load(tmp_path / "m.safetensors")
