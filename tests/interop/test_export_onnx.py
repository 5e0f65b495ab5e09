"""Models as ONNX files: what ONNX Runtime makes of pictures, and what the file says."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest

import nncore as nn
from exported_networks import HOSTILE, IMAGES, MAKERS, built, network
from nncore.errors import MissingExtraError
from nncore.interop.export.onnx_model import onnx_bytes
from nncore.interop.export.recorder import Recorder


def answers(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert given.name == "images"
    assert made.name == "probabilities"
    assert given.shape == ["N", *images.shape[1:]]
    return session.run(None, {"images": images})[0]


@pytest.mark.parametrize("name", MAKERS)
def test_onnx_runtime_gives_the_same_probabilities(name, tmp_path):
    model, images, expected = network(name)
    made = model.export(tmp_path / "net.onnx")
    assert made.files == (tmp_path / "net.onnx",)
    found = answers(made.files[0], images)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5
    # Any batch, and none has anything to do with another image.
    assert answers(made.files[0], images[5:6]) == pytest.approx(expected[5:6], abs=1e-5)


def test_the_file_says_what_no_graph_can(tmp_path):
    model, _, _ = network("normalized")
    model.export(tmp_path / "net.onnx")
    file = onnx.load(tmp_path / "net.onnx")
    known = {entry.key: entry.value for entry in file.metadata_props}
    assert json.loads(known["classes"]) == list(HOSTILE[:3])
    assert json.loads(known["preprocessing"]) == model.preprocessing.to_dict()
    assert known["nncore_version"] == file.producer_version == nn.__version__
    assert "weights" in known["license"]
    for word in ("gray", "9x12", "bilinear-antialias", "(255, 255, 255)", "uint8", "lie within"):
        assert word in known["reading"]
    assert [(one.domain, one.version) for one in file.opset_import] == [("", 13)]


def test_models_on_floats_take_floats(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 5, 6, 2)).astype(np.float32)
    model = nn.Sequential([nn.Conv2D(3, 2), nn.Flatten(), nn.Dense(3)])
    model.fit(x, np.arange(60) % 3, epochs=2, verbose=0)
    with pytest.raises(nn.ExportError, match=r"floats from -.* to .*input=\"float32\""):
        model.export(tmp_path / "net.onnx")
    model.export(tmp_path / "net.onnx", input="float32")
    found = answers(tmp_path / "net.onnx", x)
    assert np.abs(found - model.predict_proba(x)).max() < 1e-5


def test_rows_are_exported_as_rows(tmp_path):
    model = built([nn.Dense(6, "tanh"), nn.Dense(4)], (30,))
    images = IMAGES.reshape(len(IMAGES), -1)[:, :30].copy()
    model.export(tmp_path / "net.onnx")
    found = answers(tmp_path / "net.onnx", images)
    assert np.abs(found - model.predict_proba(images)).max() < 1e-5


def test_a_backbone(tmp_path):
    model = nn.backbone("efficientnet-lite0", classes=3, seed=1)
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.uint8)
    model.export(tmp_path / "net.onnx")
    found = answers(tmp_path / "net.onnx", images)
    assert np.abs(found - model.predict_proba(images)).max() < 1e-5
    known = {e.key: e.value for e in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert "EfficientNet-Lite" in known["license"]


def test_what_is_exported_can_be_imported(tmp_path):
    model, images, expected = network("windows")
    model.export(tmp_path / "net.onnx")
    imported = nn.from_onnx(tmp_path / "net.onnx")
    floats = images.astype(np.float32)
    assert np.abs(imported._built_network().forward(floats) - expected).max() < 1e-5


def test_the_same_model_gives_the_same_bytes():
    model, _, _ = network("blocks")
    assert onnx_bytes(model._trained_network()) == onnx_bytes(model._trained_network())


def test_without_the_package_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"nncore\[onnx\]"):
        network("normalized")[0].export(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_a_model_on_frozen_features_is_refused_by_name(tmp_path):
    from onnx_models import write_network

    model = nn.Sequential([nn.Dense(3)], features=write_network(tmp_path / "body.onnx"))
    model.build((9, 9, 3))
    with pytest.raises(nn.ExportError, match=r"frozen features of body\.onnx"):
        model.export(tmp_path / "net.onnx")


def test_layers_append_to_the_recorder_as_to_the_builder():
    """A method that the engine's builder gains is one that exports must know."""
    from nncore import _core

    def methods(kind):
        return {name for name in dir(kind) if name.startswith(("add_", "begin_", "next_", "end_"))}

    assert methods(Recorder) == methods(_core.Builder)
