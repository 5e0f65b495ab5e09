"""Model files: what goes in comes out, and nothing in them is trusted."""

from __future__ import annotations

import errno
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save as save_tensors

from model_files import NAMES, content, data_set, make_model, weights, write
from nncore.data import ClassMap
from nncore.errors import ModelFileError
from nncore.layers import Activation, Conv2D, Dense, DepthwiseConv2D, Flatten
from nncore.optimizers import SGD, Adam
from nncore.training import model_format
from nncore.training.callbacks import ModelCheckpoint
from nncore.training.model import Sequential
from nncore.training.model_file import load


@pytest.fixture(scope="module")
def model():
    return make_model(seed=5)


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "pets.safetensors"
    model.save(path)
    return path


# -- round trip


def test_everything_comes_back(model, path):
    loaded = load(path)
    assert weights(loaded) == weights(model)
    assert repr(loaded) == repr(model)
    assert [v.description for v in loaded.layers] == [v.description for v in model.layers]
    assert loaded.classes == ClassMap(tuple(NAMES))
    for name in ("preprocessing", "loss", "optimizer", "facts", "input_shape"):
        assert getattr(loaded, name) == getattr(model, name)
        assert getattr(loaded, name) is not None
    images = data_set().images
    assert (loaded.predict_proba(images) == model.predict_proba(images)).all()
    assert loaded.evaluate(data_set()).to_dict() == model.evaluate(data_set()).to_dict()


def test_official_library_reads_it(model, path):
    tensors, described = content(path)
    assert sorted(tensors) == ["dense/bias", "dense/kernel", "hidden/bias", "hidden/kernel"]
    assert (tensors["hidden/kernel"] == model.layers[1].kernel).all()
    assert described["format_version"] == 1
    assert described["classes"] == NAMES
    assert described["preprocessing"]["color"] == "gray"
    assert described["training"]["epochs"] == 3
    assert described["training"]["seed"] == 5
    assert described["training"]["images"] == 60
    assert described["training"]["metrics"]["loss"] == model.history.history["loss"][-1]


def test_normalization_comes_back(tmp_path):
    import dataclasses

    data = data_set()
    data.preprocessing = dataclasses.replace(data.preprocessing, mean=(0.4,), std=(0.3,))
    model = Sequential([Flatten(), Dense(3)])
    model.fit(data, verbose=0, epochs=1)
    model.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    assert loaded.preprocessing.mean == (0.4,)
    assert (loaded.predict_proba(data.images) == model.predict_proba(data.images)).all()


def test_model_without_training(tmp_path):
    for layer in (Dense(2, "softmax"), Dense(2, use_bias=False)):
        model = Sequential([layer, Activation("tanh")])
        model.build((2,), seed=3)
        model.save(tmp_path / "m.safetensors")
        loaded = load(tmp_path / "m.safetensors")
        assert weights(loaded) == weights(model)
        assert loaded.classes is loaded.preprocessing is loaded.loss is loaded.facts is None


def test_convolutions_in_groups_come_back(tmp_path):
    """By either way of computing them, whose weights lie in other orders."""
    model = Sequential(
        [
            Conv2D(6, 3, padding="same", dilation_rate=2),
            Conv2D(4, 3, padding="same", groups=2),
            DepthwiseConv2D((2, 3), depth_multiplier=3),
            Flatten(),
            Dense(3),
        ]
    )
    model.fit(data_set(), epochs=1, verbose=0, optimizer=Adam(0.01))
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert [layer.description for layer in again.layers] == [
        layer.description for layer in model.layers
    ]
    assert [w.shape for w in again.get_weights()][2:6:2] == [(3, 3, 3, 4), (2, 3, 1, 12)]
    assert weights(again) == weights(model)
    images = data_set().images
    assert again.predict_proba(images).tobytes() == model.predict_proba(images).tobytes()


