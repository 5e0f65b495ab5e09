"""`fit` on a model whose lowest layers are not trained."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nncore as nn
from nncore.training import fixed_layers
from nncore.training.labelled import LabelledArrays


def data(images: int = 50, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(images) % 3
    x = rng.integers(0, 200, (images, 8, 8, 3)) + 25 * y[:, None, None, None]
    return x.astype(np.uint8), y


def model(trainable: bool = False) -> nn.Sequential:
    block = nn.Residual([nn.Conv2D(6, 3, padding="same", activation="relu6")], trainable=trainable)
    return nn.Sequential(
        [
            nn.Conv2D(6, 3, activation="relu6", trainable=trainable),
            block,
            nn.GlobalAveragePool2D(),
            nn.Dropout(0.2),
            nn.Dense(3),
        ]
    )


def weights(one: nn.Sequential) -> list[bytes]:
    return [array.tobytes() for array in one.get_weights()]


def fit(one: nn.Sequential, **settings) -> nn.History:
    given = {"epochs": 3, "batch_size": 16, "verbose": 0, "validation_data": data(20, 1)}
    return one.fit(*data(), **(given | settings))


@pytest.fixture
def whole_passes(monkeypatch):
    """Without what this file is about."""
    monkeypatch.setattr(fixed_layers, "_MOST_BYTES", -1)


def test_the_weights_and_the_history_are_those_of_whole_passes(request):
    short = model()
    ours = fit(short)
    request.getfixturevalue("whole_passes")
    long = model()
    theirs = fit(long)
    assert weights(short) == weights(long)
    assert ours.history == theirs.history
    assert ours.iteration_loss == theirs.iteration_loss


def test_images_pass_the_fixed_layers_once(monkeypatch):
    sizes = []
    extracted = fixed_layers._extracted

    def watched(network, given, shape, store, *rest):
        before = len(store)
        result = extracted(network, given, shape, store, *rest)
        sizes.append(len(store) - before)
        return result

    monkeypatch.setattr(fixed_layers, "_extracted", watched)
    one = model()
    fit(one)
    fit(one)
    assert sizes == [50, 20, 0, 0]


def test_other_fixed_weights_give_other_values():
    one, other = model(), model()
    fit(one)
    other.build((8, 8, 3), seed=7)
    before = weights(other)[:4]
    one.set_weights(other.get_weights())
    fit(one, seed=1)
    fit(other, seed=1)
    assert weights(one)[:4] == weights(other)[:4] == before
    assert one.predict_proba(data()[0]) == pytest.approx(other.predict_proba(data()[0]), abs=0.2)
    report = one.evaluate(*data(20, 1))
    assert report.loss == pytest.approx(one.history.history["val_loss"][-1], rel=1e-6)


def test_with_augmentation_every_epoch_sees_other_pictures(monkeypatch):
    monkeypatch.setattr(fixed_layers, "_extracted", lambda *_: pytest.fail("not asked for"))
    one = model()
    fit(one, augmentation=nn.Augmentation(shift=0.2))
    assert one.history.history["accuracy"]


def test_a_model_that_is_trained_whole_has_no_fixed_part():
    one = model(trainable=True)
    fit(one)
    assert one._built_network().extracted_shape is None
    arrays = LabelledArrays(*data())
    assert not arrays.extracted


def test_the_file_says_what_is_trained_and_training_goes_on(tmp_path):
    one = model()
    fit(one)
    one.save(tmp_path / "a.safetensors")
    again = nn.load(tmp_path / "a.safetensors")
    assert again.layers[0].description == one.layers[0].description
    assert [view.description.trainable for view in again.layers] == [False, False, True, True, True]
    before = weights(again)
    fit(again, epochs=1)
    after = weights(again)
    assert before[:4] == after[:4]
    assert before[4:] != after[4:]


def test_descriptions_of_trained_layers_are_as_they_were():
    assert "trainable" not in nn.Conv2D(3, 3).to_dict()
    assert nn.Dense(3, trainable=False).to_dict()["trainable"] is False
    assert json.dumps(nn.Flatten().to_dict()) == '{"type": "Flatten", "name": null}'
    with pytest.raises(TypeError, match="Dense: trainable must be True or False, not 1"):
        nn.Dense(3, trainable=1)


def test_nothing_to_train():
    one = nn.Sequential([nn.Flatten(), nn.Dense(3, trainable=False)])
    with pytest.raises(ValueError, match="no layer is trainable"):
        fit(one)
