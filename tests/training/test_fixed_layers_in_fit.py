"""`fit` on a model whose lowest layers are not trained."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nncore as nn
from nncore.training.images import fixed_layers
from nncore.training.images.labelled import LabelledArrays


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
    monkeypatch.setattr(fixed_layers, "MOST_KEPT", -1)


def test_the_weights_and_the_history_are_those_of_whole_passes(request):
    short = model()
    ours = fit(short)
    request.getfixturevalue("whole_passes")
    long = model()
    theirs = fit(long)
    assert weights(short) == weights(long)
    assert ours.history == theirs.history
    assert ours.iteration_loss == theirs.iteration_loss


@pytest.fixture
def passed(monkeypatch):
    """How many images pass the fixed layers, block by block."""
    sizes: list[int] = []
    pixels = fixed_layers._pixels

    def watched(images, places):
        sizes.append(len(places))
        return pixels(images, places)

    monkeypatch.setattr(fixed_layers, "_pixels", watched)
    return sizes


def test_images_pass_the_fixed_layers_once(passed):
    one = model()
    fit(one)
    fit(one)
    assert passed == [32, 18, 20]


def test_evaluation_after_training_passes_them_no_more(passed):
    one, other = model(), model()
    fit(one)
    report = one.evaluate(*data(20, 1))
    assert passed == [32, 18, 20]
    other.build((8, 8, 3))
    other.set_weights(one.get_weights())
    whole = other.evaluate(*data(20, 1))
    assert (report.loss, report.accuracy) == (whole.loss, whole.accuracy)
    assert passed == [32, 18, 20]


def test_other_layers_above_make_nothing_new_of_a_picture(passed, tmp_path):
    one, other = model(), model()
    one.cache = other.cache = tmp_path
    fit(one)
    other.build((8, 8, 3))
    other.set_weights(one.get_weights())
    other._change_layers(other._stack.with_layer("dense", kernel_regularizer=nn.L2(0.1)))
    fit(other)
    assert passed == [32, 18, 20]
    other.cache = tmp_path / "elsewhere"
    fit(other)
    assert passed == [32, 18, 20] * 2


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(passed, tmp_path):
    (tmp_path / "file").write_text("no folder")
    one, plain = model(), model()
    one.cache = tmp_path / "file"
    fit(one)
    fit(plain)
    assert weights(one) == weights(plain)
    (note,) = one.cache_notes
    assert "file" in note


def test_progress_is_told_once(capsys):
    one = model()
    fit(one, verbose=2)
    fit(one, verbose=2)
    assert capsys.readouterr().err.count("fixed layers: 70 images, once, in ") == 1


def test_what_is_trained_can_be_chosen_anew():
    one = model()
    fit(one)
    before, epochs = weights(one), one.facts.epochs
    one.train_from("residual")
    assert weights(one) == before
    assert [view.description.trainable for view in one.layers] == [False, True, True, True, True]
    fit(one)
    after = weights(one)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True] * 2 + [False] * 4
    assert one.facts.epochs == epochs + 3
    with pytest.raises(ValueError, match="no layer is called 'top'; there are: conv2d, residual"):
        one.train_from("top")


def test_training_from_the_first_layer_on_is_training_all():
    one, whole = model(), model(trainable=True)
    one.build((8, 8, 3))
    one.train_from("conv2d")
    fit(one)
    fit(whole)
    assert weights(one) == weights(whole)


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


def test_with_augmentation_every_epoch_sees_other_pictures(passed):
    one = model()
    fit(one, augmentation=nn.Augmentation(shift=0.2))
    assert not passed
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


def test_an_explained_step_is_silent_on_what_stays(capsys):
    one = model()
    one.build((8, 8, 3))
    step = one.explain_step(*(part[:4] for part in data()), print=False)
    assert step.fixed == (
        "conv2d/kernel",
        "conv2d/bias",
        "residual/conv2d/kernel",
        "residual/conv2d/bias",
    )
    told = str(step)
    assert "gradient of conv2d/kernel" not in told
    assert "gradient of dense/kernel" in told
    assert "not trained, and as before: 4 parameters from conv2d/kernel to residual/" in told