def test_saving_is_repeatable(model, path, tmp_path):
    load(path).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_loaded_model_goes_on_with_new_shuffles(path):
    whole, parts = make_model(epochs=5, seed=5), load(path)
    parts.fit(data_set(), epochs=2, seed=5, optimizer=SGD(0.2), verbose=0)
    assert weights(parts) == weights(whole)


# -- writing that cannot be


def test_saving_an_unbuilt_model():
    with pytest.raises(ValueError, match="not built"):
        Sequential([Dense(2)]).save("never")


@pytest.mark.parametrize(
    "name", ["a.h5", "a.keras", "a.pt", "a.PTH", "a.onnx", "a.pkl", "a.joblib", "a.npz", "a.tflite"]
)
def test_names_of_other_formats(model, tmp_path, name):
    with pytest.raises(ValueError, match=rf"no {name[1:]} file.* name it a.safetensors .*export"):
        model.save(tmp_path / name)
    callback = ModelCheckpoint(tmp_path / name)
    with pytest.raises(ValueError, match=rf"no {name[1:]} file"):
        make_model().fit(data_set(), epochs=1, verbose=0, callbacks=[callback])
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a", "a.model", "a.h5.tmp", ".h5"])
def test_any_other_name(model, tmp_path, name):
    model.save(tmp_path / name)
    assert load(tmp_path / name).classes == model.classes


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = Sequential([Dense(1, use_bias=False)])
    # One step into overflow, by the engine itself.
    model.build((1,))
    model.set_weights([[[3e38]]])
    model.compute_gradients(np.ones((1, 1), np.float32), [[1.0]], "mse")
    model._built_network().set_gradient("dense/kernel", np.full((1, 1), -3e38, np.float32))
    model.apply_gradients(SGD(10.0))
    with pytest.raises(ValueError, match="dense/kernel holds NaN or infinity"):
        model.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(model, tmp_path):
    with pytest.raises(OSError, match=r"no such folder.*missing"):
        model.save(tmp_path / "missing" / "m")
    with pytest.raises(OSError, match="a folder, not a file"):
        model.save(tmp_path)
    old = tmp_path / "old"
    old.write_text("old")
    with pytest.raises(OSError, match="no such folder"):
        model.save(old / "m")
    assert old.read_text() == "old"


# -- files that are no models


def test_missing_file(tmp_path):
    with pytest.raises(ModelFileError, match=r"gone: there is no such model file") as caught:
        load(tmp_path / "gone")
    assert isinstance(caught.value, FileNotFoundError)


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(ModelFileError, match=r"is a folder; give the file, such as .*best\.safe"):
        load(tmp_path)


def test_every_truncation_is_noticed(path):
    whole = path.read_bytes()
    for length in [*range(0, 64), *range(64, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match=r"pets\.safetensors: not a whole safetensors"):
            load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(ModelFileError, match="not a whole safetensors"):
        load(path)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 10) + b'{"a":NaN} ',
        struct.pack("<Q", 40_000) + b"[" * 40_000,
    ],
)
def test_not_safetensors(path, data):
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="not a whole safetensors file"):
        load(path)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"PK\x03\x04" + bytes(100), "a zip archive"),
        (b"\x80\x04\x95", "a pickle of Python"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
        (b'{"nncore": 1}', "JSON"),
        (b'\n[run]\ncommand = "nncore train"\n', "a file of settings"),
    ],
)
def test_a_file_of_another_kind_is_named_for_what_it_is(path, data, name):
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=rf"pets\.safetensors: is {name}.* no model of nncore"):
        load(path)


def test_a_picture_is_no_model(path):
    Image.new("RGB", (8, 8)).save(path, format="PNG")  # as where model and picture are swapped
    with pytest.raises(ModelFileError, match=r"is a picture \(PNG\), no model of nncore"):
        load(path)


