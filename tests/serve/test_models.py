"""A model file that changes: the new one is taken, a bad one is not."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from model_files import make_model
from nncore.errors import ModelFileError
from nncore.layers import Dense, Flatten
from nncore.serve import app
from nncore.serve.models import Models, ModelSource
from nncore.training.model import Sequential
from nncore.training.model_file import load
from serving import picture


@pytest.fixture
def place(model, tmp_path):
    file = tmp_path / "m.safetensors"
    model.save(file)
    return file


@pytest.fixture
def models(place):
    return Models(ModelSource(lambda: load(place), str(place)))


def test_a_file_that_stays_as_it_is(models):
    first = models.current
    assert [models.look() for _ in range(3)] == [None] * 3
    assert models.current is first


def test_another_model_takes_its_place(models, place):
    make_model(epochs=1).save(place)
    before = models.current
    assert models.look() is None  # it may still be written
    assert models.current is before
    told = models.look()
    assert "opened anew" in told
    assert models.current is not before
    assert models.reloads == {"done": 1, "failed": 0}
    assert models.look() is None


def test_a_bad_file_leaves_the_old_one_and_is_tried_once(models, place):
    good, before = place.read_bytes(), models.current
    place.write_bytes(good[:200])
    models.look()
    told = models.look()
    assert told.startswith("the model stays as it was: ")
    assert str(place) in told
    assert models.look() is None
    place.unlink()
    assert [models.look(), models.look()] == [None, None]
    assert models.current is before
    place.write_bytes(good)
    models.look()
    assert "opened anew" in models.look()
    assert models.reloads == {"done": 1, "failed": 1}


def test_a_model_that_knows_no_pictures():
    model = Sequential([Flatten(), Dense(3)])
    model.build((4, 5))
    with pytest.raises(ModelFileError, match="not trained on images"):
        Models(ModelSource(lambda: model))


def test_a_server_that_reloads(serve, place, monkeypatch, tmp_path):
    monkeypatch.setattr(app, "_LOOK_SECONDS", 0.01)
    serving = serve(ModelSource(lambda: load(place), str(place)), reload=True)
    before = serving.ask("/predict", picture()).json
    make_model(epochs=1).save(tmp_path / "new.safetensors")
    os.replace(tmp_path / "new.safetensors", place)
    wait_for(lambda: serving.told)
    assert serving.told == [f"the model was opened anew: {place}"]
    assert serving.ask("/predict", picture()).json != before
    assert serving.metric('nncore_model_reloads_total{outcome="done"}') == 1
    shutil.copy(__file__, place)
    wait_for(lambda: len(serving.told) > 1)
    assert "stays as it was" in serving.told[1]
    assert serving.ask("/predict", picture()).status == 200
    assert serving.ask("/model").json["file"] == place.name


def wait_for(condition) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
