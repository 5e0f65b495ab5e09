"""`Sequential.fit` with augmentation: what it sees, and what it may not depend on."""

from __future__ import annotations

import numpy as np
import pytest

import nncore
from nncore import _core
from nncore.data import Augmentation
from nncore.layers import Conv2D, Dense, Flatten
from nncore.optimizers import SGD
from nncore.training.callbacks import Callback
from nncore.training.model import Sequential

STRONG = Augmentation.preset("strong")
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 10, 9, 3), dtype=np.uint8)
LABELS = np.arange(40) % 3


def small_model():
    return Sequential([Conv2D(16, 3, padding="same", activation="relu"), Flatten(), Dense(3)])


def fitted(images=IMAGES, **settings):
    model = small_model()
    settings = {"epochs": 2, "verbose": 0, "batch_size": 8, "optimizer": SGD(0.01)} | settings
    model.fit(images, LABELS, **settings)
    return model


def weights(model):
    return [array.tobytes() for array in model.get_weights()]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_each_epoch_trains_on_its_own_copies(dtype):
    images = IMAGES if dtype == np.uint8 else (IMAGES / 255).astype(np.float32)
    actual = fitted(images, seed=5, augmentation=STRONG)
    assert weights(actual) != weights(fitted(images, seed=5))
    # The same by hand: the copies of each epoch, in the order of that epoch.
    model = small_model()
    model.build(images.shape[1:], seed=5)
    for epoch in range(2):
        copies = STRONG.apply(images, 5, epoch)
        order = _core.shuffled_indices(5, epoch, 40)
        for start in range(0, 40, 8):
            batch = order[start : start + 8]
            model.train_step(copies[batch], LABELS[batch], optimizer=SGD(0.01))
    assert weights(model) == weights(actual)


def test_the_same_bits_on_any_machine(isa, restore_threads):
    # Each instruction set against one that all machines have.
    nncore.set_num_threads(2)
    actual = weights(fitted(augmentation=STRONG, batch_size=20))
    _core.select_isa("baseline")
    nncore.set_num_threads(1)
    assert actual == weights(fitted(augmentation=STRONG, batch_size=20))


def test_validation_evaluation_and_prediction_see_the_images_themselves():
    model = small_model()
    history = model.fit(
        IMAGES,
        LABELS,
        validation_data=(IMAGES, LABELS),
        epochs=1,
        verbose=0,
        augmentation=STRONG,
        optimizer=SGD(0.01),
    )
    plain = Sequential([*[view.description for view in model.layers]])
    plain.build(IMAGES.shape[1:])
    plain.set_weights(model.get_weights())
    expected = plain.evaluate(IMAGES, LABELS)
    assert history.history["val_loss"] == [expected.loss]
    assert model.evaluate(IMAGES, LABELS).loss == expected.loss
    np.testing.assert_array_equal(model.predict_proba(IMAGES), plain.predict_proba(IMAGES))


def test_going_on_after_a_stop_gives_the_same_weights():
    expected = fitted(augmentation=STRONG, epochs=3)
    model = fitted(augmentation=STRONG, epochs=1)
    model.fit(
        IMAGES,
        LABELS,
        epochs=2,
        verbose=0,
        batch_size=8,
        optimizer=SGD(0.01),
        augmentation=STRONG,
    )
    assert weights(model) == weights(expected)


def test_nothing_to_change_is_no_augmentation():
    model = fitted(augmentation=Augmentation(fill="edge"))
    assert weights(model) == weights(fitted())
    assert model.facts.augmentation is None


def test_the_model_file_tells_of_it(tmp_path):
    model = fitted(augmentation=STRONG, class_weight={0: 2})
    assert model.facts.augmentation == STRONG.to_dict()
    model.save(tmp_path / "model.safetensors")
    facts = nncore.load(tmp_path / "model.safetensors").facts
    assert facts == model.facts
    assert Augmentation.from_dict(facts.augmentation) == STRONG
    assert facts.class_weight == {"0": 2.0, "1": 1.0, "2": 1.0}


def test_wrong_arguments_before_any_training():
    with pytest.raises(TypeError, match="augmentation must be one such as"):
        fitted(augmentation="strong")
    with pytest.raises(ValueError, match="fill must be from 0 to 255 for uint8"):
        fitted(augmentation=Augmentation(shift=0.1, fill=-1))
    model = Sequential([Dense(3)])
    with pytest.raises(ValueError, match=r"augmentation needs images .* \(4,\)"):
        model.fit(np.ones((6, 4), np.float32), [0, 1, 2] * 2, augmentation=STRONG, verbose=0)
    assert not model.built


def test_ctrl_c_and_the_unfinished_epoch():
    class Stop(Callback):
        def on_epoch_end(self, epoch, logs):
            raise KeyboardInterrupt

    model = small_model()
    settings = {"verbose": 0, "batch_size": 8, "optimizer": SGD(0.01), "augmentation": STRONG}
    model.fit(IMAGES, LABELS, epochs=2, callbacks=[Stop()], **settings)
    assert model.interrupted
    model.fit(IMAGES, LABELS, epochs=1, **settings)
    assert weights(model) == weights(fitted(augmentation=STRONG))
