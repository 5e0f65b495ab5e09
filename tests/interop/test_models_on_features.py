"""Models on frozen features: training, saving, loading, and one path for every kind of input."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

import nncore as nn
from model_files import content, write
from nncore.training.images.features import FrozenInputs
from nncore.training.model_file import load_to_show, load_training_state, save
from onnx_models import FILTERS, relu_maps, write_network

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

CLASSES = ("dark", "light", "red")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder with 12 noisy 9 x 9 pictures of each class."""
    folder, rng = tmp_path_factory.mktemp("data") / "photos", np.random.default_rng(4)
    colors = ((60, 60, 60), (200, 200, 200), (200, 60, 60))
    for name, color in zip(CLASSES, colors, strict=True):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(rng.normal(color, 25, (9, 9, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def backbone(tmp_path):
    return write_network(tmp_path / "backbone.onnx", outputs=("pooled",))


@pytest.fixture
def data(photos):
    return nn.ImageDataset.from_folder(photos)


@pytest.fixture
def model(backbone, data):
    model = nn.Sequential([nn.Dense(3)], features=backbone)
    model.fit(data, epochs=20, verbose=0)
    return model


def standardized(images):
    """Standardised "pooled" features in float64, by the data's own mean and deviation."""
    inputs = (images / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    rows = relu_maps(inputs).mean(axis=(1, 2))
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


def test_what_the_head_computes(model, data):
    kernel, bias = (array.astype(np.float64) for array in model.get_weights())
    assert kernel.shape == (FILTERS, 3)
    outputs = standardized(data.images) @ kernel + bias
    expected = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(data), expected, rtol=1e-4, atol=1e-5)
    assert model.evaluate(data).accuracy > 0.9


def test_training_is_that_of_a_model_on_the_same_numbers(model, data):
    rows = standardized(data.images).astype(np.float32)
    plain = nn.Sequential([nn.Dense(3)])
    plain.fit(rows, data.labels, epochs=20, verbose=0)
    for ours, theirs in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_every_input_takes_the_same_path(model, data, photos):
    expected = model.predict_proba(data)
    np.testing.assert_array_equal(model.predict_proba(data.images), expected)
    np.testing.assert_array_equal(model.predict_proba(data.paths), expected)
    np.testing.assert_array_equal(model.predict_proba(data.images[3]), expected[3:4])
    pictures = [Image.open(path) for path in data.paths]
    np.testing.assert_array_equal(model.predict_proba(pictures), expected)
    found = model.predict(photos)
    assert [one.path for one in found] == data.paths
    assert [one.probability for one in found] == pytest.approx(expected.max(axis=1).tolist())
    report = model.evaluate(data.images, data.labels)
    assert report.accuracy == model.evaluate(data).accuracy
    truth = expected[np.arange(len(data)), data.labels].astype(np.float64)
    assert report.loss == pytest.approx(-np.log(truth).mean(), rel=1e-4)


def test_save_and_load(model, data, backbone, tmp_path):
    model.save(tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", "numpy") as file:
        record = json.loads(file.metadata()["nncore"])["features"]
        mean = file.get_tensor("features/mean")
    assert record == model.features.to_dict()
    assert record["file"] == "backbone.onnx"
    assert record["output"] == "pooled"
    assert mean.shape == (FILTERS,)
    expected = model.predict_proba(data)
    loaded = nn.load(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(data), expected)
    assert loaded.classes == model.classes
    elsewhere = tmp_path / "x" / "moved.onnx"
    elsewhere.parent.mkdir()
    backbone.rename(elsewhere)
    for place in (elsewhere, str(elsewhere), nn.Features(elsewhere)):
        loaded = nn.load(tmp_path / "a.safetensors", features=place)
        np.testing.assert_array_equal(loaded.predict_proba(data), expected)
    loaded.save(tmp_path / "b.safetensors")
    nn.load(tmp_path / "b.safetensors", features=elsewhere)


def test_the_network_must_be_there_and_the_same(model, backbone, tmp_path):
    path = tmp_path / "a.safetensors"
    model.save(path)
    sha256 = model.features.sha256
    other = write_network(tmp_path / "other.onnx", outputs=("pooled",), seed=1)
    with pytest.raises(nn.ModelFileError, match=rf"backbone\.onnx with the SHA-256 {sha256}, but"):
        nn.load(path, features=other)
    with pytest.raises(nn.ModelFileError, match=rf"{sha256}, but .*other.onnx has"):
        nn.load(path, features=nn.Features(other))
    same_file = nn.Features(backbone, mean=0.5)
    with pytest.raises(nn.ModelFileError, match="taken otherwise"):
        nn.load(path, features=same_file)
    with pytest.raises(nn.ModelFileError, match=r"none\.onnx: there is no such ONNX file"):
        nn.load(path, features=tmp_path / "none.onnx")
    shutil.copy(other, backbone)
    with pytest.raises(nn.ModelFileError, match=sha256):
        nn.load(path)
    backbone.unlink()
    with pytest.raises(nn.ModelFileError, match=r"backbone\.onnx, which is not beside the model"):
        nn.load(path)
    shown = load_to_show(path)
    assert shown.parameter_count == model.parameter_count
    shown.summary()
    with pytest.raises(nn.ModelFileError, match="not beside the model"):
        shown.predict_proba(np.zeros((1, 9, 9, 3), np.uint8))


def test_a_model_without_features_takes_none(backbone, data, tmp_path):
    model = nn.Sequential([nn.Flatten(), nn.Dense(3)])
    model.fit(data, epochs=1, verbose=0)
    model.save(tmp_path / "a.safetensors")
    assert model.features is None
    with pytest.raises(ValueError, match="on no frozen features"):
        nn.load(tmp_path / "a.safetensors", features=backbone)


@pytest.mark.parametrize(
    "change",
    [
        {"count": 4},
        {"size": [9, 10]},
        {"output": "logits"},
        {"sha256": "0" * 64},
        {"layout": None},
        {"color": 3},
        {"file": "x" * 5000},  # longer than any name can be
        {"file": "a\0b"},
    ],
    ids=lambda change: str(change)[:30],
)
def test_a_record_that_contradicts_the_network(model, tmp_path, change):
    path = tmp_path / "a.safetensors"
    model.save(path)
    tensors, described = content(path)
    described["features"] |= change
    write(path, tensors, described)  # without digests, which would tell of any change
    with pytest.raises(nn.ModelFileError, match=r"a\.safetensors"):
        nn.load(path)


def test_it_goes_on_where_it_stopped(backbone, data, tmp_path):
    model = nn.Sequential([nn.Dense(3)], features=backbone)
    model.fit(data, epochs=3, verbose=0)
    save(model, tmp_path / "last.safetensors", with_state=True)
    model.fit(data, epochs=2, verbose=0, history=model.history)
    state = load_training_state(tmp_path / "last.safetensors")
    state.model.fit(data, epochs=2, verbose=0, history=state.history)
    for ours, theirs in zip(model.get_weights(), state.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_scale_is_that_of_the_first_training(model, data):
    before = model.predict_proba(data)
    weights = model.get_weights()
    model.fit(data.subset(range(12)), epochs=1, verbose=0)
    model.set_weights(weights)
    np.testing.assert_array_equal(model.predict_proba(data), before)


def test_a_feature_that_never_varies(data, tmp_path):
    """The mean of an all-black channel's picture: with the same image everywhere, all deviate 0."""
    same = nn.ImageDataset.from_arrays(np.full((6, 9, 9, 3), 7, np.uint8), [0, 1, 2] * 2)
    model = nn.Sequential([nn.Dense(3)], features=write_network(tmp_path / "a.onnx"))
    model.fit(same, epochs=1, verbose=0)
    assert np.isfinite(model.predict_proba(data)).all()


def test_rounding_is_no_variation():
    images_of_two = np.zeros((2, 1, 1, 3), np.uint8)

    class Stub:
        def extract(self, images, digests):
            one = np.float32(100)
            return np.array([[one, 0, 1], [np.nextafter(one, 200), 0, 3]], np.float32)

    fitted = FrozenInputs(Stub()).fitted(None, images_of_two)
    assert fitted.std.tolist() == [1, 1, 1]
    assert fitted.mean[1:].tolist() == [0, 2]
    np.testing.assert_allclose(fitted.of(None, images_of_two)[:, 2], [-1, 1])


def test_validation_and_the_network_runs_once_per_image(backbone, data):
    features = nn.Features(backbone)
    train, val, _ = data.split(0.25, seed=1)
    model = nn.Sequential([nn.Dense(3)], features=features)
    model.fit(train, validation_data=val, epochs=5, verbose=0)
    model.fit(train, validation_data=(val.images, val.labels), epochs=1, verbose=0)
    model.evaluate(val)
    assert features.images_run == len(train) + len(val)


def test_lr_find_and_single_steps(backbone, data):
    model = nn.Sequential([nn.Dense(3)], features=backbone)
    assert nn.lr_find(model, data, batch_size=8, steps=50).suggestion > 0
    before = model.train_step(data.images, data.labels)
    assert model.train_step(data.images, data.labels) < before
    model.compute_gradients(data.images, data.labels)


def test_the_size_and_colour_of_the_network_are_asked_for(backbone, photos):
    model = nn.Sequential([nn.Dense(3)], features=backbone)
    wrong = nn.ImageDataset.from_folder(photos, size=8)
    with pytest.raises(nn.DataError, match=r"read them with size=\(9, 9\), color='rgb'"):
        model.fit(wrong, verbose=0)
    right = nn.ImageDataset.from_folder(photos)
    with pytest.raises(nn.DataError, match=r"validation_data: .*height 8 instead of 9"):
        model.fit(right, validation_data=wrong, verbose=0)
    with pytest.raises(TypeError, match="must be uint8"):
        model.fit(np.zeros((6, 9, 9, 3), np.float32), [0, 1, 2] * 2, verbose=0)
    with pytest.raises(ValueError, match=r"features take images \(9, 9, 3\), not \(8, 8, 3\)"):
        model.build((8, 8, 3))
    model.build((9, 9, 3))
    with pytest.raises(ValueError, match=r"x must have the shape \(N, 9, 9, 3\)"):
        model.predict_proba(np.zeros((2, FILTERS), np.float32))  # features alone are no images
    assert model.input_shape == (FILTERS,)


def test_augmentation_and_odd_features_are_refused(backbone, data, tmp_path):
    model = nn.Sequential([nn.Dense(3)], features=backbone)
    with pytest.raises(ValueError, match="computed once per image"):
        model.fit(data, augmentation=nn.Augmentation(shift=0.1), verbose=0)
    with pytest.raises(TypeError, match="path of an ONNX file or Features, not 3"):
        nn.Sequential([nn.Dense(3)], features=3)
    with pytest.raises(ValueError, match=r"layer 'conv2d'"):
        nn.Sequential([nn.Conv2D(3, 3)], features=backbone).fit(data, verbose=0)
    assert model.features.images_run == 0
    assert os.listdir(tmp_path) == ["backbone.onnx"]


def test_the_mean_of_the_pixels_is_not_applied_twice(backbone, data):
    from nncore.data.normalization import with_normalization

    plain, normalized = (nn.Sequential([nn.Dense(3)], features=backbone) for _ in range(2))
    plain.fit(data, epochs=2, verbose=0)
    normalized.fit(with_normalization(data), epochs=2, verbose=0)
    assert normalized.preprocessing == plain.preprocessing
    np.testing.assert_array_equal(normalized.predict_proba(data), plain.predict_proba(data))


def test_where_it_looked_is_found_by_occlusion(model, data):
    """Gradients end where the frozen network begins."""
    images = data.images[:3].copy()
    images[0] = 60
    images[0, 5:, 5:] = (230, 40, 40)  # red in one corner
    with pytest.raises(ValueError, match="use method='occlusion'"):
        model.explain(images, method="gradcam")
    maps = model.explain(images, "red")
    assert maps.shape == (3, 9, 9)
    y, x = np.unravel_index(maps[0].argmax(), (9, 9))
    assert y >= 4
    assert x >= 4