def test_a_disk_that_fails_while_reading_names_the_file(path, monkeypatch):
    def fails(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(model_format, "_read_header", fails)
    with pytest.raises(ModelFileError, match=r"pets\.safetensors: cannot be read: "):
        load(path)


def test_lying_header(path):
    write(path, *content(path))  # a file without digests, which would find it first
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    for name, shape in (("hidden/kernel", [20, 8]), ("hidden/kernel", [2**40, 2**40])):
        lie = json.loads(json.dumps(header))
        lie[name]["shape"] = shape
        text = json.dumps(lie).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + length :])
        with pytest.raises(ModelFileError, match="not a whole safetensors"):
            load(path)


def test_random_damage_never_escapes(path):
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[position] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            loaded = load(path)
        except ModelFileError:
            continue
        assert all(np.isfinite(w).all() for w in loaded.get_weights())


def test_safetensors_of_someone_else(path):
    for metadata in (None, {}, {"format": "pt"}):
        path.write_bytes(save_tensors({"w": np.zeros(3, np.float32)}, metadata=metadata))
        with pytest.raises(ModelFileError, match="not a model of nncore"):
            load(path)
    path.write_bytes(save_tensors({"w": np.zeros(3)}, metadata={"nncore": "{"}))
    with pytest.raises(ModelFileError, match="metadata is not JSON"):
        load(path)
    path.write_bytes(save_tensors({"w": np.zeros(3)}, metadata={"nncore": "[" * 100_000}))
    with pytest.raises(ModelFileError, match="metadata is not JSON"):
        load(path)


def test_numbers_beyond_all_that_can_be_written(path):
    """Read as infinite, they could not be saved again."""
    tensors, described = content(path)
    described["training"]["metrics"]["loss"] = 12345.5
    text = json.dumps(described).replace("12345.5", "1e999")
    path.write_bytes(save_tensors(tensors, metadata={"nncore": text}))
    with pytest.raises(ModelFileError, match="1e999 is beyond all numbers"):
        load(path)


@pytest.mark.parametrize("version", [0, 2, "1", None, 1.0, True, [1]])
def test_other_format_versions(path, version):
    tensors, described = content(path)
    write(path, tensors, described | {"format_version": version, "nncore_version": "9.9"})
    with pytest.raises(ModelFileError, match=r"this nncore reads version 1; .*'9\.9'"):
        load(path)


def test_description_that_is_no_object(path):
    for described in ([], 3, "x", None):
        write(path, content(path)[0] if path.stat().st_size > 1000 else {}, described)
        with pytest.raises(ModelFileError, match="format version None"):
            load(path)


def test_blocks_beyond_all_depth(path):
    tensors, described = content(path)
    layer = {"type": "Flatten", "name": None}
    for _ in range(400):
        block = {"type": "Residual", "layers": [layer], "activation": None, "shortcut": None}
        layer = block | {"name": None}
    described["architecture"]["layers"][0] = layer
    write(path, tensors, described)
    with pytest.raises(ModelFileError, match="too deeply nested"):
        load(path)


def test_missing_fields(path):
    tensors, described = content(path)
    for field in described:
        write(path, tensors, {k: v for k, v in described.items() if k != field})
        with pytest.raises(ModelFileError, match=r"format version None|lacks " + field):
            load(path)


