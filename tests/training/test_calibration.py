"""Temperature scaling: probabilities that say how often they are right."""

import json

import numpy as np
import pytest

import nncore as nn
from nncore import kernels
from nncore.training.answers.calibration import calibration_error, calibration_of


def drawn(count: int, classes: int, temperature: float, seed: int = 0):
    """Logits, and labels drawn from their softmax at that temperature."""
    rng = np.random.default_rng(seed)
    logits = (3 * rng.standard_normal((count, classes))).astype(np.float32)
    exact = np.exp(logits.astype(np.float64) / temperature)
    exact /= exact.sum(axis=1, keepdims=True)
    labels = (exact.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    return logits, labels


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_at_is_found(temperature):
    found = calibration_of(*drawn(20000, 6, temperature))
    assert found.temperature == pytest.approx(temperature, rel=0.03)
    assert found.images == 20000
    assert found.error_after < 0.012
    if temperature != 1.0:
        assert found.error_after < found.error_before / 4


def test_images_that_are_all_right_do_not_make_certain():
    logits = np.zeros((200, 3), np.float32)
    labels = np.arange(200) % 3
    logits[np.arange(200), labels] = 8
    found = calibration_of(logits, labels)
    probability = kernels.softmax(logits / np.float32(found.temperature)).max()
    # As if one more had been wrong.
    assert probability == pytest.approx(200 / 201, abs=0.002)


def test_few_images_are_refused():
    with pytest.raises(ValueError, match="49 images are too few to calibrate on: at least 50"):
        calibration_of(np.zeros((49, 2), np.float32), np.zeros(49, np.int64))


def test_many_outputs_are_looked_at_in_part(monkeypatch):
    monkeypatch.setattr("nncore.training.answers.calibration._MOST_NUMBERS", 6000)
    logits, labels = drawn(5000, 4, 2.0)
    assert calibration_of(logits, labels).images == 1250


def test_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.3, 0.7]], np.float32)
    # Bins 13 (two, half right), 9 (one, wrong) and 10 (one, right).
    error = calibration_error(probabilities, np.array([0, 1, 1, 1]))
    assert error == pytest.approx((abs(1 - 1.8) + 0.6 + 0.3) / 4, abs=1e-6)


def trained(loss: str = "cross_entropy", last: str = "linear") -> tuple[nn.Sequential, tuple]:
    """A network that knows its images by heart, and others of the same kind."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 400)
    x = (rng.standard_normal((400, 12)) + labels[:, np.newaxis] * 0.6).astype(np.float32)
    model = nn.Sequential([nn.Dense(64, activation="relu"), nn.Dense(3, activation=last)])
    rate = 0.05 if loss == "mse" else 0.3
    model.fit(x[:100], labels[:100], epochs=60, loss=loss, optimizer=nn.SGD(rate), verbose=0)
    return model, (x[100:], labels[100:])


@pytest.mark.parametrize("last", ["linear", "softmax"])
def test_a_model_is_calibrated(last):
    model, (x, y) = trained(last=last)
    plain, before = model.predict_proba(x), model.evaluate(x, y)
    assert model.temperature == 1.0
    found = model.calibrate(x, y)
    assert model.temperature == found.temperature > 1.2  # it was too sure
    assert found.error_before == pytest.approx(calibration_error(plain, y), abs=1e-6)
    assert found.error_after < found.error_before / 2
    calm = model.predict_proba(x)
    assert calibration_error(calm, y) == pytest.approx(found.error_after, abs=1e-6)
    logits = np.log(plain.astype(np.float64)) / found.temperature
    exact = np.exp(logits - logits.max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calm, exact, atol=2e-6)
    assert model.predict_proba(x, calibrated=False).tobytes() == plain.tobytes()
    # One image, a list of images and predict give the same.
    assert model.predict_proba(x[:1]).tobytes() == calm[:1].tobytes()
    assert (
        model.predict_proba([list(row) for row in x[:2].tolist()]).tobytes() == calm[:2].tobytes()
    )
    assert model.predict(x[:1])[0].probability == calm[0].max()
    after = model.evaluate(x, y)
    assert after.accuracy == before.accuracy
    assert after.loss == before.loss


@pytest.mark.parametrize(
    "change",
    [
        lambda model, x, y: model.fit(x, y, epochs=1, verbose=0),
        lambda model, x, y: model.train_step(x, y),
        lambda model, x, y: (model.compute_gradients(x, y), model.apply_gradients()),
        lambda model, x, y: model.explain_step(x, y, print=False),
        lambda model, x, y: model.set_weights([0.9 * one for one in model.get_weights()]),
        lambda model, x, y: model.set_parameters(model.get_parameters()),
        lambda model, x, y: model.load_weights(dict(model.get_parameters())),
    ],
)
def test_other_weights_know_nothing_of_it(change):
    model, (x, y) = trained()
    model.calibrate(x, y)
    assert model.temperature != 1.0
    assert model.largest_coverage is not None
    change(model, x, y)
    assert (model.temperature, model.largest_coverage, model.unknown) == (1.0, None, None)


def test_other_losses_have_no_temperature():
    model, (x, y) = trained(loss="mse")
    with pytest.raises(ValueError, match="trained with mse has no temperature"):
        model.calibrate(x, y)
    before = model.predict_proba(x)
    model.temperature = 3.0
    assert model.predict_proba(x).tobytes() == before.tobytes()


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf])
def test_a_temperature_is_above_zero(value):
    model, _ = trained()
    with pytest.raises(ValueError, match="temperature"):
        model.temperature = value


def test_the_file_keeps_it(tmp_path):
    model, (x, y) = trained()
    path = tmp_path / "m.safetensors"
    model.save(path)
    assert "temperature" not in described(path)
    model.calibrate(x, y)
    model.save(path)
    assert described(path)["temperature"] == model.temperature
    loaded = nn.load(path)
    assert loaded.temperature == model.temperature
    assert loaded.predict_proba(x).tobytes() == model.predict_proba(x).tobytes()


def described(path):
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["nncore"])
