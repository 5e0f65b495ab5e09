"""`recipe`: what is chosen for which images, and why."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest

import nncore as nn
from nncore.layers.presets import WIDTH, resnet
from nncore.training.settings import TrainingSettings

recipes = importlib.import_module("nncore.training.recipes.recipe")
MANY = recipes.MANY


def data_of(*counts: int, side: int = 8, channels: int = 1) -> nn.ImageDataset:
    """So many images of each class; their pixels play no part."""
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.zeros((len(labels), side, side, channels), np.uint8)
    return nn.ImageDataset.from_arrays(images, labels, [f"c{k}" for k in range(len(counts))])


def chosen(*counts: int, side: int = 8, channels: int = 1, **arguments) -> nn.Recipe:
    return nn.recipe(data_of(*counts, side=side, channels=channels), **arguments)


def multiply_adds(layers, shape) -> int:
    """Of the forward pass of one image: those of convolutions and dense layers, by hand."""
    found = 0
    for layer in layers:
        output = layer.output_shape(shape)
        if isinstance(layer, nn.Conv2D):
            height, width, filters = output
            found += height * width * filters * 9 * shape[2]
        elif isinstance(layer, nn.Dense):
            found += shape[0] * output[0]
        elif isinstance(layer, nn.Residual):
            found += multiply_adds(layer.layers, shape)
        shape = output
    return found


def test_every_setting_has_a_reason_in_its_order():
    one = chosen(20, 20)
    assert list(one.reasons) == list(one.settings)
    assert all(isinstance(reason, str) and reason for reason in one.reasons.values())
    assert set(one.settings) == {
        *("width", "stem_pool", "epochs", "batch_size", "optimizer", "schedule", "learning_rate"),
        *("augment", "horizontal_flip", "class_weight", "early_stopping"),
    }
    assert one.layers == tuple(resnet(2, (8, 8, 1), one.settings["width"]))


@pytest.mark.parametrize("images", [2, 20, 60, 400, 1000, 4000, 60_000])
def test_epochs_by_the_number_of_images(images):
    one = chosen(images // 2, images - images // 2, side=1, minutes=1e6, stem_pool=True)
    expected = min(150, max(12, 120 * (60 / images) ** 0.26))
    assert abs(one.settings["epochs"] - expected) <= 0.5
    assert one.reasons["epochs"] == f"as suits {images:,} images"


def test_a_larger_network_takes_half_as_many_epochs_again():
    many = data_of(MANY // 2, MANY // 2)
    small, large = (nn.recipe(many, stem_pool=pool, minutes=1e6) for pool in (True, False))
    assert small.settings["epochs"] == round(120 * (60 / MANY) ** 0.26)
    assert large.settings["epochs"] == round(1.5 * 120 * (60 / MANY) ** 0.26)


def test_epochs_by_the_budget():
    data = data_of(500, 500, side=48)
    free = nn.recipe(data, minutes=1e6)
    seconds = recipes.MULTIPLY_ADDS_PER_SECOND
    half = 0.5 * free.multiply_adds / seconds / 60
    bound = nn.recipe(data, minutes=half)
    assert bound.settings["epochs"] == free.settings["epochs"] // 2
    assert (
        f"of the {free.settings['epochs']} that would suit 1,000 images"
        in (bound.reasons["epochs"])
    )
    assert bound.short_of_time
    assert not free.short_of_time
    assert bound.multiply_adds <= half * 60 * seconds
    # However little time there is, it trains.
    assert nn.recipe(data, minutes=1e-9).settings["epochs"] == 1
    assert (
        nn.recipe(data_of(9000, 9000, side=64), minutes=1)
        .reasons["epochs"]
        .endswith("planned for 1 minute")
    )


def test_the_work_is_counted():
    data = data_of(30, 30, side=16)
    one = nn.recipe(data)
    # Forward, and the gradients of inputs and of weights.
    expected = 3 * 60 * one.settings["epochs"] * multiply_adds(one.layers, (16, 16, 1))
    assert one.multiply_adds == pytest.approx(expected, rel=1e-12)
    assert nn.recipe(data, epochs=7).multiply_adds == pytest.approx(
        expected * 7 / one.settings["epochs"]
    )


def size(one: nn.Recipe) -> tuple[int, bool]:
    return one.settings["width"], one.settings["stem_pool"]


def test_size_by_images_and_time():
    few, many = (MANY - 2) // 2, MANY // 2
    assert size(chosen(few, few)) == (WIDTH, True)
    large = chosen(many, many)
    assert size(large) == (2 * WIDTH, False)
    assert "images are many" in large.reasons["width"]
    assert "images are many" in large.reasons["stem_pool"]
    assert large.layers == tuple(resnet(2, (8, 8, 1), 2 * WIDTH, stem_pool=False))
    # Each network as long as its work fits.
    data = data_of(many, many)
    seen = {}
    for width, stem_pool in ((2 * WIDTH, False), (WIDTH, False), (WIDTH, True)):
        asked = nn.recipe(data, width=width, stem_pool=stem_pool)
        minutes = asked.multiply_adds / recipes.MULTIPLY_ADDS_PER_SECOND / 60
        seen[width, stem_pool] = size(nn.recipe(data, minutes=1.001 * minutes))
        less = nn.recipe(data, minutes=0.999 * minutes)
        assert size(less) != (width, stem_pool) or (width, stem_pool) == (WIDTH, True)
    assert all(expected == found for expected, found in seen.items())


def test_half_of_the_size_may_be_asked_for():
    many = data_of(MANY // 2, MANY // 2)
    assert size(nn.recipe(many, stem_pool=True)) == (2 * WIDTH, True)
    assert size(nn.recipe(many, width=5)) == (5, False)
    little = nn.recipe(many, stem_pool=False, minutes=0.01)
    assert size(little) == (WIDTH, False)
    assert little.reasons["stem_pool"] == "as asked for"
    assert little.reasons["width"] != "as asked for"


def test_what_is_asked_for_is_kept():
    one = chosen(20, 20, side=48, width=3, epochs=1000, minutes=0.001)
    assert (one.settings["width"], one.settings["epochs"]) == (3, 1000)
    assert one.reasons["width"] == one.reasons["epochs"] == "as asked for"
    assert one.layers == tuple(resnet(2, (48, 48, 1), 3))


@pytest.mark.parametrize(
    ("images", "batch"), [(149, 8), (150, 16), (499, 16), (500, 32), (1999, 32), (2000, 64)]
)
def test_batch_size_by_the_number_of_images(images, batch):
    one = chosen(images - 1, 1)
    assert one.settings["batch_size"] == batch
    assert one.reasons["batch_size"] == f"{math.ceil(images / batch)} steps per epoch"


def test_one_step():
    assert chosen(4, 4).reasons["batch_size"] == "1 step per epoch"


def test_only_colour_pictures_are_mirrored():
    gray, colour = chosen(20, 20), chosen(20, 20, channels=3)
    assert gray.settings["horizontal_flip"] is False
    assert "letters or digits" in gray.reasons["horizontal_flip"]
    assert colour.settings["horizontal_flip"] is True
    assert colour.fit_arguments()["augmentation"].horizontal_flip
    assert not gray.fit_arguments()["augmentation"].horizontal_flip


def test_what_keeps_many_images_from_being_learned_by_heart():
    few = chosen(MANY - 20, 19)
    assert few.settings["augment"] == "light"
    assert not {"shift", "erase", "weight_decay", "label_smoothing"} & set(few.settings)
    fit = few.fit_arguments()
    assert fit["augmentation"] == nn.Augmentation.preset("light")
    assert fit["optimizer"] == nn.Adam(nn.OneCycle(0.005))
    assert fit["label_smoothing"] == 0
    many = chosen(MANY - 20, 20, channels=3)
    fit, settings = many.fit_arguments(), many.settings
    assert (settings["augment"], settings["shift"], settings["erase"]) == ("off", 0.08, 0.25)
    expected = nn.Augmentation(shift=0.08, erase=0.25, horizontal_flip=True, fill="edge")
    assert fit["augmentation"].to_dict() == expected.to_dict()
    assert settings["weight_decay"] == 0.02
    assert fit["optimizer"] == nn.Adam(nn.OneCycle(0.005), weight_decay=0.02)
    assert settings["label_smoothing"] == fit["label_smoothing"] == 0.1
    assert list(many.reasons) == list(many.settings)
    # The smaller network needs no more than moves.
    small = chosen(MANY - 20, 20, stem_pool=True)
    assert not {"erase", "weight_decay", "label_smoothing"} & set(small.settings)
    assert small.fit_arguments()["augmentation"] == nn.Augmentation(shift=0.08, fill="edge")


@pytest.mark.parametrize(
    ("counts", "weight"),
    [((100, 26), "none"), ((100, 25), "balanced"), ((50, 50), "none"), ((3, 0, 3), "none")],
)
def test_class_weights_by_balance(counts, weight):
    one = chosen(*counts)
    assert one.settings["class_weight"] == weight
    assert one.fit_arguments()["class_weight"] == (None if weight == "none" else weight)
    if weight == "balanced":
        assert "4 times the images of the smallest" in one.reasons["class_weight"]


def test_early_stopping_needs_validation_images():
    one = chosen(30, 30)
    assert one.settings["early_stopping"] == one.settings["epochs"] // 2 == 60
    (stopping,) = one.fit_arguments()["callbacks"]
    assert isinstance(stopping, nn.EarlyStopping)
    assert stopping.patience == 60
    alone = chosen(30, 30, validated=False)
    assert alone.settings["early_stopping"] == 0
    assert "no validation images" in alone.reasons["early_stopping"]
    assert alone.fit_arguments()["callbacks"] == []
    # Few epochs leave nothing to stop.
    assert chosen(30, 30, epochs=10).settings["early_stopping"] == 0
    assert chosen(30, 30, epochs=11).settings["early_stopping"] == 10


def test_little_data_is_said():
    assert chosen(50, 80).notes == ()
    (note,) = chosen(80, 49, 60).notes
    assert note.startswith("little data: class 'c1' has 49 training images.")
    assert chosen(80, 49, 60).short_of_images
    assert not chosen(50, 80).short_of_images
    assert "class 'c1' has 1 training image." in chosen(80, 1).notes[0]
    assert "class 'c1' has 0 training images." in chosen(80, 0).notes[0]


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"minutes": 0}, ValueError, "minutes must be a finite number above 0"),
        ({"minutes": math.nan}, ValueError, "minutes must be"),
        ({"minutes": "5"}, TypeError, "minutes must be"),
        ({"width": 0}, ValueError, "width must be at least 1"),
        ({"stem_pool": 1}, TypeError, "stem_pool must be True, False or None"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"epochs": 1.5}, TypeError, "epochs must be"),
    ],
)
def test_bad_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        chosen(3, 3, **arguments)


def test_it_knows_no_flag():
    """Their names belong to the command line, which adds them."""
    many = data_of(MANY // 2, MANY // 2, side=64)
    for one in (chosen(3, 1), nn.recipe(many, minutes=1), nn.recipe(many, minutes=1e6)):
        assert not [text for text in (*one.reasons.values(), *one.notes) if "--" in text]


@pytest.mark.parametrize(
    ("asked", "left_out"),
    [
        ({}, set()),
        ({"batch_size": 3}, set()),
        ({"optimizer": "adamw"}, {"learning_rate", "weight_decay"}),
        ({"optimizer": "sgd", "learning_rate": 0.1}, {"weight_decay"}),
        ({"loss": "mse"}, {"label_smoothing"}),
        ({"augment": "light", "erase": 0.1}, {"shift", "horizontal_flip"}),
    ],
)
def test_what_a_choice_rests_on_goes_with_it(asked, left_out):
    one = chosen(MANY, MANY)
    other = one.adapted(TrainingSettings(**asked))
    assert set(one.settings) - set(other.settings) == left_out
    assert list(other.reasons) == list(other.settings)
    told = {name for name, reason in other.reasons.items() if reason == recipes.ASKED}
    assert told == set(asked) & set(one.settings)
    assert all(other.settings[name] == asked[name] for name in told)
    assert other.layers == one.layers


def test_no_image():
    with pytest.raises(ValueError, match="there is no training image"):
        nn.recipe(data_of(3, 3).subset(np.zeros(6, bool)))


def test_it_looks_at_neither_threads_nor_speed(monkeypatch, restore_threads):
    found = []
    for threads, rate in ((1, 1e6), (2, 1e15)):
        nn.set_num_threads(threads)
        monkeypatch.setattr(recipes, "_measured_rate", lambda rate=rate: rate)
        found.append(chosen(300, 300, side=64, channels=3))
    assert found[0] == found[1]
    # What the machine does to the time is told apart from the choice.
    assert found[0].seconds() == found[0].multiply_adds / (found[0].share_of_product * 1e15)


def test_time_is_measured_and_leaves_the_threads_alone(restore_threads):
    nn.set_num_threads(2)
    assert 0 < chosen(60, 60).seconds() < math.inf
    assert nn.get_num_threads() == 2


def test_fit_takes_it():
    rng = np.random.default_rng(0)
    labels = np.arange(64) % 2
    images = rng.integers(0, 60, (64, 8, 8), dtype=np.uint8)
    images[labels == 1, 3] += 150  # a lying bar
    data = nn.ImageDataset.from_arrays(images, labels, ["nothing", "bar"])
    train, val, _ = data.split(val=0.25, seed=0)
    one = nn.recipe(train, epochs=12)
    model = nn.Sequential(one.layers)
    history = model.fit(train, validation_data=val, seed=1, verbose=0, **one.fit_arguments())
    assert len(history) == 12
    assert model.optimizer == nn.Adam(nn.OneCycle(0.005))
    assert model.facts.batch_size == 8
    assert model.facts.augmentation["shift"] == 0.05
    assert model.evaluate(val).accuracy > 0.9
