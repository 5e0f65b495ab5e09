"""Models are copied and pickled through the content of their file."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import numpy as np
import pytest

import nncore as nn
from onnx_models import write_network

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (40, 6, 6, 1), np.uint8)
Y = np.arange(40) % 3

WAYS: list[Callable[[nn.Sequential], nn.Sequential]] = [
    copy.copy,
    copy.deepcopy,
    *(
        lambda m, protocol=protocol: pickle.loads(pickle.dumps(m, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ),
]
every_way = pytest.mark.parametrize("twin", WAYS)


def network(*more: nn.layers.Layer) -> nn.Sequential:
    return nn.Sequential([*more, nn.Flatten(), nn.Dense(8, activation="relu"), nn.Dense(3)], "net")


def fit(model: nn.Sequential, **more: object) -> nn.Sequential:
    optimizer = nn.Adam(0.01)
    model.fit(X, Y, epochs=2, batch_size=8, verbose=0, optimizer=optimizer, **more)
    return model


@every_way
def test_a_twin_predicts_and_knows_the_same(twin):
    data = nn.ImageDataset.from_arrays(X, Y, classes=["cat", "dog", "owl"])
    model = network(nn.BatchNormalization())
    model.fit(data, epochs=2, verbose=0)
    other = twin(model)
    assert type(other) is nn.Sequential
    assert (other.predict_proba(X) == model.predict_proba(X)).all()
    assert other.to_bytes() == model.to_bytes()
    assert (other.name, other.classes, other.preprocessing) == (
        "net",
        model.classes,
        model.preprocessing,
    )
    assert other.history is not model.history
    assert other.history.history == model.history.history


@every_way
def test_a_twin_is_trained_on_as_the_model_would_be_and_apart_from_it(twin):
    model = fit(network())
    before = model.to_bytes()
    other = fit(twin(model))
    assert model.to_bytes() == before
    assert all(
        (p == q).all() for p, q in zip(other.get_weights(), fit(model).get_weights(), strict=True)
    )


@every_way
def test_models_that_are_not_trained_or_not_built(twin):
    assert not twin(network()).built
    assert all(
        (p == q).all()
        for p, q in zip(
            fit(twin(network())).get_weights(), fit(network()).get_weights(), strict=True
        )
    )
    model = network()
    model.build((6, 6, 1), seed=3)
    assert (twin(model).predict_proba(X) == model.predict_proba(X)).all()


@every_way
@pytest.mark.parametrize("built", [False, True])
def test_a_twin_keeps_its_things_where_the_model_does_and_shares_none(twin, built, tmp_path):
    model = network()
    model.cache = tmp_path / "cache"
    if built:
        fit(model)
    other = twin(model)
    assert (other.name, other.cache) == ("net", tmp_path / "cache")
    other.cache = False
    assert model.cache == tmp_path / "cache"


@every_way
def test_frozen_features_come_along(twin, tmp_path):
    pytest.importorskip("onnxruntime")
    features = nn.Features(write_network(tmp_path / "network.onnx"), mean=0.4, std=0.3)
    model = nn.Sequential([nn.Dense(3)], features=features)
    unbuilt, images = twin(model), RNG.integers(0, 256, (30, *features.image_shape), np.uint8)
    labels = np.arange(30) % 3
    for one in (model, unbuilt):
        one.fit(images, labels, epochs=2, verbose=0)
    assert (unbuilt.predict_proba(images) == model.predict_proba(images)).all()
    assert (twin(model).predict_proba(images) == model.predict_proba(images)).all()


def test_models_in_other_things_are_copied_too():
    model = fit(network())
    twins = copy.deepcopy({"a": [model, model]})["a"]
    assert twins[0] is twins[1]
    assert twins[0] is not model
    assert (twins[0].predict_proba(X) == model.predict_proba(X)).all()


def test_a_pickle_holds_the_file_of_the_model():
    model = fit(network())
    held = pickle.dumps(model)
    broken = bytearray(held)
    place = held.index(b"__metadata__") + 400
    broken[place] ^= 1
    with pytest.raises(nn.ModelFileError):
        pickle.load(io.BytesIO(bytes(broken)))