def change(described, where, value):
    """`described` with the value at a path such as "architecture.layers.1.units" replaced."""
    *parents, last = where.split(".")
    inside = described
    for key in parents:
        inside = inside[int(key) if isinstance(inside, list) else key]
    inside[int(last) if isinstance(inside, list) else last] = value


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("architecture", None, "inconsistent"),
        ("architecture", [], "inconsistent"),
        ("architecture.layers", [], "at least one layer"),
        ("architecture.layers", {"a": 1}, "inconsistent"),
        ("architecture.layers.1", 3, "inconsistent"),
        ("architecture.layers.1.type", "Conv9D", "unknown layer type 'Conv9D'; known: Dense"),
        ("architecture.layers.1.activation", "relo", "unknown activation 'relo'"),
        ("architecture.layers.1.units", 8, r"hidden/kernel is float32 \(20, 7\).*\(20, 8\)"),
        ("architecture.layers.1.units", 10**12, "values per image"),
        ("architecture.layers.1.units", 10**400, "values per image"),
        ("architecture.layers.1.units", -1, "units must be at least 1"),
        ("architecture.layers.1.use_bias", False, "weights of no layer: .'hidden/bias'"),
        ("architecture.layers.1.name", "other", "weights|called"),
        ("architecture.layer_names", ["a", "b", "c"], "called"),
        ("architecture.input_shape", [4, 6, 1], r"float32 \(24, 7\)"),
        ("architecture.input_shape", [2**20, 2**20, 3], "values per image"),
        ("architecture.input_shape", [20], "images are prepared as"),
        ("architecture.input_shape", [4, 5], "input_shape must be"),
        ("architecture.input_shape", ["4", 5, 1], "input_shape must be a whole number"),
        ("architecture.input_shape", None, "inconsistent"),
        ("classes", ["a", "b"], "2 classes for 3 outputs"),
        ("classes", ["a", "b", "a"], "twice"),
        ("classes", [" a", "b", "c"], "canonical"),
        ("classes", "abc", "inconsistent"),
        ("preprocessing", {}, "inconsistent"),
        ("preprocessing.height", 5, "images are prepared as"),
        ("preprocessing.color", "hsv", "color"),
        ("loss", "hinge", "unknown loss 'hinge'"),
        ("optimizer", {"type": "Adagrad"}, "unknown optimizer 'Adagrad'"),
        ("optimizer.learning_rate", float("nan"), "NaN is no number of JSON"),
        ("optimizer.learning_rate", -1.0, "learning_rate"),
        ("training", {}, "inconsistent"),
        ("training.epochs", -3, "not a count"),
        ("training.metrics", [], "inconsistent"),
        ("training.metrics.loss", float("inf"), "Infinity is no number of JSON"),
    ],
)
def test_contradictions(path, where, value, message):
    tensors, described = content(path)
    change(described, where, value)
    write(path, tensors, described)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("hidden/kernel", None, r"weights missing: \['hidden/kernel'\]"),
        ("extra/kernel", np.zeros((2, 2), np.float32), r"of no layer: \['extra/kernel'\]"),
        ("hidden/bias", np.zeros(7), r"hidden/bias is float64 \(7,\).*float32 \(7,\)"),
        ("hidden/bias", np.zeros((7, 1), np.float32), "hidden/bias is float32"),
        ("hidden/bias", np.full(7, np.nan, np.float32), "hidden/bias holds NaN"),
        ("hidden/bias", np.full(7, np.inf, np.float32), "hidden/bias holds NaN or infinity"),
    ],
)
def test_wrong_tensors(path, name, tensor, message):
    tensors, described = content(path)
    if tensor is None:
        del tensors[name]
    else:
        tensors[name] = tensor
    write(path, tensors, described)
    with pytest.raises(ModelFileError, match=message):
        load(path)


def test_huge_claims_ask_for_no_memory(path):
    """A network without weights that claims a huge input must be refused before it is built."""
    _, described = content(path)
    for shape in ([2**14, 2**14, 2**14], [2**62]):
        described["architecture"] |= {
            "input_shape": shape,
            "layers": [Flatten("f").to_dict()],
            "layer_names": ["f"],
        }
        described |= {"classes": None, "preprocessing": None}
        write(path, {}, described)
        with pytest.raises(ModelFileError, match="values per image"):
            load(path)


def test_reading_a_model_never_imports_pickle(path):
    code = (
        "import sys, pickle; pickle.Unpickler = pickle.loads = pickle.load = None\n"
        "from nncore.training.model_file import load\n"
        f"print(load({str(path)!r}).classes.names[0])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "Katze"
