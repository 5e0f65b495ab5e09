"""`POST /predict`: the same as `nncore predict --json` says, whoever else asks."""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from model_files import data_set, make_model
from nncore.cli import main
from serving import multipart, picture


def predicted(model, folder, files, top_k, *flags):
    """What the command line prints for these files, by their names alone."""
    model.save(folder / "m.safetensors")
    paths = []
    for name, content in files:
        (folder / name).write_bytes(content)
        paths.append(str(folder / name))
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        words = [str(folder / "m.safetensors"), *paths, "--json", "--top-k", str(top_k), *flags]
        main(["predict", *words])
    return json.loads(out.getvalue().replace(f"{folder}/", ""))


def test_the_answer_is_what_predict_prints(serving, model, tmp_path):
    rng = np.random.default_rng(3)
    large = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (90, 120, 3), np.uint8)).save(large, "JPEG")
    files = [("a.png", picture(1)), ("b.bmp", picture(2, "BMP")), ("c d.jpg", large.getvalue())]
    files += [("broken.png", picture(1)[:40]), ("text.png", b"no picture")]
    told = predicted(model, tmp_path, files, 3)
    assert len(told["predictions"]) == 3
    assert len(told["skipped"]) == 2
    answer = serving.ask("/predict?top_k=3", *multipart(*files))
    assert answer.status == 200
    assert answer.json == told
    assert answer.headers["content-type"] == "application/json"
    alone = serving.ask("/predict?top_k=3", files[2][1], {"Content-Type": "image/jpeg"})
    assert alone.json == {
        "predictions": [{**told["predictions"][2], "path": None}],
        "skipped": [],
    }


def test_all_who_ask_together_get_what_they_would_get_alone(serving):
    pictures = [picture(seed) for seed in range(40)]
    alone = [serving.ask("/predict?top_k=3", one).json for one in pictures]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(serving.ask, "/predict?top_k=3", one) for one in pictures * 3]
        together = [one.result().json for one in asked]
    assert together == alone * 3
    assert len({json.dumps(one) for one in alone}) > 30


def test_pictures_that_come_together_are_computed_together(serve):
    serving = serve()
    files = [(f"{seed}.png", picture(seed)) for seed in range(48)]
    answer = serving.ask("/predict", *multipart(*files))
    assert [one["path"] for one in answer.json["predictions"]] == [name for name, _ in files]
    assert serving.metric("nncore_batch_pictures_sum") == 48
    assert 3 <= serving.metric("nncore_batch_pictures_count") <= 12
    assert serving.metric('nncore_pictures_total{outcome="predicted"}') == 48


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"GIF is what this is not", 415, "not an image"),
        (b"%PDF-1.7", 415, "PDF"),
        (picture(1)[:40], 422, "cut off"),
        (b"", 400, "empty"),
        (picture(0, size=(300, 300)), 413, "300 x 300 pixels"),
        (b"\0" * ((1 << 20) + 1), 413, "1,048,576 bytes"),
    ],
    ids=["text", "pdf", "cut", "nothing", "pixels", "bytes"],
)
def test_what_is_no_picture(serving, body, status, told):
    answer = serving.ask("/predict", body, {"Content-Type": "image/png"})
    assert answer.status == status
    assert told in answer.json["error"]


def test_a_decompression_bomb_is_refused_before_it_is_decoded(serving):
    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 1 << 20
    answer = serving.ask("/predict", bomb.getvalue())
    assert answer.status == 413
    assert "9000 x 9000 pixels" in answer.json["error"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd.png", "passwd.png"),
        ("C:\\Windows\\a.png", "a.png"),
        ("/dev/null", "null"),
        ("..", ".."),
        ("a\x1b[31m\u202eb.png", "a[31mb.png"),
        ("%22quoted%22.png", '"quoted".png'),
        ("é" * 300 + ".png", "é" * 255),
    ],
)
def test_names_are_only_shown(serving, name, shown):
    (one,) = serving.ask("/predict", *multipart((name, picture()))).json["predictions"]
    assert one["path"] == shown


def test_names_that_are_no_text(serving):
    body, headers = multipart(("X", picture()))
    (one,) = serving.ask("/predict", body.replace(b'"X"', b'"\xff\xfe"'), headers).json[
        "predictions"
    ]
    assert one["path"] == "\ufffd\ufffd"


@pytest.mark.parametrize("query", ["top_k=0", "top_k=4", "top_k=x", "top_k=", "top_k=9999999999"])
def test_a_wrong_top_k(serving, query):
    answer = serving.ask(f"/predict?{query}", picture())
    assert answer.status == 400
    assert "top_k must be from 1 to 3" in answer.json["error"]


def test_a_query_that_nobody_knows(serving):
    answer = serving.ask("/predict?topk=2", picture())
    assert (answer.status, "topk" in answer.json["error"]) == (400, True)


def test_sets_of_a_stated_coverage(serve, tmp_path):
    model = make_model()
    assert "calibrate" in serve(model).ask("/predict?coverage=0.8", picture()).json["error"]
    model.calibrate(data_set())
    served = serve(model)
    told = predicted(model, tmp_path, [("a.png", picture(3))], 2, "--coverage", "0.8")
    assert told["predictions"][0]["set"]
    assert (
        served.ask("/predict?top_k=2&coverage=0.8", *multipart(("a.png", picture(3)))).json == told
    )
    assert served.ask("/model").json["largest_coverage"] == model.largest_coverage
    for wrong in ("0", "1", "nan", "x", "0.99999"):
        assert served.ask(f"/predict?coverage={wrong}", picture()).status == 400, wrong


def test_how_long_it_took(serving):
    timing = serving.ask("/predict", picture()).headers["server-timing"]
    assert timing.startswith("decode;dur=")
    assert "compute;dur=" in timing


def test_other_paths_and_methods(serving):
    answer = serving.ask("/none")
    assert answer.status == 404
    assert json.loads(answer.body)["error"].startswith(
        "there is nothing at '/none'; there are /pre"
    )
    answer = serving.ask("/predict")
    assert answer.status == 405
    assert json.loads(answer.body) == {"error": "/predict takes POST, not GET"}
    assert serving.ask("/predict", method="PUT", body=b"x").headers["allow"] == "POST"
    assert serving.ask("/health", method="HEAD").body == b""


def test_the_model_and_what_may_be_asked_of_it(serving, model):
    told = serving.ask("/model").json
    assert told["classes"] == list(model.classes.names)
    assert told["input_shape"] == [4, 5, 1]
    assert told["limits"] == {"body": 1 << 20, "pixels": 1 << 16, "parts": 80}
    assert told["preprocessing"] == model.preprocessing.to_dict()


def test_a_failure_of_ours_is_told_to_us_alone(serve, monkeypatch):
    serving = serve()

    def fail(*_, **__):
        raise RuntimeError("secret")

    monkeypatch.setattr("nncore.serve.workers.decode", fail)
    answer = serving.ask("/predict", picture())
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert serving.told == ["a request failed: RuntimeError: secret"]
    monkeypatch.undo()
    assert serving.ask("/predict", picture()).status == 200
