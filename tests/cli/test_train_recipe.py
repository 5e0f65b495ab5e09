"""`nncore train` without flags: what it chooses, says, keeps and lets be overridden."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from nncore.data.normalization import with_normalization
from textbook import MLP

# Not what the recipe would choose for the 120 small gray pictures.
OVERRIDDEN = {
    "width": ("--width", 4),
    "stem_pool": ("--no-stem-pool",),
    "epochs": ("--epochs", 2),
    "batch_size": ("--batch-size", 40),
    "optimizer": ("--optimizer", "adamw"),
    "schedule": ("--schedule", "cosine"),
    "learning_rate": ("--learning-rate", 0.002),
    "augment": ("--augment", "medium"),
    "horizontal_flip": ("--horizontal-flip",),
    "class_weight": ("--class-weight", "balanced"),
    "early_stopping": ("--early-stopping", 1),
}


@pytest.fixture(scope="module")
def expected(pictures) -> nn.Recipe:
    train, _, _ = nn.ImageDataset.from_folder(pictures).split(val=0.15, seed=0)
    return nn.recipe(with_normalization(train))


@pytest.fixture(scope="module")
def trained(call, pictures, tmp_path_factory):
    """A run without any flag that says how to train, and what was printed."""
    runs = tmp_path_factory.mktemp("runs")
    called = call("train", pictures, "--output", runs, "--name", "r")
    assert called.code == 0, called.err
    return runs / "r", called


def flag(name, value) -> str:
    words = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{words}" if value else f"--no-{words}"
    return f"--{words} {value}"


def read(path):
    return pytest.importorskip("tomllib").loads(path.read_text())


def test_every_choice_is_told_with_its_reason(trained, expected):
    _, called = trained
    lines = [line.strip() for line in called.out.splitlines()]
    first = lines.index("recipe of --model auto, chosen from the data; flags change it:") + 1
    told = lines[first : first + len(expected.settings)]
    for line, (name, value) in zip(told, expected.settings.items(), strict=True):
        assert line.startswith(flag(name, value))
        assert line.removeprefix(flag(name, value)).strip() == expected.reasons[name]
    assert lines[first + len(told)].startswith("time: about ")
    assert "nncore: warning: little data: class 'lying' has 34 training images." in called.err


def test_a_time_limit_that_would_cut_the_schedule_is_told(call, pictures, tmp_path, monkeypatch):
    words = ("train", pictures, "--output", tmp_path, "--epochs", 2, "--max-minutes", 5)
    monkeypatch.setattr(nn.Recipe, "seconds", lambda recipe: 299.0)
    assert "learning rate has fallen" not in call(*words).err
    monkeypatch.setattr(nn.Recipe, "seconds", lambda recipe: 400.0)
    warning = (
        "--max-minutes 5 will end this here before the learning rate has fallen, which costs "
        "accuracy; about --epochs 1 would be finished in time"
    )
    assert warning in call(*words).err


def test_every_choice_is_kept(trained, expected):
    config = read(trained[0] / "config.toml")
    settings = expected.settings
    assert config["recipe"] == dict(expected.reasons)
    assert config["model"]["preset"] == "auto"
    assert config["model"]["width"] == settings["width"]
    training = config["training"]
    for name in ("epochs", "batch_size", "schedule", "learning_rate", "class_weight", "augment"):
        assert training[name] == settings[name], name
    assert training["early_stopping"] == settings["early_stopping"]
    assert training["optimizer"] == "Adam"
    assert config["augmentation"]["horizontal_flip"] is False


def check_python_trains_the_same(run, pictures, **arguments):
    train, val, _ = nn.ImageDataset.from_folder(pictures).split(val=0.15, seed=0)
    train = with_normalization(train)
    expected = nn.recipe(train, **arguments)
    model = nn.Sequential(expected.layers)
    history = model.fit(train, validation_data=val, verbose=0, **expected.fit_arguments())
    loaded = nn.load(run / "best.safetensors")
    assert history.best_epoch() == loaded.facts.epochs
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_what_was_told_is_what_was_trained(trained, pictures):
    """The command line and Python end at the same bits."""
    check_python_trains_the_same(trained[0], pictures)


@pytest.fixture
def few_are_many(monkeypatch):
    monkeypatch.setattr(importlib.import_module("nncore.training.recipes.from_scratch"), "MANY", 50)


@pytest.fixture(scope="module")
def plain(call, pictures, tmp_path_factory):
    """What is told of the recipe of a short training, with few as many."""
    recipes = importlib.import_module("nncore.training.recipes.from_scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "MANY", 50)
        words = ("--output", tmp_path_factory.mktemp("runs"), "--epochs", 1, "--width", 2, "--json")
        return json.loads(call("train", pictures, *words).out)["recipe"]


def test_many_pictures(call, pictures, tmp_path, few_are_many):
    words = ("--output", tmp_path, "--name", "r", "--epochs", 3, "--width", 4)
    told = json.loads(call("train", pictures, *words, "--json").out)["recipe"]["settings"]
    assert (told["stem_pool"], told["erase"], told["label_smoothing"]) == (False, 0.25, 0.1)
    assert nn.load(tmp_path / "r" / "best.safetensors").facts.augmentation["fill"] == "edge"
    check_python_trains_the_same(tmp_path / "r", pictures, epochs=3, width=4)


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        (("--optimizer", "adamw"), {"learning_rate", "weight_decay"}),
        (("--optimizer", "sgd", "--learning-rate", 0.1), {"weight_decay"}),
        (("--loss", "mse"), {"label_smoothing"}),
        (("--augment", "light", "--erase", 0.1), {"shift", "horizontal_flip"}),
    ],
)
def test_what_a_choice_rests_on_goes_with_it(
    call, pictures, tmp_path, few_are_many, plain, words, left_out
):
    quick = ("--output", tmp_path, "--epochs", 1, "--width", 2, "--json")
    told = json.loads(call("train", pictures, *quick, *words).out)["recipe"]
    assert set(plain["settings"]) - set(told["settings"]) == left_out
    assert list(told["reasons"]) == list(told["settings"])


def test_it_learns_and_info_shows_it(trained, call, new_pictures):
    run, _ = trained
    assert json.loads(call("evaluate", run, new_pictures, "--json").out)["accuracy"] > 0.95
    shown = call("info", run)
    assert "optimizer  Adam(learning_rate=OneCycle(max_learning_rate=0.005, " in shown.out
    assert json.loads(call("info", run, "--json").out)["name"] == "auto"


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_a_flag_overrides_its_choice_alone(call, pictures, expected, tmp_path, name):
    words = OVERRIDDEN[name]
    quick = () if name == "epochs" else ("--epochs", 3)
    called = call("train", pictures, "--output", tmp_path, "--name", "r", *quick, *words)
    assert called.code == 0, called.err
    wanted = words[1] if len(words) > 1 else not words[0].startswith("--no-")
    assert f"  {flag(name, wanted)} " in called.out
    reasons = read(tmp_path / "r" / "config.toml")["recipe"]
    assert reasons.pop(name) == "as asked for"
    asked = {other for other, reason in reasons.items() if reason == "as asked for"}
    assert asked == ({"epochs"} if quick else set())
    model = nn.load(tmp_path / "r" / "best.safetensors")
    facts, settings = model.facts, {**expected.settings, "epochs": 3, name: wanted}
    assert model.layers[0].description.filters == settings["width"]
    assert isinstance(model.layers[1].description, nn.MaxPool2D) == settings["stem_pool"]
    assert facts.batch_size == settings["batch_size"]
    assert model.optimizer.rate == settings["learning_rate"] if name != "optimizer" else 0.004
    assert type(model.optimizer) is (nn.AdamW if name == "optimizer" else nn.Adam)
    assert ("OneCycle" in repr(model.optimizer)) == (name != "schedule")
    augmentation = nn.Augmentation.preset(settings["augment"]).to_dict()
    assert facts.augmentation == augmentation | {"horizontal_flip": name == "horizontal_flip"}
    assert (facts.class_weight is None) == (name != "class_weight")


def test_everything_can_be_turned_off(call, pictures, tmp_path):
    called = call(
        *("train", pictures, "--output", tmp_path, "--name", "r", "--json", "--epochs", 2),
        *("--augment", "off", "--class-weight", "none", "--early-stopping", 0),
        *("--optimizer", "sgd", "--schedule", "constant", "--no-horizontal-flip"),
    )
    told = json.loads(called.out)["recipe"]
    # Adam's learning rate is not one for SGD, which has its own.
    assert "learning_rate" not in told["settings"]
    assert told["settings"]["optimizer"] == "sgd"
    assert told["reasons"]["augment"] == told["reasons"]["schedule"] == "as asked for"
    model = nn.load(tmp_path / "r" / "best.safetensors")
    assert isinstance(model.optimizer, nn.SGD)
    assert model.facts.augmentation is None
    assert model.facts.class_weight is None


def test_json(call, pictures, tmp_path, expected):
    words = ("--output", tmp_path, "--json", "--quiet", "--epochs", 1)
    called = call("train", pictures, *words)
    told = json.loads(called.out)["recipe"]
    assert set(told) == {"settings", "reasons"}
    rest = {"epochs": 1, "early_stopping": 0}
    assert told["settings"] == expected.settings | rest
    assert told["reasons"]["width"] == expected.reasons["width"]
    # Little data is said to those who ask for JSON, too, but not in it.
    assert called.err.startswith("nncore: warning: little data: ")
    assert json.loads(call("train", pictures, *MLP, *words).out)["recipe"] is None


def test_the_plan_keeps_to_the_time(call, pictures, expected, tmp_path):
    # Time for 40 epochs and a half, at 75e9 multiply-adds per second.
    wanted = expected.settings["epochs"]
    minutes = expected.multiply_adds * 40.5 / wanted / 75e9 / 60
    called = call("train", pictures, "--output", tmp_path, "--max-minutes", minutes, "--json")
    told = json.loads(called.out)["recipe"]
    assert told["settings"]["epochs"] == 40
    assert f"of the {wanted} that" in told["reasons"]["epochs"]


def test_resnet_is_the_network_of_auto(trained, call, pictures, tmp_path):
    words = ("--output", tmp_path, "--name", "r", "--epochs", 2)
    called = call("train", pictures, "--model", "resnet", *words)
    assert "recipe of --model resnet, chosen from the data" in called.out
    ours, theirs = (nn.load(run / "best.safetensors") for run in (tmp_path / "r", trained[0]))
    assert [view.description for view in ours.layers] == [v.description for v in theirs.layers]


def test_without_validation_images(call, pictures, tmp_path):
    called = call(
        *("train", pictures, "--output", tmp_path, "--val", 0, "--epochs", 20, "--width", 1)
    )
    assert called.code == 0
    assert "  --early-stopping 0     never: there are no validation images\n" in called.out


@pytest.mark.parametrize(
    ("shape", "counts", "value"),
    [
        ((1, 1), (4, 4), None),  # pixels
        ((3, 200), (4, 4), None),  # strips
        ((200, 3), (4, 4), None),
        ((9, 9), (4, 4), 7),  # flat, and all the same
        ((8, 8), (9, 1), None),  # one picture of a class
        ((8, 8), (1, 1), None),
    ],
)
def test_odd_pictures(call, tmp_path, shape, counts, value):
    rng = np.random.default_rng(0)
    for name, number in zip("ab", counts, strict=True):
        (tmp_path / "data" / name).mkdir(parents=True)
        for place in range(number):
            pixels = rng.integers(0, 256, shape) if value is None else np.full(shape, value)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"data/{name}/{place}.png")
    words = ("--epochs", 2, "--output", tmp_path, "--cache", "off", "--json", "--quiet")
    called = call("train", tmp_path / "data", *words)
    assert called.code == 0, called.err
    assert json.loads(called.out)["epochs"] == 2
    balance = json.loads(called.out)["recipe"]["settings"]["class_weight"]
    assert balance == ("balanced" if counts == (9, 1) else "none")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ((*MLP, "--width", 8), "--width is for --model auto and resnet, not mlp"),
        ((*MLP, "--no-stem-pool"), "--stem-pool is for --model auto and resnet, not mlp"),
        (("--hidden", 8), "--hidden is for --model mlp; auto has no hidden layers"),
        (("--momentum", 0.9), "--momentum is for --optimizer sgd and rmsprop"),
        (("--width", 0), "--width: must be from 1"),
        (("--early-stopping", 3, "--val", 0), "--early-stopping looks at the validation loss"),
        (
            ("--max-minutes", 1e-6, "--schedule", "cosine", "--warmup", 1),
            "--warmup 1 must be below --epochs 1",
        ),
    ],
)
def test_flags_that_contradict(fails, pictures, tmp_path, words, match):
    # The last one is known once the images are read, and the recipe made.
    assert match in fails(2, "train", pictures, "--output", tmp_path, "--quiet", *words)
    assert list(tmp_path.iterdir()) == []


def test_lr_find_and_check_follow_the_recipe(call, pictures, expected):
    called = call("lr-find", pictures, "--steps", 10, "--json")
    told = json.loads(called.out)
    assert (told["model"], told["optimizer"]) == ("auto", "adam")
    assert told["batch_size"] == expected.settings["batch_size"]
    # As of the training part, like `nncore train`.
    told = json.loads(call("check", pictures, "--json").out)
    assert told["epochs"] == expected.settings["epochs"]
