"""`POST /explain`: the heat map that the model gives, over the picture that it saw."""

from __future__ import annotations

import concurrent.futures
import io
import threading

import numpy as np
import pytest
from PIL import Image

from nncore.data import ImageDataset
from nncore.layers import Conv2D, Dense, Flatten
from nncore.plots import enlarged, heat_overlay
from nncore.training.model import Sequential
from serving import multipart, picture


@pytest.fixture(scope="module")
def convolutions():
    images = np.random.default_rng(0).integers(0, 256, (12, 6, 7), np.uint8)
    data = ImageDataset.from_arrays(images, np.arange(12) % 3, classes=["a", "b&c", "d"])
    model = Sequential([Conv2D(4, 3, activation="relu"), Flatten(), Dense(3)])
    model.fit(data, epochs=2, verbose=0)
    return model


def pixels(answer) -> np.ndarray:
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.body)))


def test_the_heat_map_is_the_models(serve, convolutions):
    serving, content = serve(convolutions), picture(1, size=(7, 6))
    image = np.asarray(Image.open(io.BytesIO(content)))[..., np.newaxis]
    for query, label in (("", None), ("?label=b%26c", "b&c"), ("?label=d", "d")):
        told = pixels(serving.ask(f"/explain{query}", content))
        assert np.array_equal(
            told, heat_overlay(*enlarged(image, convolutions.explain(image, label)))
        )
    assert np.array_equal(told, pixels(serving.ask("/explain?label=d", *multipart(("x", content)))))


def test_a_network_without_convolutions(serving, model):
    image = np.asarray(Image.open(io.BytesIO(picture(2))))[..., np.newaxis]
    told = pixels(serving.ask("/explain", picture(2)))
    wanted = heat_overlay(*enlarged(image, model.explain(image, method="occlusion")))
    assert np.array_equal(told, wanted)
    # A label that nobody knows is no reason to look in another way.
    assert serving.ask("/explain?label=nobody", picture(2)).status == 400


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("?label=nobody", picture(), 400),
        ("?label=Hund&label=Hund", picture(), 400),
        ("?top_k=2", picture(), 400),
        ("", b"no picture", 415),
        ("", picture()[:40], 422),
        ("", picture(size=(300, 300)), 413),
    ],
)
def test_what_cannot_be_explained(serving, query, body, status):
    assert serving.ask(f"/explain{query}", body).status == status


def test_one_picture_at_a_time(serving):
    answer = serving.ask("/explain", *multipart(("a", picture()), ("b", picture())))
    assert (answer.status, "not 2" in answer.json["error"]) == (400, True)


def test_one_explains_at_a_time_and_others_give_up_waiting(serve, monkeypatch):
    running, most, go = [], [], threading.Event()

    def slow(*_):
        running.append(1)
        most.append(len(running))
        assert go.wait(20)
        running.pop()
        return b"a picture"

    monkeypatch.setattr("nncore.serve.endpoints.heat_picture", slow)
    serving = serve(seconds=0.5)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(serving.ask, "/explain", picture()) for _ in range(2)]
        given_up = next(concurrent.futures.as_completed(asked))
        assert given_up.result().status == 503
        assert serving.ask("/explain", picture()).status == 503  # the first goes on
        go.set()
        assert {one.result().status for one in asked} <= {200, 503}
    assert most == [1]
