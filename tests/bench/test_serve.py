"""The clients that load a server see what is wrong; engines behind it answer the same."""

from __future__ import annotations

import numpy as np
import pytest
from http_load import Question, load, post

from model_files import make_model
from nncore.serve.limits import Limits
from serving import picture, running

GOOD = Question(post("/predict", picture(), "image/png"), b'{"predictions":[{"path":null,')


def test_answers_are_counted_and_timed():
    with running(make_model(), Limits()) as served:
        outcome = load(served.port, [GOOD], clients=4, seconds=0.3, warm_up=0)
        answered = served.metric('nncore_requests_total{path="/predict",status="200"}')
    assert outcome.errors == []
    assert 10 < len(outcome.latencies) <= answered <= len(outcome.latencies) + 8
    assert 0 < outcome.percentile(50) <= outcome.percentile(99) < 0.3
    assert outcome.rate == len(outcome.latencies) / 0.3


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (Question(GOOD.request, b'{"predictions":[{"path":"x"'), "another answer"),
        (Question(post("/predict", b"no picture", "image/png"), b""), "415"),
    ],
)
def test_what_is_wrong_is_seen(question, told):
    with running(make_model(), Limits()) as served:
        outcome = load(served.port, [question], clients=2, seconds=0.1, warm_up=0)
    assert len(outcome.latencies) == 0
    assert outcome.errors
    assert all(told in error for error in outcome.errors)


def test_a_server_that_hangs_up_is_an_error():
    with running(make_model(), Limits()) as served:
        closed = Question(GOOD.request.replace(b"HTTP/1.1", b"HTTP/9.9"), b"")
        outcome = load(served.port, [closed], clients=1, seconds=0.2, warm_up=0)
    assert outcome.errors


def test_onnxruntime_behind_the_same_server():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from servers.__main__ import OnnxModel

    model = make_model()
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 5, 1), np.uint8)
    for at_once in (True, False):
        with running(OnnxModel(model, at_once), Limits()) as served:
            assert served.ask("/predict", picture()).status == 200
        other = OnnxModel(model, at_once).predict_proba(images)
        assert np.abs(other - model.predict_proba(images)).max() < 1e-5
